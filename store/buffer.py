"""What waits for the writer's thread: bounded, and honest about what it had to skip (faults.md, F38)."""

from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

from store.latest import Verdict
from store.records import (
    Funding,
    Gap,
    Health,
    Liquidation,
    LongShort,
    MarginTier,
    OpenInterest,
    Position,
    Quarantined,
    Volume,
)

Spot = tuple[str, str, str]  # venue, segment, symbol
FLOODS = frozenset[type]({Liquidation, Volume, LongShort, Funding, MarginTier, Position, Quarantined, Health})
"""What may come in floods. It never pushes out the other words: gaps, waits, events and listings."""


@dataclass(slots=True)
class Batch:
    """What one transaction will hold."""

    readings: list[tuple[OpenInterest, Verdict]] = field(default_factory=list[tuple[OpenInterest, Verdict]])
    others: list[object] = field(default_factory=list[object])
    skipped: dict[Spot, tuple[int, int]] = field(default_factory=dict[Spot, tuple[int, int]])
    since: float | None = None  # monotonic time at which its oldest row began to wait

    def halves(self) -> "tuple[Batch, Batch] | None":
        """Two smaller batches; None for a single record, which cannot be split."""
        if len(self.readings) + len(self.others) < 2:
            return None
        r, o = (len(self.readings) + 1) // 2, len(self.others) // 2
        return (
            Batch(self.readings[:r], self.others[:o], self.skipped, self.since),
            Batch(self.readings[r:], self.others[o:], since=self.since),
        )

    def __bool__(self) -> bool:
        return bool(self.readings or self.others or self.skipped)


class Buffer:
    """Filled on the event loop, emptied by the writer's thread.

    Up to `limit` rows wait in order. Past that only the newest reading of each instrument does: the one it replaces is
    counted, and the stretch it stood for becomes a gap with the reason "shed". Of health only the newest word of each
    symbol waits when much else does: the one before says nothing any more.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.shed = 0
        self.since: float | None = None
        self._lock = Lock()
        self._readings: deque[tuple[OpenInterest, Verdict]] = deque()
        self._newest: dict[int, tuple[OpenInterest, Verdict]] = {}
        self._others: deque[object] = deque()
        self._words: deque[object] = deque()
        self._health: dict[Spot, Health] = {}
        self._skipped: dict[Spot, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._readings) + len(self._newest) + len(self._others) + len(self._words) + len(self._health)

    def add_reading(self, reading: OpenInterest, verdict: Verdict) -> None:
        with self._lock:
            if self.since is None:
                self.since = monotonic()
            if len(self._readings) < self.limit:
                self._readings.append((reading, verdict))
                return
            key = reading.instrument.id
            before = self._newest.get(key)
            if before is None:
                self._newest[key] = (reading, verdict)
                return
            loser, until = before[0], reading.seen
            if verdict is Verdict.CHECK and reading.seen >= loser.seen and reading.ts < loser.ts:
                loser = reading  # a late row is not the newest, whenever it came
            else:
                self._newest[key] = (reading, verdict)
            self._skip(loser, max(until, loser.seen))

    def add(self, record: object) -> None:
        with self._lock:
            if self.since is None:
                self.since = monotonic()
            if isinstance(record, Health) and len(self._others) >= self.limit // 2:
                self._health[record.venue, record.segment, record.symbol] = record
                return
            waiting = self._others if record.__class__ in FLOODS else self._words
            if len(waiting) >= self.limit:
                oldest = waiting.popleft()
                if isinstance(oldest, Liquidation):
                    self._skip(oldest, oldest.seen)
                elif not isinstance(oldest, Health):
                    self.shed += 1
            waiting.append(record)

    def take(self) -> Batch:
        with self._lock:
            batch = Batch([*self._readings, *self._newest.values()], self._taken(), self._skipped, self.since)
            self._readings.clear()
            self._newest, self._skipped, self.since = {}, {}, None
        return batch

    def give_back(self, batch: Batch) -> None:
        """A batch that could not be written waits again, before what came since."""
        with self._lock:
            later = [*self._readings, *self._newest.values()]
            self._readings.clear()
            self._newest = {}
            others = [*batch.others, *self._taken()]
            for spot, (start, end) in batch.skipped.items():
                self._widen(spot, start, end)
        for reading, verdict in batch.readings:
            self.add_reading(reading, verdict)
        for reading, verdict in later:
            self.add_reading(reading, verdict)
        for record in others:
            self.add(record)
        self.since = batch.since

    def _taken(self) -> list[object]:
        taken = [*self._words, *self._others, *self._health.values()]
        self._words.clear()
        self._others.clear()
        self._health = {}
        return taken

    def _skip(self, lost: OpenInterest | Liquidation, until: int) -> None:
        self.shed += 1
        i = lost.instrument
        self._widen((i.venue, i.segment, i.symbol), lost.seen, until)

    def _widen(self, spot: Spot, start: int, end: int) -> None:
        known = self._skipped.get(spot)
        self._skipped[spot] = (start, end) if known is None else (min(start, known[0]), max(end, known[1]))


def gaps(skipped: dict[Spot, tuple[int, int]]) -> list[Gap]:
    return [Gap(venue, segment, symbol, a, b, "shed") for (venue, segment, symbol), (a, b) in skipped.items()]
