"""What a segment lists: its catalogue, page after page."""

from collectors.http import FailedError, Http
from collectors.venue import Ask, Segment, Venue
from store.records import Instrument

PAGES = 200  # of one catalogue; more is a loop


async def catalogue(http: Http, venue: Venue, segment: Segment) -> list[Instrument]:
    """Every instrument, in the venue's order. Raises what `Http.ask` and the venue's own reading raise."""
    found: list[Instrument] = []
    ask: Ask | None = segment.catalogue
    for _ in range(PAGES):
        reply = segment.decode(await http.ask(venue, ask))
        found.extend(segment.read(reply))
        ask = None if segment.more is None else segment.more(reply)
        if ask is None:
            return found
    raise FailedError(f"a catalogue of more than {PAGES} pages")
