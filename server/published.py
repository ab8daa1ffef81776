"""What each venue publishes, told from the venues' own files: the table of `crossoi venues`."""

from collections.abc import Mapping
from typing import Any

from collectors.venue import Poll, Segment
from collectors.venues import VENUES

VENUE_COLUMNS = (
    "venue", "class", "field", "unit", "sides", "status", "since", "transport", "cadence_s", "segments", "evidence",
    "measured",
)  # fmt: skip


def venue_rows(measured: Mapping[tuple[str, str], str] | None = None) -> list[tuple[str | int | float | None, ...]]:
    """A row for every published open-interest field of every venue, in the order of VENUE_COLUMNS.

    `measured`: what a running daemon has measured of the sides, by venue and field.
    """
    rows: list[tuple[str | int | float | None, ...]] = []
    for venue in VENUES.values():
        transport, cadence = heard(venue.segments)
        segments = ", ".join(segment.id for segment in venue.segments)
        for field in venue.fields:
            rows += [
                (
                    venue.id,
                    venue.cls,
                    str(field.key),
                    field.unit.value,
                    field.sides,
                    field.status.value,
                    field.since or None,
                    f"closed {venue.closed_on}" if venue.closed_on else transport,
                    cadence,
                    segments,
                    field.evidence or None,
                    (measured or {}).get((venue.id, str(field.key))),
                )
            ]
    return rows


def sides_measured(answer: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Out of a daemon's status: `two_sided (2 of 3)`, by venue and field."""
    table = answer["tables"].get("sides_measured", {"columns": [], "rows": []})
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    return {(r["venue"], r["field"]): f"{r['measured']} ({r['instruments']})" for r in rows}


def heard(segments: tuple[Segment, ...]) -> tuple[str, float | None]:
    """How open interest comes, and the longest number of seconds between two words of it."""
    feeds = [feed for segment in segments for feed in segment.feeds if "oi" in feed.gives]
    ways = sorted({"poll" if isinstance(feed, Poll) else "stream" for feed in feeds})
    cadences = [feed.cadence or (feed.every if isinstance(feed, Poll) else None) for feed in feeds]
    known = [cadence for cadence in cadences if cadence is not None]
    return " + ".join(ways) or "none", max(known, default=None)
