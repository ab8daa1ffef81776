"""The only code that writes readings. Records go in on the event loop, batches go out of one thread every 100 ms."""

import logging
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Condition, Thread
from time import monotonic, time
from types import TracebackType

import duckdb
import msgspec

from store.buffer import Batch, Buffer
from store.engine import Store
from store.inserts import insert
from store.latest import Latest, Verdict
from store.records import (
    Funding,
    Health,
    Liquidation,
    LongShort,
    MarginTier,
    OpenInterest,
    Position,
    Quarantined,
    Record,
    Volume,
    instrument_id,
)
from store.registry import Facts, Registry, described
from store.restart import downtime, last_known, last_levels, last_told

log = logging.getLogger(__name__)

CADENCE_S = 0.1
LIMIT = 200_000  # rows that may wait: ten seconds at 20,000 a second
RETRY_S = 1.0  # after a batch that could not be written
PRUNE_S = 3600.0
RECENT = 1000  # batches whose times are kept
HEALTH_DAYS = 7
QUARANTINE_DAYS = 30
QUARANTINE_A_MINUTE = 600  # of one venue and check: a bound to what one broken venue may write

POISON = (
    duckdb.DataError, duckdb.IntegrityError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError,
)  # fmt: skip
"""What a record raises that no table takes, or that its row cannot be made of: trying it again would fail for ever."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How the writer does."""

    rows: int  # written since the start, of all tables
    waiting: int
    shed: int  # readings and liquidations given up under pressure
    refused: int  # simulated rows for a live store or the reverse, and records no table takes
    lag_ms: float  # how long the oldest row that is not yet queryable has waited
    written: tuple[tuple[float, float], ...]  # when the oldest row of each recent batch came and was in, monotonic s
    trouble: str  # why nothing is being written, empty when all is well


class Writer:
    """Owns all writing of records. `put` never blocks and never raises; `close` writes what waits."""

    def __init__(
        self,
        store: Store,
        simulated: bool,
        *,
        cadence_s: float = CADENCE_S,
        limit: int = LIMIT,
        now_ms: int | None = None,
    ) -> None:
        self.store = store
        self.simulated = simulated
        self.latest = Latest()
        self._cadence_s = cadence_s
        self._buffer = Buffer(limit)
        self._con = store.cursor()
        self._registry = Registry(self._con)
        self._condition = Condition()
        self._wanted = 0  # flushes asked for ...
        self._done = 0  # ... and answered
        self._closing = False
        self._busy_since: float | None = None
        self._rows = 0
        self._refused: Counter[str] = Counter()
        self._written: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self._trouble = ""
        self._quarantined: Counter[tuple[str, str]] = Counter()
        self._quarantined_minute = 0
        self._pruned = float("-inf")
        now = round(time() * 1000) if now_ms is None else now_ms
        for reading in last_known(self._con, self._registry.instruments, now):
            self.latest.seed(reading)
        levels = last_levels(self._con, self._registry.instruments, now)
        self.latest.before = {reading.instrument.id: reading for reading in levels}
        self.latest.told = {(h.venue, h.segment, h.symbol): h for h in last_told(self._con, now)}
        for gap in downtime(self._con, now):
            self._buffer.add(gap)
        self._thread = Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def put(self, record: Record) -> None:
        """Take a record. It is queryable about a tenth of a second later, if it is worth a row."""
        if isinstance(record, OpenInterest):
            if record.simulated is not self.simulated:
                self._refuse(record)
                return
            verdict = self.latest.hear(record)
            if verdict is not Verdict.SKIP:
                self._buffer.add_reading(record, verdict)
            return
        match record:
            case Liquidation() | Volume() | LongShort() | Funding() | MarginTier() | Position() if (
                record.simulated is not self.simulated
            ):
                self._refuse(record)
                return
            case Health():
                self.latest.tell(record)
                if record.symbol:
                    self.latest.note(record, instrument_id(record.venue, record.segment, record.symbol))
            case Quarantined() if not self._admitted(record):
                return
            case _:
                pass
        self._buffer.add(record)

    def register(self, venues: Iterable[Facts]) -> None:
        """Keep what the venues' files say of themselves and of their fields, where it changed."""
        for venue in venues:
            self._buffer.add(described(venue))

    def progress(self) -> Progress:
        waits = [s for s in (self._busy_since, self._buffer.since) if s is not None]
        lag = (monotonic() - min(waits)) * 1000 if waits else 0.0
        return Progress(
            self._rows, len(self._buffer), self._buffer.shed, self._refused.total(), lag, tuple(self._written),
            self._trouble,
        )  # fmt: skip

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything put so far is queryable. False if it could not be written in time."""
        with self._condition:
            self._wanted += 1
            mine = self._wanted
            self._condition.notify_all()
            return self._condition.wait_for(lambda: self._done >= mine, timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what waits, and end the thread. False if something could not be written in time."""
        written = self.flush(timeout_s) if self._thread.is_alive() else True
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout_s)
        if not written:
            log.error("Closed with %d rows that could not be written: %s", len(self._buffer), self._trouble)
        return written

    def _refuse(
        self, record: OpenInterest | Liquidation | Volume | LongShort | Funding | MarginTier | Position
    ) -> None:
        i = record.instrument
        self._refused[i.venue] += 1
        row, here = ("simulated", "live") if record.simulated else ("real", "demo")
        if self._refused[i.venue] == 1:
            log.error("A %s row of %s was refused by this %s store", row, i.venue, here)
        words = f"a {row} row never enters a {here} store"
        raw = msgspec.json.encode(record, enc_hook=str).decode()
        self.put(Quarantined(i.venue, i.segment, i.symbol, record.seen, "simulated", words, raw))

    def _admitted(self, q: Quarantined) -> bool:
        minute = q.seen // 60_000
        if minute != self._quarantined_minute:
            self._quarantined_minute = minute
            self._quarantined.clear()
        self._quarantined[q.venue, q.check] += 1
        return self._quarantined[q.venue, q.check] <= QUARANTINE_A_MINUTE

    def _run(self) -> None:
        due = monotonic() + self._cadence_s
        while True:
            with self._condition:
                self._condition.wait_for(
                    lambda: self._closing or self._wanted > self._done, max(0.0, due - monotonic())
                )
                wanted, closing = self._wanted, self._closing
            due = monotonic() + self._cadence_s
            if self._write(self._buffer.take()):
                with self._condition:
                    self._done = wanted
                    self._condition.notify_all()
            elif not closing:
                due = monotonic() + RETRY_S
                with self._condition:  # a flush that waits must not make this a busy loop
                    self._condition.wait_for(lambda: self._closing, RETRY_S)
            if closing:
                self._con.close()
                return

    def _write(self, batch: Batch) -> bool:
        """One transaction. What could not be written waits again."""
        if not batch:
            return True
        self._busy_since = batch.since
        try:
            self._con.execute("BEGIN")
            rows = insert(self._con, self._registry, batch, self.simulated)
            if monotonic() - self._pruned > PRUNE_S:
                self._prune()
            self._con.execute("COMMIT")
        except POISON as error:
            self._con.execute("ROLLBACK")
            self._registry.forget()
            halves = batch.halves()
            if halves is None:
                self._give_up(batch, error)
                return True
            first, second = map(self._write, halves)  # both, even if the first has to wait
            return first and second
        except (duckdb.Error, OSError, RuntimeError, MemoryError) as error:
            self._failed(batch, error)
            return False
        finally:
            self._busy_since = None
        self._rows += rows
        if batch.since is not None:
            self._written.append((batch.since, monotonic()))
        if self._trouble:
            log.warning("Writing again; %d readings were shed meanwhile", self._buffer.shed)
            self._trouble = ""
        return True

    def _give_up(self, batch: Batch, error: Exception) -> None:
        """One record that no table takes must not hold up the others. It is kept as words."""
        lost: object = batch.readings[0][0] if batch.readings else batch.others[0]
        kind = f"unstorable {type(lost).__name__}"
        self._refused[kind] += 1
        if self._refused[kind] == 1:
            log.error("A record cannot be stored (%s): %r. Others like it are only counted.", error, lost)
        self._buffer.add(Quarantined("", "", "", round(time() * 1000), "unstorable", str(error)[:500], repr(lost)))

    def _failed(self, batch: Batch, error: Exception) -> None:
        self._registry.forget()
        self._buffer.give_back(batch)
        if not self._trouble:
            log.error("The store cannot be written (%s). Collecting goes on in memory, up to a bound.", error)
        self._trouble = str(error)
        try:
            self._con.execute("ROLLBACK")
        except (duckdb.FatalException, duckdb.ConnectionException):
            self._reopen()
        except duckdb.Error:
            pass  # the failed COMMIT had ended the transaction already

    def _reopen(self) -> None:
        """A commit that fails half-way invalidates the whole engine (a full disk does that)."""
        try:
            self._con.close()
            self.store.reopen()
            self._con = self.store.cursor()
            self._registry = Registry(self._con)
        except (duckdb.Error, OSError) as error:
            self._trouble = str(error)

    def _prune(self) -> None:
        self._con.execute(f"DELETE FROM health WHERE ts < now()::TIMESTAMP - INTERVAL {HEALTH_DAYS} DAY")
        self._con.execute(f"DELETE FROM quarantine WHERE seen < now()::TIMESTAMP - INTERVAL {QUARANTINE_DAYS} DAY")
        self._pruned = monotonic()
