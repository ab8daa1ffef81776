"""A store as it looks after a month of minutes, or ten: 22 venues, written straight into its tables.

Prices and sizes are plain random walks: what is measured on it is time, and nothing else.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from collectors.venues import VENUES
from server import past
from simulator.script import load_all
from store.bars import coarsened, noted
from store.engine import Store, open_store
from store.records import Field, Health, Instrument, Kind, OpenInterest, Payoff, Source
from store.writer import Writer

MINUTE, DAY = 60_000, 86_400_000
DAYS = 30
ASSETS = {"BTC": 2, "ETH": 1}  # what is asked about, and what stands beside it: contracts a venue, at most
HEARD = 70  # readings of each feed in memory, a second apart, so that it has a cadence
Floats = npt.NDArray[np.float64]
Columns = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Line:
    """One contract: what it is, the field its venue states, and how that counts a coin."""

    instrument: Instrument
    field: Field
    coins: Floats  # by the minute
    mark: Floats


@dataclass(frozen=True, slots=True)
class Stocked:
    """An open store with bars of every minute in [first, end), ms UTC; the lines go on beyond that."""

    store: Store
    writer: Writer
    lines: Sequence[Line]
    first: int
    end: int

    def later(self) -> "Stocked":
        """The same a minute later: its bars are built, its readings heard."""
        k = (self.end - self.first) // MINUTE
        con = self.store.cursor()
        try:
            insert(con, self.lines, self.first, k, k + 1)
        finally:
            con.close()
        after = replace(self, end=self.end + MINUTE)
        noted(self.store)
        hear(after, after.end)
        self.writer.flush()
        return after


@contextmanager
def stocked(folder: Path, end: int, months: int, ahead: int) -> Iterator[Stocked]:
    """A store with `months` of thirty days up to `end` (ms UTC, a whole minute), and `ahead` minutes to come."""
    store = open_store(folder / f"months-{months}.duckdb", "demo")
    try:
        with Writer(store, simulated=True, now_ms=end) as writer:
            first = end - end % DAY - DAYS * DAY
            held = Stocked(store, writer, lines((end - first) // MINUTE + ahead), first, end)
            writer.register([v for v in VENUES.values() if v.closed_on is None])
            for line in held.lines:
                writer.put(line.instrument)
            for k in range(HEARD):
                hear(held, end - (HEARD - k) * 1000)
            writer.flush()
            fill(held, months)
            yield held
    finally:
        store.close()


def lines(count: int) -> list[Line]:
    """What the simulated venues list of the assets and is alive, over `count` minutes."""
    noise = np.random.default_rng(20_261_122)
    mark = np.round(90_000 * np.exp(noise.normal(scale=3e-4, size=count).cumsum()), 1)
    made: list[Line] = []
    for venue, script in load_all().items():
        for asset, most in ASSETS.items() if VENUES[venue].closed_on is None else ():
            kind = VENUES[venue].only or Kind.PERPETUAL
            for contract in [c for c in script.instruments if (c.asset, c.kind) == (asset, kind) and c.live][:most]:
                spelled = past.reading(script, contract)
                key = past.key(VENUES[venue], spelled)
                field = next(f for f in VENUES[venue].fields if str(f.key) == key and f.unit == spelled.unit)
                walk = np.exp(noise.normal(scale=4e-4, size=count).cumsum())
                coins = np.round(40_000 / (len(made) + 1) * walk, 3)
                made.append(Line(past.instrument_of(venue, contract), field, coins, mark))
    return made


def hear(held: Stocked, ts: int) -> None:
    """A reading of every contract and a word on every connection, at `ts`."""
    k = (ts - held.first) // MINUTE - 1
    for line in held.lines:
        i, base, mark = line.instrument, float(line.coins[k]), float(line.mark[k])
        raw = base * mark if line.field.unit == "usd" else base
        held.writer.put(
            OpenInterest(
                i, line.field, ts, ts, raw * line.field.sides, base, base * mark, mark, mark, 1e-4, 8.0, Source.STREAM,
                True, 0,
            )
        )  # fmt: skip
        held.writer.latest.tell(Health(i.venue, i.segment, "", ts, "live", held.first, ts, 1.0, 1, 0))


def fill(held: Stocked, months: int) -> None:
    """The bars of minutes, hours and days, and the closes; older months are copies of the last one, of BTC alone."""
    asked = ", ".join(str(line.instrument.id) for line in held.lines if line.instrument.asset == "BTC")
    count, today = (held.end - held.first) // MINUTE, held.end - held.end % DAY
    con = held.store.cursor()
    try:
        insert(con, held.lines, held.first, 0, (today - held.first) // MINUTE)
        insert(con, held.lines, held.first, (today - held.first) // MINUTE, count)
        coarsened(con, held.first, held.end)
        for k in range(1, months):
            back = f"INTERVAL {k * DAYS} DAY"
            moved = ", ".join(f"{name} - {back} AS {name}" for name in ("bucket", "last_seen", "known_at"))
            for table in ("bars_1m", "bars_1h", "bars_1d"):
                con.execute(
                    f"INSERT INTO {table} SELECT * REPLACE ({moved}) FROM {table} "
                    f"WHERE bucket >= make_timestamp_ms({held.first}) AND bucket < make_timestamp_ms({today}) "
                    f"AND instrument_id IN ({asked})"
                )
        con.execute(CLOSES)
        con.execute("CHECKPOINT")
    finally:
        con.close()


CLOSES = """
INSERT INTO closes SELECT bucket::DATE, instrument_id, 0, raw_close, contract_size, 1, mark_close, base_close,
    usd_close, 30, 'measured', b.source, b.simulated, bucket + INTERVAL 1 DAY + INTERVAL 6 MINUTE
FROM bars_1d b JOIN instruments USING (instrument_id)
"""

BARS = """
INSERT INTO bars_1m SELECT t, id, raw, raw + moved, raw - moved, raw, base, base + 1, base - 1, base,
    usd, usd + 1000, usd - 1000, usd, moved, 2 * moved, 12, 3, 1, 2, NULL, NULL,
    mark, mark + 5, mark - 5, mark, mark, 0.0001, 8, 60, t + INTERVAL 58 SECOND, 'stream', true,
    t + INTERVAL 61 SECOND
FROM batch{order}
"""


def insert(con: duckdb.DuckDBPyConnection, lines: Sequence[Line], first: int, low: int, high: int) -> None:
    """Bars of the minutes [low, high): a day that is over in order of its contracts, today as it came."""
    batch = columns(lines, first, low, high)
    running = len(batch["t"]) and (first + high * MINUTE) % DAY
    con.execute(BARS.format(order=" ORDER BY t" if running else ""))


def columns(lines: Sequence[Line], first: int, low: int, high: int) -> Columns:
    t = first + np.arange(low, high, dtype=np.int64) * MINUTE
    coins, mark = (np.array([getattr(line, name)[low:high] for line in lines]) for name in ("coins", "mark"))
    inverse = np.array([[line.instrument.payoff is Payoff.INVERSE] for line in lines])
    size = np.array([[line.instrument.contract_size] for line in lines])
    raw = np.round(np.where(inverse, coins * mark / size, coins / size), 1)
    moved = np.round(np.abs(np.diff(raw, axis=1, prepend=raw[:, :1])), 1)
    ids = np.array([line.instrument.id for line in lines], dtype=np.int64)
    made: Columns = {
        "t": np.tile(t, len(lines)).view("datetime64[ms]"), "id": np.repeat(ids, high - low), "raw": raw.ravel(),
        "base": coins.ravel(), "usd": np.round(coins * mark).ravel(), "mark": mark.ravel(), "moved": moved.ravel(),
    }  # fmt: skip
    return made
