"""A small market by hand: what each venue holds at every minute, put through the real store and its reader."""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time

import numpy as np
import numpy.typing as npt

from server.answers import Answer, Cell, Table
from server.tools.house import House
from store.bars import build
from store.bulk import write_readings
from store.closes import GRACE_MS, write_closes
from store.engine import open_store
from store.reader import Reader
from store.records import Field, Instrument, Kind, OpenInterest, Payoff, Record, Source, Status, Unit
from store.writer import Writer

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
OF_DAY = 7 * HOUR + 25 * MINUTE
# The store keeps what is recent by the clock on the wall, so now is of today; the time of the day is always the same.
NOW = (round(time() * 1000) - OF_DAY) // DAY * DAY + OF_DAY
FIELD = Field("oi", Unit.BASE, sides=1, status=Status.DOCUMENTED)

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64] | float
Course = Callable[[Times], Values]


def linear(venue: str, asset: str = "BTC") -> Instrument:
    return Instrument(venue, "linear", f"{asset}USDT", asset, "USDT", "USDT", max_leverage=100.0)


def inverse(venue: str, asset: str = "BTC") -> Instrument:
    return Instrument(venue, "inverse", f"{asset}USD", asset, "USD", asset, payoff=Payoff.INVERSE, contract_size=1.0)


def always(value: float) -> Course:
    return lambda t: value


def turned(before: float, after: float, at: int) -> Course:
    """One value up to `at`, another from then on."""
    return lambda t: np.where(t < at, before, after)


STEADY = always(100_000.0)


@dataclass(frozen=True, slots=True)
class Held:
    """What one contract says: one-sided coins at each moment, by the minute in [start, end)."""

    of: Instrument
    coins: Course
    mark: Course = STEADY
    start: int = NOW - 34 * HOUR
    end: int = NOW + MINUTE
    step: int = MINUTE
    klass: str = "mixed"
    field: Field = FIELD
    funding: float | None = None
    late: int = 0  # ms from the venue's time to ours


@dataclass(frozen=True, slots=True)
class Facts:
    """A venue's file, as the store sees it."""

    id: str
    cls: str
    fields: Sequence[Field]
    name: str = ""
    docs: str = ""
    note: str = ""
    closed_on: str | None = None


@contextmanager
def market(folder: Path, *held: Held, said: Sequence[Record] = (), simulated: bool = False) -> Generator[House]:
    """A house around a store that heard all that, with its bars and closes, as of NOW."""
    folder.mkdir(exist_ok=True)
    store = open_store(folder / "store.duckdb", "demo" if simulated else "live")
    try:
        with Writer(store, simulated, now_ms=NOW) as writer:
            writer.register([Facts(h.of.venue, h.klass, (h.field,)) for h in held])
            for h in held:
                writer.put(h.of)
                writer.put(last(h, simulated))  # a field's sides are registered with its first reading
            for record in said:
                writer.put(record)
        for h in held:
            write_readings(store, columns(h), simulated)
        if held:
            first = min(h.start for h in held)
            build(store, first - first % DAY, NOW)
            write_closes(store, first, NOW - GRACE_MS)
        perpetual = {h.of.venue for h in held if h.of.kind is Kind.PERPETUAL}
        reader = Reader(store, always={h.of.venue for h in held} - perpetual)
        yield House(reader=reader, simulated=simulated, version="1", started=NOW - HOUR, now=lambda: NOW)
    finally:
        store.close()


def columns(h: Held) -> dict[str, npt.NDArray[np.generic] | float | str | None]:
    ts = np.arange(h.start, h.end, h.step, dtype=np.int64)
    coins, mark = (np.broadcast_to(np.asarray(f(ts), float), ts.shape) for f in (h.coins, h.mark))
    raw = coins if h.field.unit is Unit.BASE else coins * mark  # an inverse contract of 1 USD
    return {
        "ts": ts, "seen": ts + h.late, "instrument_id": h.of.id, "field": str(h.field.key), "raw": raw * h.field.sides,
        "unit": h.field.unit.value, "sides": h.field.sides, "base": coins, "usd": coins * mark, "mark": mark,
        "funding": h.funding, "funding_interval_h": 8.0, "source": "stream",
    }  # fmt: skip


def last(h: Held, simulated: bool) -> OpenInterest:
    told = {name: column[-1:] if isinstance(column, np.ndarray) else [column] for name, column in columns(h).items()}
    ts, raw, base, usd, mark = (told[name][0] for name in ("ts", "raw", "base", "usd", "mark"))
    return OpenInterest(
        h.of, h.field, int(ts), int(ts) + h.late, float(raw), float(base), float(usd), float(mark), None, h.funding,
        8.0, Source.STREAM, simulated, 0,
    )  # fmt: skip


def changed(symbol: str, since: int, factor: float = 2.0) -> str:
    """The detail of an event that says that a venue counts otherwise, as the checks write it."""
    return json.dumps({"symbol": symbol, "ratio": factor, "factor": factor, "since": since})


def by_name(table: Answer | Table, key: str) -> Mapping[Cell, dict[str, Cell]]:
    """Rows as mappings, by the cell of one column."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return {row[key]: row for row in rows}
