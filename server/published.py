"""What each venue publishes, told from the venues' own files: the table of `crossoi venues`."""

from collectors.venue import Poll, Segment
from collectors.venues import VENUES

VENUE_COLUMNS = ("venue", "class", "field", "unit", "sides", "status", "since", "transport", "cadence_s", "segments")


def venue_rows() -> list[tuple[str | int | float | None, ...]]:
    """A row for every published open-interest field of every venue, in the order of VENUE_COLUMNS."""
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
                )
            ]
    return rows


def heard(segments: tuple[Segment, ...]) -> tuple[str, float | None]:
    """How open interest comes, and the longest number of seconds between two words of it."""
    feeds = [feed for segment in segments for feed in segment.feeds if "oi" in feed.gives]
    ways = sorted({"poll" if isinstance(feed, Poll) else "stream" for feed in feeds})
    cadences = [feed.cadence or (feed.every if isinstance(feed, Poll) else None) for feed in feeds]
    known = [cadence for cadence in cadences if cadence is not None]
    return " + ".join(ways) or "none", max(known, default=None)
