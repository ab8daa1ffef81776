"""What we heard last of every instrument, and whether a reading is worth a row (decisions.md, 6). No database here."""

from collections import deque
from enum import IntEnum
from statistics import median

from store.records import Field, Flag, Health, Kind, OpenInterest, Source

MARK_STEP = 0.0005  # a mark that moved by more than 5 bp is worth a row
HEARTBEAT_MS = 60_000  # and so is being heard at all, this often
REPORT_MS = 3_600_000  # a statement that is older is a report: read again, it affirms nothing
BORROWED = int(Flag.STALE_MARK | Flag.BORROWED_MARK)
AFFIRMED = int(Flag.AFFIRMED)  # looked up once: an enum's member costs as much as a comparison of readings
WINDOW = 64  # gaps between seen events that the cadence is taken from


class Verdict(IntEnum):
    SKIP = 0  # nothing new: the reading only refreshes `last_seen`
    KEEP = 1  # newer than everything we hold: a row
    CHECK = 2  # late, replayed or first: a row unless the store has it
    REPEAT = 3  # the stored statement again, worth a row as one that the venue affirms


class State:
    """One instrument."""

    __slots__ = ("at", "current", "declared_s", "gaps", "kept", "last_seen", "ties")

    def __init__(self, reading: OpenInterest) -> None:
        self.current = reading
        self.kept = reading
        self.at = min(reading.ts, reading.seen)  # a time in the future must not be the newest for ever
        self.last_seen = self.at if reading.source in PAST else reading.seen
        self.gaps: deque[int] = deque(maxlen=WINDOW)
        self.declared_s: float | None = None  # the cadence its connection reports
        self.ties: set[float] | None = None  # raw values kept of `at`; None where the store may hold more

    @property
    def cadence_s(self) -> float | None:
        """Median gap of seen events [s]; what the connection reports while we have too few, or where it hears more.

        A line that says "unchanged" twenty times a second sends one reading a minute, so the smaller of the two holds.
        """
        own = median(self.gaps) / 1000 if len(self.gaps) >= 5 else None
        said = [c for c in (own, self.declared_s) if c is not None]
        return min(said) if said else None


PAST = frozenset({Source.BACKFILL, Source.IMPORT})


class Latest:
    """Owns the newest reading of every instrument. `hear` on the event loop; anyone may look."""

    def __init__(self) -> None:
        self.states: dict[int, State] = {}
        self.before: dict[int, OpenInterest] = {}  # what the store heard last, too old to be current
        self.told: dict[tuple[str, str, str], Health] | None = None  # of connections; None while nobody tells us

    def snapshot(self, asset: str | None = None) -> list[State]:
        return [s for s in list(self.states.values()) if asset is None or s.current.instrument.asset == asset]

    def hear(self, r: OpenInterest) -> Verdict:
        """Take in a reading and say whether it is worth a row."""
        instrument_id = r.instrument.id
        state = self.states.get(instrument_id)
        if state is None:
            self.states[instrument_id] = State(r)
            return Verdict.CHECK
        ts, seen = r.ts, r.seen
        at = min(ts, seen)
        if r.source in PAST:
            if at > state.at:
                state.current, state.at, state.ties = r, at, None
            return Verdict.CHECK
        if seen > state.last_seen:
            if r.source is not state.current.source:
                state.gaps.clear()  # a cadence is that of a source
            state.gaps.append(seen - state.last_seen)
            state.last_seen = seen
        current = state.current
        same = r.raw == current.raw and alike(r.field, current.field)
        if r.flags & AFFIRMED:
            if not same:
                return Verdict.CHECK
        elif at < state.at:
            return Verdict.CHECK
        elif at == state.at and not same:
            state.current = r
            if state.ties is None or ts != at or not alike(r.field, current.field):
                state.ties = None
                state.kept = r
                return Verdict.CHECK
            if r.raw in state.ties:
                return Verdict.SKIP
            state.ties.add(r.raw)
            state.kept = r
            return Verdict.KEEP
        state.current = r
        if at > state.at:
            state.at = at
            state.ties = None if ts != at else set()
        kept = state.kept
        if (
            r.raw != kept.raw
            or r.funding != kept.funding
            or not -MARK_STEP * kept.mark <= r.mark - kept.mark <= MARK_STEP * kept.mark
            or seen - kept.seen >= HEARTBEAT_MS
            or not alike(r.field, kept.field)
        ):
            if same and ts == current.ts and not r.flags & AFFIRMED:
                if current.seen - ts > REPORT_MS:
                    return Verdict.SKIP
                state.kept = r
                return Verdict.REPEAT
            state.kept = r
            if state.ties is not None and not r.flags & AFFIRMED:
                state.ties.add(r.raw)
            return Verdict.KEEP
        return Verdict.SKIP

    def seed(self, reading: OpenInterest) -> None:
        """What the store held when we started."""
        self.states.setdefault(reading.instrument.id, State(reading))

    def last(self, instrument_id: int) -> OpenInterest | None:
        """The newest reading we ever took, of the last seven days when we started: what the next is held against."""
        state = self.states.get(instrument_id)
        return self.before.get(instrument_id) if state is None else state.current

    def worth(self, asset: str, since: int) -> tuple[float, int] | None:
        """What a coin was worth in USD by the newest readings, and when that was heard; None where not after `since`.

        The median over the perpetuals (where there is none, over all instruments) that were heard within a minute of
        the newest of them, by marks of their own.
        """
        told = [s.current for s in self.snapshot(asset) if not s.current.flags & BORROWED and s.current.base > 0]
        told = [r for r in told if r.instrument.kind is Kind.PERPETUAL and r.seen >= since] or told
        newest = max((r.seen for r in told), default=0)
        if newest < since or not told:
            return None
        return median(r.usd / r.base for r in told if newest - r.seen <= HEARTBEAT_MS), newest

    def tell(self, health: Health) -> None:
        """The newest word on a venue's segment, or on a symbol of it."""
        spot = (health.venue, health.segment, health.symbol)
        told = {} if self.told is None else self.told
        before = told.get(spot)
        if before is None or health.ts >= before.ts:
            told[spot] = health
        self.told = told

    def note(self, health: Health, instrument_id: int) -> None:
        """A connection hears of a symbol more often than it has something to say."""
        state = self.states.get(instrument_id)
        if state is None:
            return
        if health.last_seen is not None and health.last_seen > state.last_seen:
            state.last_seen = health.last_seen
        state.declared_s = health.cadence_s


def alike(a: Field, b: Field) -> bool:
    """Whether two readings count the same thing.

    What we say of a field (status, evidence) may change without its being another field. A key counts as the
    store spells it, in text.
    """
    return a is b or (a.unit == b.unit and a.sides == b.sides and str(a.key) == str(b.key))
