"""Frames and replies as people capture them, alone and out of their connection, and what each says.

The shapes are those that venues send or their documents show (a few fields that nobody reads are left in), the numbers
are made up. `captures.json` has a line each; `first` is what the same capture said before.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.venues import VENUES


@dataclass(frozen=True, slots=True)
class Capture:
    venue: str
    about: str
    transport: str
    raw: str  # as it came
    says: dict[str, Any] | None  # of `crossoi decode`, without what is null or empty; None: it reads no such thing
    lists: dict[str, list[Any]] | None  # segment, coin, payoff, contract size, live, leverage of each symbol
    first: dict[str, str] | None = None
    url: str = ""

    @property
    def line(self) -> dict[str, str]:
        """As `crossoi decode` takes it."""
        named = {"url": self.url} if self.url else {}
        return {"raw": self.raw, "encoding": "text", "transport": self.transport, **named}


def read(venue: str, row: dict[str, Any]) -> Capture:
    first = row.get("first")
    before = None if first is None else {"transport": first["transport"], "raw": json.dumps(first["raw"])}
    raw = row["raw"] if isinstance(row["raw"], str) else json.dumps(row["raw"])
    return Capture(
        venue, row["about"], row["transport"], raw, row.get("says"), row.get("lists"), before, row.get("url", "")
    )


ROWS = json.loads((Path(__file__).parent / "captures.json").read_text())
CAPTURES: dict[str, list[Capture]] = {id: [read(id, row) for row in ROWS.get(id, ())] for id in VENUES}
