"""What a segment lists, page after page, and what of it is collected."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from collectors.board import DOLLARS
from collectors.http import FailedError, Http
from collectors.venue import Ask, Segment, Venue
from store.records import Instrument, Kind

PAGES = 200  # of one catalogue; more is a loop


@dataclass(frozen=True, slots=True)
class Collecting:
    """What to collect."""

    assets: frozenset[str] | None = frozenset({"BTC", "ETH", "SOL"})  # None: all
    universe: frozenset[Kind] = frozenset({Kind.PERPETUAL})
    poll_every: Mapping[str, float] = field(default_factory=dict[str, float])  # seconds, by venue
    unanswered_s: float = 3600.0  # after which a step by a power of ten counts if REST says nothing of it
    jump: float = 0.20  # |ln| of one step that two more readings must confirm ...
    confirm_s: float = 600.0  # ... within so long, or three cadences
    simulated: bool = False
    dollars: Mapping[str, float] = field(default_factory=lambda: dict(DOLLARS))  # what a quote currency is worth

    def wants(self, instrument: Instrument, only: Kind | None = None) -> bool:
        return (
            instrument.live
            and (instrument.kind in self.universe or instrument.kind is only)
            and (self.assets is None or instrument.asset in self.assets)
        )

    def asks(self, segment: Segment, only: Kind | None = None) -> bool:
        """Whether a segment may list anything that is wanted."""
        return segment.lists is None or segment.lists in self.universe or segment.lists is only


COLLECTING = Collecting()


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
