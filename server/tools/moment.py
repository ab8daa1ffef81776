"""`as_of`: any question can be asked as of a past instant, and then sees only what had been received by then."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from server.answers import utc
from server.tools.house import House, no_writer, unmeasured
from store.reader import Universe

AsOf = Annotated[
    str | int | None,
    Field(description="RFC 3339 or ms UTC: the answer as it would have been at that time; now if left out"),
]
OfUniverse = Annotated[
    Universe | None,
    Field(description="What counts: perpetual (if left out, unless only dated futures are collected), dated or all"),
]
RUN_MS = 3_600_000  # how far before a past instant a connection's last word still tells of it


def at(house: House, as_of: str | int | None, universe: Universe | None = None) -> House:
    """The house for one answer. With `as_of` as it was: its reader hides what came later, its clock stands still. With
    `universe` it counts that one, of which the clock has worked out nothing: no plausibility, thresholds, records.

    What is not kept for past instants (the measured plausibility, how writing did) is left out; plausibility says so by
    being unmeasured.
    """
    if universe is not None and universe != house.reader.universe:
        house = replace(house, reader=house.reader.of(universe), plausible=unmeasured, apart=True)
    if as_of is None:
        return replace(house, reader=house.reader.once())
    moment, now = instant(as_of), house.now()
    if moment > now:
        raise ToolError(f"as_of {as_of!r} lies in the future: it is {utc(now)}. Leave as_of out for now.")
    return replace(
        house, reader=house.reader.at(moment), now=lambda: moment, started=min(house.started, moment - RUN_MS),
        plausible=unmeasured, progress=no_writer,
    )  # fmt: skip


APART = (
    "no_data: the hourly sweep, its records of divergences and who leads are of the universe that is counted if "
    "universe is left out: of {} nothing of it is known."
)


def expiring(house: House) -> list[str]:
    """What must be known of a universe whose contracts end."""
    if house.reader.universe == "perpetual":
        return []
    return ["expiry: dated contracts are counted; open interest that falls as they expire is no deleveraging."]


def instant(said: str | int) -> int:
    """ms UTC of an RFC 3339 time or of a number of milliseconds. A time without a zone is UTC."""
    text = str(said).strip()
    if text.lstrip("-").isdigit():
        found = int(text)
        if 1_000_000_000_000 <= found < 10_000_000_000_000:
            return found
        raise ToolError(f"as_of {said!r} is no time in milliseconds: write 13 digits, or 2026-11-21T23:00:00Z.")
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ToolError(f"as_of {said!r} is no time: write it as 2026-11-21T23:00:00Z or as ms UTC.") from None
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
