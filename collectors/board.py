"""The latest word on every instrument of one segment. Partial updates go in, whole records come out.

The only place in the house where units are converted (analytics.md, 1.1).
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from collectors.venue import Gives, Liquidated, Update
from store.records import Field, Flag, Instrument, Liquidation, OpenInterest, Payoff, Record, Source, Unit

SKEW_MS = 60_000  # decisions.md, 1: beyond this a venue's clock is not believed
OLD_MARK_MS = 60_000
HEARTBEAT_MS = 60_000  # an affirmed reading is repeated this often ...
MARK_STEP = 0.0005  # ... or when its mark has moved by 5 bp
RECEIVE_TIME, SKEWED, STALE_MARK, RESYNC, AFFIRMED = (  # as plain integers: enum arithmetic costs more than a record
    int(flag) for flag in (Flag.RECEIVE_TIME, Flag.SKEWED, Flag.STALE_MARK, Flag.RESYNC, Flag.AFFIRMED)
)
DOLLARS: Mapping[str, float] = MappingProxyType({"USD": 1.0, "USDT": 1.0, "USDC": 1.0})  # modelled, decisions.md 8


class Known:
    """What a venue has told us of one instrument on the connections that are open now."""

    __slots__ = (
        "factor", "field", "funding", "funding_interval_h", "index", "instrument", "kept_funding", "kept_mark",
        "kept_seen", "mark", "mark_seen", "native_usd", "oi", "resync", "seen", "ts",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.field: Field | None = None
        self.factor = 0.0
        self.native_usd = False
        self.funding_interval_h = instrument.funding_interval_h
        self.oi: float | None = None
        self.ts: int | None = None
        self.mark: float | None = None
        self.mark_seen = 0
        self.index: float | None = None
        self.funding: float | None = None
        self.seen = 0
        self.resync = True
        self.kept_seen = 0
        self.kept_mark = 0.0
        self.kept_funding: float | None = None


class Board:
    """Owns the state of one segment.

    `coins` gives the USD price of a settle coin for quanto contracts; without it those make no record.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        simulated: bool = False,
        dollars: Mapping[str, float] = DOLLARS,
        coins: Mapping[str, float] | None = None,
        sink: Callable[[Record], None] | None = None,
    ) -> None:
        self.known = {i.symbol: Known(i) for i in instruments}
        self.simulated = simulated
        self.dollars = dollars
        self.coins: Mapping[str, float] = {} if coins is None else coins
        self.unknown = 0  # updates for symbols that no catalogue named

    def enlist(self, instruments: Iterable[Instrument]) -> list[Instrument]:
        """Take in a catalogue. Gives the instruments that are new or have changed."""
        changed: list[Instrument] = []
        for instrument in instruments:
            known = self.known.get(instrument.symbol)
            if known is None:
                self.known[instrument.symbol] = Known(instrument)
            elif known.instrument != instrument:
                known.instrument = instrument
                known.field = None  # learned anew: a multiplier may have changed
            else:
                continue
            changed.append(instrument)
        return changed

    def forget(self, symbols: Iterable[str], gives: frozenset[Gives]) -> None:
        """State dies with the connection that stated it: the first record of an epoch is built from that epoch."""
        for symbol in symbols:
            known = self.known[symbol]
            if "oi" in gives:
                known.oi = known.ts = None
                known.resync = True
            if "mark" in gives:
                known.mark = None
            if "index" in gives:
                known.index = None
            if "funding" in gives:
                known.funding = None

    def apply(self, update: Update, seen: int, source: Source = Source.STREAM) -> OpenInterest | None:
        """Take in one update. A record comes back for every open interest stated, as soon as it can be priced."""
        known = self.known.get(update.symbol)
        if known is None:
            self.unknown += 1
            return None
        known.seen = seen
        if update.mark is not None and update.mark > 0:
            known.mark = update.mark
            known.mark_seen = seen
        if update.index is not None:
            known.index = update.index
        if update.funding is not None:
            known.funding = update.funding
        if update.funding_interval_h is not None:
            known.funding_interval_h = update.funding_interval_h
        if update.oi is not None:  # the frame that speaks of open interest owns the time
            known.oi = update.oi
            known.ts = update.ts
            if update.field is not known.field:
                self.learn(known, update.field)
            flags = 0
        elif update.affirms and known.oi is not None and self.moved(known, seen):
            flags = AFFIRMED
        elif known.kept_seen == 0 and known.oi is not None and update.mark is not None:
            flags = 0  # heard before it could be priced
        else:
            return None
        return self.record(known, seen, source, flags)

    def record(self, known: Known, seen: int, source: Source, flags: int) -> OpenInterest | None:
        mark, oi, field = known.mark, known.oi, known.field
        if mark is None or oi is None or field is None:
            return None
        instrument = known.instrument
        price, index = mark, known.index
        if instrument.base_factor != 1.0:
            price = mark / instrument.base_factor
            index = None if index is None else index / instrument.base_factor
        if known.native_usd:
            usd = oi * known.factor
            base = usd / price
        else:
            base = oi * known.factor
            usd = base * price * self.dollars.get(instrument.quote, 1.0)
        if seen - known.mark_seen > OLD_MARK_MS:
            flags |= STALE_MARK
        if known.resync:
            known.resync = False
            flags |= RESYNC
        ts = known.ts
        if ts is None:
            ts = seen
            flags |= RECEIVE_TIME
        elif not flags & AFFIRMED and not -SKEW_MS <= seen - ts <= SKEW_MS and source is Source.STREAM:
            ts = seen
            flags |= SKEWED
        known.kept_seen, known.kept_mark, known.kept_funding = seen, mark, known.funding
        return OpenInterest(
            instrument, field, ts, seen, oi, base, usd, price, index, known.funding, known.funding_interval_h,
            source, self.simulated, flags,
        )  # fmt: skip

    def moved(self, known: Known, seen: int) -> bool:
        """Whether an unchanged open interest is worth a row again (decisions.md, 6)."""
        mark = known.mark
        return (
            seen - known.kept_seen >= HEARTBEAT_MS
            or known.funding != known.kept_funding
            or (mark is not None and abs(mark - known.kept_mark) > MARK_STEP * known.kept_mark)
        )

    def learn(self, known: Known, field: Field | None) -> None:
        if field is None:
            raise TypeError(f"{known.instrument.symbol}: an open interest without its field")
        known.field = field
        known.native_usd, known.factor = factor(known.instrument, field)

    def liquidation(self, said: Liquidated, seen: int) -> Liquidation | None:
        """A forced close in coins and USD, valued at its own price. None for a symbol that no catalogue named."""
        known = self.known.get(said.symbol)
        if known is None:
            self.unknown += 1
            return None
        instrument = known.instrument
        native_usd, scale = factor(instrument, Field("", said.unit))
        price = said.price / instrument.base_factor
        base, usd = said.size * scale, said.size * scale
        if native_usd:
            base = usd / price
        else:
            usd = base * price * self.dollars.get(instrument.quote, 1.0)
        ts = seen if said.ts is None else said.ts
        return Liquidation(
            instrument, ts, seen, said.side, said.size, said.unit, base, usd, price, said.feed, self.simulated
        )


def factor(instrument: Instrument, field: Field) -> tuple[bool, float]:
    """(native_usd, k): `raw * k` is one-sided USD where native_usd, else one-sided coins (analytics.md, 1.1).

    linear  Q = n*c/s;  inverse N = n*c/s. A quanto's N = n*m*P*X/s moves with two prices: `Board` has no factor for it
    yet, and says so by a ValueError.
    """
    sides = 1.0 / field.sides
    match field.unit:
        case Unit.USD:
            return True, sides
        case Unit.BASE:
            return False, sides * instrument.base_factor
        case Unit.CONTRACTS:
            match instrument.payoff:
                case Payoff.LINEAR:
                    return False, sides * instrument.contract_size * instrument.base_factor
                case Payoff.INVERSE:
                    return True, sides * instrument.contract_size
                case Payoff.QUANTO:
                    raise ValueError(f"{instrument.symbol}: a quanto contract needs the price of {instrument.settle}")
