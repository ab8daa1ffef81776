"""What tools are asked with, and how a misspelt word is answered."""

import re
from difflib import get_close_matches
from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from server.tools.house import House

Asset = Annotated[str, Field(description="Coin, e.g. BTC; symbols such as BTCUSDT or btc-perp are understood")]
Detail = Annotated[Literal["concise", "detailed"], Field(description="detailed: every row and every figure")]

LISTED = 25  # names in an error: enough to choose from, not enough to drown in
CONTRACT = re.compile(r"[-_/:]?(PERP(ETUAL)?|SWAP|USDT|USDC|USD)+M?$")


def asset_of(house: House, asked: str) -> str:
    """The asset that is meant. ToolError names the near ones and what there is."""
    word = asked.strip().upper()
    for _ in range(3):
        if house.reader.lists(word):
            return word
        shorter = CONTRACT.sub("", word)
        if shorter in ("", word):
            break
        word = shorter
    known = [str(a) for a in house.reader.assets()["asset"]]
    if not known:
        raise ToolError(
            "no_data: No asset is known yet: the collectors have just started. Ask get_status, then ask again."
        )
    raise ToolError(f"unsupported_symbol: No venue lists {asked!r}. {suggestion(word, known)}")


def venue_of(house: House, asked: str) -> str:
    """The venue that is meant. ToolError names the near ones and what there is."""
    known = [str(v) for v in house.reader.venues()["venue"]]
    if asked.strip().lower() in known:
        return asked.strip().lower()
    raise ToolError(f"Unknown venue {asked!r}. {suggestion(asked.lower(), known)}")


def suggestion(word: str, known: list[str], prefix: str = "") -> str:
    """What may have been meant, and what there is. What all names begin with says nothing of which one is near."""
    ends = {name.removeprefix(prefix): name for name in known}
    near = [ends[end] for end in get_close_matches(word.removeprefix(prefix), ends, 3, 0.5)]
    listed = ", ".join(known[:LISTED]) + (", ..." if len(known) > LISTED else "")
    return (f"Did you mean {' or '.join(near)}? " if near else "") + f"There is: {listed or 'nothing yet'}."
