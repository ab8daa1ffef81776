"""What venues say beside open interest: forced closes, traded minutes, ratios, leverage ladders. As records."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from collectors.board import EARLIEST_MS, Board, Known
from collectors.checks import MOST
from collectors.venue import Liquidated, Ratio, Tier, Traded
from store.records import Instrument, Liquidation, LongShort, MarginTier, Quarantined, Source, Volume

STEPS = 10_000  # of a ladder
AHEAD_MS = 600_000  # a minute or a ratio of a time further ahead would silence all that follow it
Beside = Liquidated | Traded | Ratio | Tier
Written = Liquidation | Volume | LongShort | MarginTier | Quarantined


@dataclass(slots=True)
class Said:
    """What was said of one instrument so far."""

    running: Traded | None = None  # the minute a stream is telling
    ended: int = 0  # start of the newest minute that was handed on, ms UTC
    ratios: dict[str, tuple[int | None, float]] = field(default_factory=dict[str, tuple[int | None, float]])
    ladder: dict[int, Tier] = field(default_factory=dict[int, Tier])
    before: dict[int, Tier] = field(default_factory=dict[int, Tier])  # the ladder told before this one
    told: int = 0  # when this ladder was told
    new: bool = False  # it differs from the one before


class Besides:
    """Owns what one segment has said beside open interest, so that the same is not written twice."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.said: dict[str, Said] = {}
        self.unpriced: list[tuple[Tier, int]] = []  # steps in coins or contracts, before any mark

    def take(self, said: Beside, seen: int, source: Source) -> Iterable[Written]:
        """The records that a word makes, in time's order."""
        if said.__class__ is Liquidated:
            record = self.board.liquidation(said, seen)  # type: ignore[arg-type]  # narrowed by class, for speed
            return () if record is None else (record,)
        known = self.board.known.get(said.symbol)
        if known is None:
            self.board.strange(said.symbol)
            return ()
        words = impossible(said, seen)
        if words:
            return (set_aside(known.instrument, said, seen, words),)
        before = self.said.setdefault(said.symbol, Said())
        match said:
            case Traded():
                return self.minutes(known, before, said, seen, source)
            case Ratio():
                return self.ratio(known, before, said, seen, source)
            case Tier():
                return list(self.step(known, before, said, seen))
            case _:
                raise TypeError(f"{said!r} is not beside open interest")

    def forget(self, symbols: Iterable[str]) -> None:
        """The connection has ended: nobody will tell the rest of the minutes that were running on it."""
        for symbol in symbols:
            if symbol in self.said:
                self.said[symbol].running = None

    def minutes(self, known: Known, before: Said, said: Traded, seen: int, source: Source) -> list[Volume]:
        """Minutes that have ended. The running one of a stream is kept until its next begins; a poll tells it again."""
        running, ended = before.running, list[Traded]()
        if running is not None and said.ts >= running.ts:
            before.running = None
            if said.ts > running.ts:
                ended.append(running)
        if said.final:
            ended.append(said)
        elif source is Source.STREAM and (running is None or said.ts >= running.ts):
            before.running = said
        found: list[Volume] = []
        for minute in ended:
            if minute.ts > before.ended and (volume := self.volume(known, minute, seen, source)) is not None:
                before.ended = minute.ts
                found.append(volume)
        return found

    def volume(self, known: Known, said: Traded, seen: int, source: Source) -> Volume | None:
        """A minute in coins; None where its unit needs a price and there is none, or it is not a number."""
        price = known.price if said.price is None else said.price / known.scale
        coins = self.board.coins(known, said.volume, said.unit, price)
        if coins is None or not 0 <= coins < math.inf:
            return None
        taker = None if said.taker_buy is None else self.board.coins(known, said.taker_buy, said.unit, price)
        if taker is not None and not 0 <= taker <= coins * (1 + 1e-9):
            taker = None
        return Volume(known.instrument, said.ts, seen, coins, taker, source, self.board.simulated)

    def ratio(self, known: Known, before: Said, said: Ratio, seen: int, source: Source) -> tuple[LongShort, ...]:
        """A ratio that was not said before: venues repeat the last one until the next is due."""
        if not 0 < said.ratio < math.inf or before.ratios.get(said.kind) == (said.ts, said.ratio):
            return ()
        before.ratios[said.kind] = (said.ts, said.ratio)
        ts = seen if said.ts is None else said.ts
        return (LongShort(known.instrument, ts, seen, said.kind, said.ratio, source, self.board.simulated),)

    def step(self, known: Known, before: Said, said: Tier, seen: int) -> Iterator[MarginTier]:
        """The steps of a ladder that differs, in its venue's own units, from the one told before it."""
        if before.told != seen:
            shrunk = not before.new and len(before.ladder) < len(before.before)
            before.before, before.ladder = {} if shrunk else before.ladder, {}
            before.told, before.new = seen, False
        before.ladder[said.tier] = said
        if not before.new and before.before.get(said.tier) == said:
            return
        told = [said] if before.new else list(before.ladder.values())
        before.new = True
        for step in told:
            record = self.tier(known, step, seen)
            if record is None:
                self.unpriced.append((step, seen))
            else:
                yield record

    def priced(self) -> Iterator[MarginTier]:
        """Steps that waited for a mark and have one now."""
        waiting, self.unpriced = self.unpriced, []
        for said, seen in waiting:
            known = self.board.known.get(said.symbol)
            if known is not None and (record := self.tier(known, said, seen)) is not None:
                yield record
            elif known is not None:
                self.unpriced.append((said, seen))

    def tier(self, known: Known, said: Tier, seen: int) -> MarginTier | None:
        """A step with its bounds in USD; None before a mark, where its unit needs one."""
        bounds = [
            None if bound is None else self.board.dollars_of(known, bound, said.unit)
            for bound in (said.lower, said.upper, said.deduction)
        ]
        if bounds[0] is None or (bounds[1] is None) != (said.upper is None):
            return None
        return MarginTier(
            known.instrument, seen, said.tier, bounds[0], bounds[1], said.maintenance, said.max_leverage, bounds[2],
            self.board.simulated,
        )  # fmt: skip


def impossible(said: Beside, seen: int) -> str:
    """Why a word cannot be; empty where it can."""
    if isinstance(said, Tier):
        if not 0 <= said.lower < (MOST if said.upper is None else said.upper) <= MOST:
            return "its bounds are no range of sizes"
        if not 1 <= said.tier <= STEPS:
            return "no ladder has so many steps"
        if not 0 <= said.maintenance <= 1:
            return "its maintenance rate is no fraction"
        if not 0 < (1 if said.max_leverage is None else said.max_leverage) <= MOST:
            return "its leverage is not a finite number above zero"
        return "" if abs(said.deduction or 0) <= MOST else "its deduction is not a finite number"
    if said.ts is not None and not EARLIEST_MS <= said.ts <= seen + AHEAD_MS:
        return f"its time, {said.ts} ms, cannot be"
    return ""


def set_aside(i: Instrument, said: Beside, seen: int, words: str) -> Quarantined:
    return Quarantined(i.venue, i.segment, i.symbol, seen, type(said).__name__.lower(), words, repr(said))
