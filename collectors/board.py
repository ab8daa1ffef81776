"""The latest word on every instrument of one segment. Partial updates go in, whole records come out.

The only place in the house where units are converted (analytics.md, 1.1).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from collectors.checks import (
    ALONE_MS,
    CONFIRM_MS,
    JUMP,
    LEAST,
    MOST,
    NEEDED,
    Level,
    judge,
    quarantined,
    told_again,
    twins,
)
from collectors.units import factor
from collectors.venue import Gives, Liquidated, Update
from store.records import (
    Event,
    Field,
    Flag,
    Instrument,
    Liquidation,
    OpenInterest,
    Payoff,
    Quarantined,
    Record,
    Source,
    Unit,
)

SKEW_MS = 60_000  # decisions.md, 1: beyond this a venue's clock is not believed
EARLY_MS = -SKEW_MS
OLD_MARK_MS = 60_000
OLD_CLOSE_MS = 30 * 86_400_000  # a forced close told that late is one whose time is in another unit
EARLIEST_MS = 1_230_940_800_000  # 2009-01-03: no coin is older
INF = math.inf
DOUBTED = "what it states is refused, or waits to be confirmed"
UNSAID = Field("", Unit.BASE)  # before a frame has named its field
HEARTBEAT_MS = 60_000  # an affirmed reading is repeated this often ...
MARK_STEP = 0.0005  # ... or when its mark has moved by 5 bp
RECEIVE_TIME, SKEWED, STALE_MARK, RESYNC, AFFIRMED = (  # as plain integers: enum arithmetic costs more than a record
    int(flag) for flag in (Flag.RECEIVE_TIME, Flag.SKEWED, Flag.STALE_MARK, Flag.RESYNC, Flag.AFFIRMED)
)
BORROWED_MARK = int(Flag.BORROWED_MARK)
STREAM = Source.STREAM  # looking a member up costs as much as a record, too
Worth = Callable[[str], tuple[float, int] | None]
"""What a coin is worth [USD], and when that was said [ms UTC]."""
Last = Callable[[int], OpenInterest | None]
"""What was heard last of an instrument, by its id, before this board was made."""
DOLLARS: Mapping[str, float] = MappingProxyType({"USD": 1.0, "USDT": 1.0, "USDC": 1.0})  # modelled, decisions.md 8


class Known:
    """What a venue has told us of one instrument on the connections that are open now."""

    __slots__ = (
        "dollar", "factor", "field", "funding", "funding_interval_h", "index", "instrument", "kept_funding",
        "kept_price", "kept_seen", "last", "level", "mark_seen", "native_usd", "oi", "price", "quanto", "resync",
        "scale", "ts", "ts_flags",
    )  # fmt: skip

    def __init__(self, instrument: Instrument, dollar: float, level: Level) -> None:
        self.instrument = instrument
        self.dollar = dollar  # USD a quote unit
        self.scale = instrument.base_factor
        self.field = UNSAID
        self.factor = 0.0
        self.native_usd = False
        self.quanto = instrument.payoff is Payoff.QUANTO
        self.funding_interval_h = instrument.funding_interval_h
        self.oi: float | None = None
        self.ts: int | None = None
        self.ts_flags = 0
        self.price: float | None = None  # the mark, quote units a coin
        self.mark_seen = 0
        self.index: float | None = None
        self.funding: float | None = None
        self.resync = True
        self.kept_seen = 0
        self.kept_price = 0.0
        self.kept_funding: float | None = None
        self.level = level
        self.last = math.nan  # `level.last` while nothing is in doubt: then one comparison tells that all is well


def keep_last(known: Known) -> None:
    """Into the level, which knows nothing of the readings that one comparison lets pass."""
    if not math.isnan(known.last):
        known.level.last = known.last


class Board:
    """Owns the state of one segment.

    `coin` gives the USD price of a settle coin for quanto contracts, and that of the asset where the segment is
    `unpriced`: its venue states no price at all. Without it those make no record (and what quanto contracts state
    proves nothing, see `unproved`). With a `sink` every reading is checked: what fails goes there as `Quarantined`, and
    held readings that are confirmed go there too; the first one is held against the `last` of an earlier board.
    `verifies` where a second source can be asked: what `asking` names
    waits for `told_again`, but no longer than `alone_ms`.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        simulated: bool = False,
        dollars: Mapping[str, float] = DOLLARS,
        coin: Worth = lambda _: None,
        last: Last = lambda _: None,
        unpriced: bool = False,
        sink: Callable[[Record], None] | None = None,
        confirm_ms: int = CONFIRM_MS,
        verifies: bool = False,
        alone_ms: int = ALONE_MS,
        jump: float = JUMP,
    ) -> None:
        self.simulated = simulated
        self.dollars = dollars
        self.coin = coin
        self.last = last
        self.unpriced = unpriced
        self.sink = sink
        self.confirm_ms = confirm_ms
        self.verifies = verifies
        self.alone_ms = alone_ms
        self.jump = jump
        self.rise, self.drop = math.exp(jump), math.exp(-jump)  # the band that passes by one comparison
        self.known: dict[str, Known] = {}
        self.named: frozenset[str] = frozenset()  # by any catalogue so far, wanted or not
        self.unknown = 0  # reasons to read the catalogue again ...
        self.unlisted = 0  # ... of which these are statements about symbols that no catalogue named ...
        self.steps = 0  # ... and these, steps by a power of ten, cannot wait
        self.stepped: set[str] = set()  # symbols with such a step since the catalogue was read
        self.doubted: set[str] = set()  # what was stated of them last is held or refused: it proves no reading
        self.waits: dict[str, str] = {}  # nor does it of these: by symbol, the settle coin whose price is not known
        self.enlist(instruments)

    def enlist(self, instruments: Iterable[Instrument]) -> list[Instrument]:
        """Take in a catalogue. Gives the instruments that are new or have changed."""
        changed: list[Instrument] = []
        self.stepped.clear()
        for instrument in instruments:
            known = self.known.get(instrument.symbol)
            if known is not None and known.instrument == instrument:
                continue
            dollar = self.dollars.get(instrument.quote, 1.0)
            if known is not None:
                keep_last(known)
            # a multiplier that changed shows as a jump, and is held
            level = Level(self.confirm_ms, self.verifies, self.alone_ms, self.jump) if known is None else known.level
            self.known[instrument.symbol] = Known(instrument, dollar, level)
            changed.append(instrument)
        return changed

    def delist(self, symbols: Iterable[str]) -> list[Instrument]:
        """What a venue still sends of these makes no record. Gives the instruments as they are now: not live."""
        gone = [self.known.pop(symbol).instrument for symbol in symbols if symbol in self.known]
        for instrument in gone:
            self.waits.pop(instrument.symbol, None)
        return [replace(instrument, live=False) for instrument in gone]

    def forget(self, symbols: Iterable[str], gives: frozenset[Gives]) -> None:
        """State dies with the connection that stated it: the first record of an epoch is built from that epoch."""
        for known in [self.known[symbol] for symbol in symbols if symbol in self.known]:
            if "oi" in gives:
                known.oi = known.ts = None
                known.resync = True
                known.kept_seen = 0
            if "mark" in gives:
                known.price = None
            if "index" in gives:
                known.index = None
            if "funding" in gives:
                known.funding = None

    def apply(self, update: Update, seen: int, source: Source = STREAM, *, borrow: bool = False) -> OpenInterest | None:
        """Take in one update. A record comes back for every open interest stated, as soon as it can be priced.

        With `borrow` the median mark of the other boards prices what has no mark of its own.
        One function and not four, because a call costs as much as the arithmetic.
        """
        try:
            known = self.known[update.symbol]
        except KeyError:
            self.strange(update.symbol)
            return None
        oi, ts, mark = update.oi, update.ts, update.mark
        if oi is not None and ts is not None and known.ts is not None and ts < known.ts:
            return self.late(known, update, seen, source)
        if mark is not None and LEAST < mark < MOST:
            known.price = mark / known.scale
            known.mark_seen = seen
        index, funding, interval = update.index, update.funding, update.funding_interval_h
        if index is not None and 0.0 < index < INF:  # not a number is nothing said
            known.index = index / known.scale
        if funding is not None and funding != known.funding and -INF < funding < INF:
            known.funding = funding
        if interval is not None and interval != known.funding_interval_h and 0.0 < interval < INF:
            known.funding_interval_h = interval
        flags = 0
        if oi is not None:  # the frame that speaks of open interest owns the time
            if update.field is not known.field:
                self.learn(known, update.field)
            if ts is None:
                ts, flags = seen, RECEIVE_TIME
            elif not EARLY_MS <= seen - ts <= SKEW_MS and (source is STREAM or ts > seen or ts < EARLIEST_MS):
                ts, flags = seen, SKEWED
            known.oi, known.ts, known.ts_flags = oi, ts, flags
        elif known.oi is None:
            return None
        elif update.affirms and self.moved(known, seen):
            oi, ts, flags = known.oi, known.ts, known.ts_flags | AFFIRMED
        elif mark is not None and known.kept_seen == 0:
            oi, ts, flags = known.oi, known.ts, known.ts_flags  # heard before it could be priced
        else:
            return None
        price = known.price
        if price is None:
            worth = self.coin(known.instrument.asset) if self.unpriced or borrow else None
            if worth is None:
                return None
            price, known.mark_seen = worth[0] / known.dollar, worth[1]
            flags |= BORROWED_MARK
        amount = oi * known.factor
        if known.native_usd:
            base, usd = amount / price, amount
        else:
            base, usd = amount, amount * price * known.dollar
            if known.quanto:
                coin = self.coin(known.instrument.settle)
                if coin is None:
                    self.waits[update.symbol] = known.instrument.settle
                    return None
                self.waits.pop(update.symbol, None)
                base, usd = base * coin[0], usd * coin[0]
                if seen - coin[1] > OLD_MARK_MS:
                    flags |= STALE_MARK
        if seen - known.mark_seen > OLD_MARK_MS:
            flags |= STALE_MARK
        if known.resync:
            known.resync = False
            flags |= RESYNC
        known.kept_seen, known.kept_price, known.kept_funding = seen, price, known.funding
        record = OpenInterest(
            known.instrument, known.field, ts, seen, oi, base, usd, price, known.index, known.funding,  # type: ignore[arg-type]  # a time is kept with every open interest
            known.funding_interval_h, source, self.simulated, flags,
        )  # fmt: skip
        if self.sink is None:
            return record
        if update.usd is not None and self.doubled(known, update.usd, record):
            return None
        if known.last * self.drop < amount < known.last * self.rise:
            known.last = amount
            return record
        return self.doubt(known, amount, record)

    def unproved(self, symbol: str) -> str:
        """Why what was stated of a symbol last makes no reading, in words; empty where it does."""
        if symbol in self.waits:
            return f"waiting for the price of {self.waits[symbol]}"
        return DOUBTED if symbol in self.doubted else ""

    def strange(self, symbol: str) -> None:
        """Something was said of a symbol that is not collected here; perhaps because no catalogue has named it yet."""
        if symbol not in self.named:
            self.unknown += 1
            self.unlisted += 1

    def doubled(self, known: Known, usd: float, record: OpenInterest) -> bool:
        """Whether a statement contradicts itself: then it is set aside and forgotten. An old mark proves nothing."""
        if record.flags & (STALE_MARK | BORROWED_MARK) or known.instrument.payoff is Payoff.QUANTO:
            return False
        verdict = twins(known.level, usd, record)
        if verdict is None:
            return False
        known.oi = None
        keep_last(known)
        self.hand_on(known, False, verdict.aside)
        return True

    def doubt(self, known: Known, amount: float, record: OpenInterest) -> OpenInterest | None:
        """A reading out of the usual: what the checks say of it goes to the sink, the newest that passed comes back."""
        level = known.level
        keep_last(known)
        asked = level.asking
        verdict = judge(level, amount, record)
        if level.asking and not asked:  # another contract size perhaps: has the catalogue read again
            self.unknown += 1
            self.steps += 1
            self.stepped.add(record.instrument.symbol)
        self.hand_on(known, bool(verdict.passed), verdict.aside, verdict.passed[:-1])
        return verdict.passed[-1] if verdict.passed else None

    def hand_on(self, known: Known, passed: bool, *said: Iterable[Record]) -> None:
        """What the checks give, to the sink; and whether what was stated last has passed them."""
        known.last = known.level.last if passed and known.level.agreed >= NEEDED else math.nan
        (self.doubted.discard if passed else self.doubted.add)(known.instrument.symbol)
        assert self.sink is not None
        for record in (record for records in said for record in records):
            self.sink(record)
            self.unknown += isinstance(record, Event)

    def asking(self) -> frozenset[str]:
        """Symbols whose open interest stepped by a power of ten and waits for a second source.

        Not before the catalogue was read again: REST says the same contracts, whatever they are worth now (F31).
        """
        return frozenset(s for s, known in self.known.items() if known.level.asking and s not in self.stepped)

    def told_again(self, update: Update, seen: int) -> None:
        """What the second source says. In another unit than the stream's it says nothing."""
        known = self.known.get(update.symbol)
        if known is None or update.symbol not in self.asking() or update.oi is None or update.field is None:
            return
        native_usd, scale = factor(known.instrument, update.field.unit, update.field.sides)
        if native_usd == known.native_usd:
            verdict = told_again(known.level, update.oi * scale, seen)
            self.hand_on(known, bool(verdict.passed), verdict.aside, verdict.passed)

    def sample(self, seen: int) -> None:
        """Remember where levels are, for the trailing median; value what had no price. To be called now and then."""
        for known in self.known.values():
            if self.unpriced and self.sink is not None and known.oi is not None and known.kept_seen == 0:
                said = Update(known.instrument.symbol, known.ts, known.oi, known.field)
                if (record := self.apply(said, seen, Source.POLL)) is not None:
                    self.sink(record)
            if not math.isnan(known.last):
                keep_last(known)
                known.level.at = max(known.level.at, known.kept_seen)
                known.level.mark = math.nan if known.price is None else known.price
                known.level.sample(seen)

    def late(self, known: Known, update: Update, seen: int, source: Source) -> OpenInterest | None:
        """Older than what we know: it takes its place in history and changes nothing (faults.md, F36)."""
        if known.ts is not None and known.ts > seen + SKEW_MS:  # our own clock has stepped back (F37)
            known.ts = None
            return self.apply(update, seen, source)
        past = Known(known.instrument, known.dollar, Level())
        past.price, past.index = known.price, known.index
        if known.ts is not None and update.ts is not None and known.ts - update.ts <= OLD_MARK_MS:
            past.mark_seen = known.mark_seen  # else its own mark prices it, or one that is flagged as old
        past.funding, past.funding_interval_h = known.funding, known.funding_interval_h
        past.resync = False
        aside = Board((), simulated=self.simulated, dollars=self.dollars, coin=self.coin)
        aside.known[update.symbol] = past
        record = aside.apply(update, seen, source)
        if record is None or self.sink is None:
            return record
        last = known.level.last if math.isnan(known.last) else known.last
        amount = record.raw * past.factor
        if 0 < amount < math.inf and (math.isnan(last) or last / 2 < amount < last * 2):
            return record
        self.sink(quarantined(record, "jump", "older than what is known, and far from it"))
        return None

    def moved(self, known: Known, seen: int) -> bool:
        """Whether an unchanged open interest is worth a row again (decisions.md, 6)."""
        price = known.price
        return (
            seen - known.kept_seen >= HEARTBEAT_MS
            or known.funding != known.kept_funding
            or (price is not None and abs(price - known.kept_price) > MARK_STEP * known.kept_price)
        )

    def learn(self, known: Known, field: Field | None) -> None:
        if field is None:
            raise TypeError(f"{known.instrument.symbol}: an open interest without its field")
        known.native_usd, known.factor = factor(known.instrument, field.unit, field.sides)
        known.field = field
        if self.sink is None or known.level.at > 0 or (before := self.last(known.instrument.id)) is None:
            return
        native_usd, scale = factor(before.instrument, before.field.unit, before.field.sides)
        if native_usd == known.native_usd:  # the first reading is held against the last of the run before
            known.level.take(before.raw * scale, before.seen, NEEDED)

    def liquidation(self, said: Liquidated, seen: int) -> Liquidation | None:
        """A forced close in coins and USD, valued at its own price. None for a symbol that no catalogue named.

        None too for what cannot be: it is set aside. A time from the future is not believed, as with readings; one from
        the past is, because some venues tell the last ones again on every connection.
        """
        known = self.known.get(said.symbol)
        if known is None:
            self.strange(said.symbol)
            return None
        instrument, ts = known.instrument, said.ts
        if not (0.0 < said.size < INF and 0.0 < said.price < INF):
            return self.set_aside(said, seen, "its size or its price is not a finite number above zero")
        if ts is not None and seen - ts > OLD_CLOSE_MS:
            return self.set_aside(said, seen, f"its time, {ts} ms, is longer ago than anyone tells")
        if ts is None or ts > seen + SKEW_MS:
            ts = seen
        price = said.price / instrument.base_factor
        base = self.coins(known, said.size, said.unit, price)
        if base is None:
            return None
        native_usd, scale = factor(instrument, said.unit)
        usd = said.size * scale if native_usd else base * price * known.dollar
        if not (0.0 < base < INF and 0.0 < usd < INF):
            return self.set_aside(said, seen, "it is worth no finite number of coins or of dollars")
        return Liquidation(
            instrument, ts, seen, said.side, said.size, said.unit, base, usd, price, said.feed, self.simulated
        )

    def set_aside(self, said: Liquidated, seen: int, words: str) -> None:
        i, raw = self.known[said.symbol].instrument, repr((said.ts, said.size, said.price))
        if self.sink is not None:
            self.sink(Quarantined(i.venue, i.segment, i.symbol, seen, "forced_close", words, raw))

    def coins(self, known: Known, amount: float, unit: Unit, price: float | None) -> float | None:
        """A one-sided amount in coins, at a price in quote units a coin. None where a price is needed and missing."""
        native_usd, scale = factor(known.instrument, unit)
        if native_usd:
            return amount * scale / price if price else None
        if known.quanto:
            coin = self.coin(known.instrument.settle)
            return None if coin is None else amount * scale * coin[0]
        return amount * scale

    def dollars_of(self, known: Known, amount: float, unit: Unit) -> float | None:
        """A one-sided amount in USD, at the mark where one is needed; None before that."""
        native_usd, scale = factor(known.instrument, unit)
        if native_usd:
            return amount * scale
        coins = self.coins(known, amount, unit, None)
        return None if coins is None or known.price is None else coins * known.price * known.dollar
