"""Bars of any step, from the coarsest stored ones that divide it; what is still running comes from readings.

The engine only picks rows. Which version of a bar counts, and steps that no table has, are worked out in numpy: over a
month of one asset's minutes that is several times as fast, and a bar has often two versions (its volume comes late).
"""

from collections.abc import Callable, Collection
from time import time
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from store.minutes import FAR, minutes
from store.questions import COUNTED, INSTRUMENT_VERSION, VENUE_VERSION
from store.records import Source

Array = npt.NDArray[Any]
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
UNITS = (("bars_1d", 86_400_000), ("bars_1h", HOUR_MS), ("bars_1m", MINUTE_MS))
LOOK_MS = 65_000  # where the value before the first change is looked for: a heartbeat row comes every 60 s
LATELY_MS = (2 * HOUR_MS, 72 * HOUR_MS)  # where the newest bar is looked for first

SOURCES = tuple(Source)
STORED = {
    "native": "raw_close", "base": "base_close", "usd": "usd_close", "mark": "mark_close", "mark_high": "mark_high",
    "mark_low": "mark_low", "index": "index_close", "opened": "opened", "closed": "closed", "readings": "readings",
    "volume": "volume",
    "taker_buy": "taker_buy", "liquidated_long": "liquidated_long", "liquidated_short": "liquidated_short",
    "funding": "funding", "funding_interval_h": "funding_interval_h", "covered_s": "covered_s",
    "last_seen": "last_seen",
    "source": f"list_position({[str(s) for s in SOURCES]}, source) - 1",
}  # fmt: skip
"""What a bar says, by the name it is given; expressions over the columns of `schema.sql`."""
SPELLED = ("venue", "class", "payoff", "symbol")
COLUMNS = ("instrument_id", *SPELLED, "t", *STORED)
SUMS = frozenset(
    {"opened", "closed", "readings", "volume", "taker_buy", "liquidated_long", "liquidated_short", "covered_s"}
)
HIGHS, LOWS = frozenset({"mark_high", "last_seen"}), frozenset({"mark_low"})

NAMES = f"""
SELECT i.instrument_id, i.venue, coalesce(v.class, 'none') AS class, i.payoff, i.symbol
FROM {INSTRUMENT_VERSION} i LEFT JOIN {VENUE_VERSION} v USING (venue) WHERE i.asset = $asset AND {COUNTED}
ORDER BY i.instrument_id
"""


def bars(
    con: duckdb.DuckDBPyConnection,
    names: pd.DataFrame,
    start: int,
    end: int,
    step_ms: int,
    as_of: int,
    columns: Collection[str] | None = None,
) -> pd.DataFrame:
    """`Reader.bars`, on one cursor, of the instruments that `NAMES` names."""
    if step_ms <= 0 or step_ms % MINUTE_MS:
        raise ValueError(f"a bar's step is whole minutes, not {step_ms} ms")
    unknown = set(columns or ()) - set(COLUMNS)
    if unknown:
        raise ValueError(f"bars have no column {', '.join(sorted(unknown))}")
    grid = min(step_ms, UNITS[0][1])
    origin = start - start % grid
    stop = min(end, as_of, round(time() * 1000) + MINUTE_MS)
    con.execute("BEGIN")  # all parts see the same moment
    mine = among(names)
    known = mine if as_of >= FAR else f"{mine} AND known_at <= make_timestamp_ms({as_of})"
    taken = picked(columns)
    parts: list[str] = []
    low = origin
    for table, unit in UNITS:
        if step_ms % unit:
            continue
        high = built(con, table, unit, known, low, stop)
        if high > low:
            parts.append(
                f"SELECT {taken} FROM {table} WHERE {known} "
                f"AND bucket >= make_timestamp_ms({low}) AND bucket < make_timestamp_ms({high})"
            )
            low = high
    values: dict[str, int] = {}
    if low < stop or not parts:  # what is still running; completing it costs more than all the rest
        parts.append(f"SELECT {taken} FROM ({minutes(mine)})")
        values = {"as_of": as_of, "start": low, "end": max(low, stop + -stop % MINUTE_MS), "look": low - LOOK_MS}
    rows = fetched(con, " UNION ALL ".join(parts), values, names)
    con.execute("COMMIT")
    rows["t"] = origin + ((rows.pop("t") - origin) // step_ms + 1) * step_ms
    return named(stepped(rows), names, COLUMNS if columns is None else columns)


def finished(
    con: duckdb.DuckDBPyConnection, names: pd.DataFrame, since: int, until: int, most_ms: int, columns: Collection[str]
) -> tuple[dict[str, Array], int]:
    """The stored minutes of at most the last `most_ms` before the newest in [since, until): columns by name, with
    `place` in `names` and `t`, the bucket's begin; and up to where they go [ms], `since` where there are none.
    """
    mine = among(names)
    con.execute("BEGIN")
    high = built(con, "bars_1m", MINUTE_MS, mine, since, until)
    sql = (
        f"SELECT {picked(columns)} FROM bars_1m WHERE {mine} AND bucket >= make_timestamp_ms({high - most_ms}) "
        f"AND bucket < make_timestamp_ms({high if high > since else high - most_ms})"
    )
    rows = fetched(con, sql, {}, names)
    con.execute("COMMIT")
    return rows, high


def among(names: pd.DataFrame) -> str:
    """The condition that picks these instruments."""
    return f"instrument_id IN ({', '.join(str(i) for i in names['instrument_id']) or 'NULL'})"


def picked(columns: Collection[str] | None) -> str:
    """What is selected for these columns of an answer; None for all."""
    said = [name for name in STORED if columns is None or name in columns]
    return ", ".join(["instrument_id", "bucket", "known_at", *(f'{STORED[name]} AS "{name}"' for name in said)])


def fetched(con: duckdb.DuckDBPyConnection, sql: str, values: dict[str, int], names: pd.DataFrame) -> dict[str, Array]:
    """The rows of a query, of each bar the version known last."""
    rows = {name: plain(np.asanyarray(c)) for name, c in con.execute(sql, values).fetchnumpy().items()}
    return newest(rows, names["instrument_id"].to_numpy())


def plain(column: Array) -> Array:
    """Numbers without a mask (NaN where there is none), times as ms."""
    if isinstance(column, np.ma.MaskedArray):
        column = column.filled(np.nan) if column.dtype.kind == "f" else column.data
    return column.view(np.int64) // 1000 if column.dtype == np.dtype("M8[us]") else column


def newest(rows: dict[str, Array], instruments: Array) -> dict[str, Array]:
    """By instrument and time, of each bar the version known last. `bucket` becomes `t`, `instrument_id` its `place`."""
    place, known = np.searchsorted(instruments, rows.pop("instrument_id")), rows.pop("known_at")
    t = rows.pop("bucket")
    key = place * (FAR // MINUTE_MS) + t // MINUTE_MS
    rows |= {"place": place, "t": t}
    if not len(key):
        return rows
    step = np.diff(key)
    if step.min(initial=1) > 0:
        return rows
    if step.min() < 0:
        order = np.argsort(key, kind="stable")
        key, known = key[order], known[order]
    else:
        order = np.arange(len(key))
    starts = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
    if len(starts) < len(key):
        last = np.repeat(np.maximum.reduceat(known, starts), np.diff(starts, append=len(key)))
        order, key = order[known == last], key[known == last]
        order = order[np.diff(key, prepend=key[0] - 1) != 0]
    return {name: column[order] for name, column in rows.items()}


def stepped(rows: dict[str, Array]) -> dict[str, Array]:
    """Longer bars out of finer ones: closes are the last that was said, what is gross is summed."""
    place, t = rows["place"], rows["t"]
    if not len(t):
        return rows
    starts = np.flatnonzero((np.diff(place, prepend=-1) != 0) | (np.diff(t, prepend=t[0] - 1) != 0))
    if len(starts) == len(t):
        return rows
    return {name: c[starts] if name in {"place", "t"} else folding(name)(c, starts) for name, c in rows.items()}


def folding(name: str) -> Callable[[Array, Array], Array]:
    if name in SUMS:
        return total
    if name in HIGHS:
        return np.fmax.reduceat
    return np.fmin.reduceat if name in LOWS else last


def total(column: Array, starts: Array) -> Array:
    """Sums of what is said; NaN where nothing is."""
    if column.dtype.kind != "f":
        return np.add.reduceat(column.astype(np.int64), starts)
    silent = np.isnan(column)
    sums = np.add.reduceat(np.where(silent, 0.0, column), starts)
    return np.where(np.logical_and.reduceat(silent, starts), np.nan, sums)


def last(column: Array, starts: Array) -> Array:
    """The last value that is said."""
    if column.dtype.kind != "f":
        return column[np.append(starts[1:], len(column)) - 1]
    at = np.maximum.reduceat(np.where(np.isnan(column), starts[0], np.arange(len(column))), starts)
    return column[np.maximum(at, starts)]


def named(rows: dict[str, Array], names: pd.DataFrame, columns: Collection[str]) -> pd.DataFrame:
    """Put the words in, as categories: a word a row is what a large answer would spend its time on."""
    place = rows["place"]
    made: dict[str, Any] = {}
    for name in (c for c in COLUMNS if c in columns):
        if name == "instrument_id":
            made[name] = names["instrument_id"].to_numpy()[place]
        elif name in SPELLED:
            words, codes = np.unique(names[name].to_numpy(dtype=object).astype(str), return_inverse=True)
            made[name] = categories(codes[place], words.tolist())
        elif name == "source":
            made[name] = categories(rows[name], [str(s) for s in SOURCES])
        elif name == "readings":
            made[name] = rows[name].astype(np.int64)
        else:
            made[name] = rows[name]
    return pd.DataFrame(made, copy=False)


def categories(codes: Array, words: list[str]) -> Any:
    """A column of words, each row a number into `words`."""
    return pd.Categorical.from_codes(codes.tolist() if not len(codes) else codes, dtype=pd.CategoricalDtype(words))


def built(con: duckdb.DuckDBPyConnection, table: str, unit: int, known: str, low: int, high: int) -> int:
    """Up to where `table` holds bars of this asset in [low, high); `low` where it holds none."""
    for since in (*(high - back for back in LATELY_MS if back > unit and high - back > low), low):
        row = con.execute(
            f"SELECT epoch_ms(max(bucket)) FROM {table} WHERE {known} AND bucket >= make_timestamp_ms({since}) "
            f"AND bucket < make_timestamp_ms({high - unit + 1})"
        ).fetchone()
        if row is not None and row[0] is not None:
            return int(row[0]) + unit
    return low
