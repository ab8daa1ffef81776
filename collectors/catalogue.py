"""What a segment lists, page after page, and what of it is collected. What cannot be of a row is not taken as true."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from collectors.board import DOLLARS
from collectors.checks import LEAST, MOST
from collectors.http import FailedError, Http
from collectors.venue import Ask, Segment, Venue
from store.records import Instrument, Kind

FAR_MS = 253_402_300_800_000  # the year 10000
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
            and instrument.quote in self.dollars  # else nobody says what it is worth (ETH in BTC, BTC in EUR)
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
        found.extend(believable(segment.read(reply)))
        ask = None if segment.more is None else segment.more(reply)
        if ask is None:
            return found
    raise FailedError(f"a catalogue of more than {PAGES} pages")


def believable(listed: Iterable[Instrument]) -> Iterable[Instrument]:
    """The same rows at the same places. Who has no possible size is not collected; what else cannot be is not known.

    TypeError where its names are no texts.
    """
    for i in listed:
        if not i.symbol or not all(name.__class__ is str for name in (i.symbol, i.asset, i.quote, i.settle)):
            raise TypeError(f"a contract named {i.symbol!r}, of {i.asset!r}, {i.quote!r} and {i.settle!r}")
        live = i.live and all(LEAST < size < MOST for size in (i.contract_size, i.base_factor))
        stated = (i.funding_interval_h, i.max_leverage)
        hours, leverage = (n if n is not None and LEAST < n < MOST else None for n in stated)
        since = i.valid_from if 0 <= i.valid_from < FAR_MS else 0
        known = (live, hours, leverage, since)
        if known == (i.live, i.funding_interval_h, i.max_leverage, i.valid_from):
            yield i
        else:
            yield replace(i, live=live, funding_interval_h=hours, max_leverage=leverage, valid_from=since)
