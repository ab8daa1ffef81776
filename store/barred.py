"""Bars of any step, from the coarsest stored ones that divide it; what is still running comes from readings."""

from time import time

import duckdb
import numpy as np
import pandas as pd

from store.minutes import minutes, newest
from store.questions import INSTRUMENT_VERSION, VENUE_VERSION
from store.records import Source

MINUTE_MS = 60_000
UNITS = (("bars_1d", 86_400_000), ("bars_1h", 3_600_000), ("bars_1m", MINUTE_MS))
LOOK_MS = 65_000  # where the value before the first change is looked for: a heartbeat row comes every 60 s

TAKEN = (
    "bucket, instrument_id, raw_close, base_close, usd_close, mark_close, mark_high, mark_low, opened, closed, "
    "readings, funding, funding_interval_h, covered_s, last_seen, known_at, "
    f"list_position({[str(s) for s in Source]}, source) - 1 AS source"
)
TOLD = (
    "raw_close AS native, base_close AS base, usd_close AS usd, mark_close AS mark, mark_high, mark_low, opened, "
    "closed, readings::BIGINT AS readings, funding, funding_interval_h, covered_s, "
    "epoch_ms(last_seen) AS last_seen, source"
)
NAMES = f"""
SELECT i.instrument_id, i.venue, coalesce(v.class, 'none') AS class, i.payoff, i.symbol
FROM {INSTRUMENT_VERSION} i LEFT JOIN {VENUE_VERSION} v USING (venue) WHERE i.asset = $asset
"""


def bars(con: duckdb.DuckDBPyConnection, asset: str, start: int, end: int, step_ms: int, as_of: int) -> pd.DataFrame:
    """`Reader.bars`, on one cursor."""
    if step_ms <= 0 or step_ms % MINUTE_MS:
        raise ValueError(f"a bar's step is whole minutes, not {step_ms} ms")
    grid = min(step_ms, UNITS[0][1])
    origin = start - start % grid
    stop = min(end, as_of, round(time() * 1000) + MINUTE_MS)
    mine = among(con, asset, as_of)
    parts: list[str] = []
    low = origin
    for table, unit in UNITS:
        if step_ms % unit:
            continue
        high = built(con, table, unit, mine, low, stop, as_of)
        if high > low:
            parts.append(
                f"SELECT {TAKEN} FROM {newest(table, low, high, f'{mine} AND known_at <= make_timestamp_ms($as_of)')}"
            )
            low = high
    values: dict[str, int] = {"as_of": as_of}
    if low < stop or not parts:  # what is still running; completing it costs more than all the rest
        parts.append(f"SELECT {TAKEN} FROM ({minutes(mine)})")
        values |= {"start": low, "end": max(low, stop + -stop % MINUTE_MS), "look": low - LOOK_MS}
    rows = " UNION ALL ".join(parts)
    if step_ms == MINUTE_MS:
        rows = f"SELECT instrument_id, epoch_ms(bucket) + {MINUTE_MS} AS t, {TOLD} FROM ({rows})"
    else:
        rows = stepped(rows, origin, step_ms)
    frame = con.execute(f"{rows} ORDER BY instrument_id, t", values).df()
    return named(frame, con.execute(NAMES, {"asset": asset, "as_of": as_of}).df())


def stepped(rows: str, origin: int, step: int) -> str:
    """SELECT of bars of `step` ms, counted from `origin`, out of finer ones."""
    return f"""
        SELECT instrument_id, {origin} + ((epoch_ms(bucket) - {origin}) // {step} + 1) * {step} AS t,
            arg_max(raw_close, bucket) AS native, arg_max(base_close, bucket) AS base,
            arg_max(usd_close, bucket) AS usd, arg_max(mark_close, bucket) AS mark, max(mark_high) AS mark_high,
            min(mark_low) AS mark_low, sum(opened) AS opened, sum(closed) AS closed, sum(readings)::BIGINT AS readings,
            arg_max(funding, bucket) AS funding, arg_max(funding_interval_h, bucket) AS funding_interval_h,
            sum(covered_s) AS covered_s, epoch_ms(max(last_seen)) AS last_seen, arg_max(source, bucket) AS source
        FROM ({rows}) GROUP BY ALL
    """


def named(frame: pd.DataFrame, names: pd.DataFrame) -> pd.DataFrame:
    """Put the words in: here and not in SQL, because a word a row is what a large answer would spend its time on."""
    place = pd.Index(names["instrument_id"]).get_indexer(pd.Index(frame["instrument_id"]))
    for at, column in enumerate(("venue", "class", "payoff", "symbol"), start=1):
        frame.insert(at, column, pd.Series(names[column].to_numpy(dtype=object)[place], dtype=object))
    words = np.array(list(Source), dtype=object)
    return frame.assign(source=pd.Series(words[frame["source"].to_numpy(dtype=np.int64)], dtype=object))


def among(con: duckdb.DuckDBPyConnection, asset: str, as_of: int) -> str:
    """The condition that picks an asset's instruments. Literal numbers let the engine skip row groups."""
    rows = con.execute(
        f"SELECT instrument_id FROM {INSTRUMENT_VERSION} WHERE asset = $asset", {"asset": asset, "as_of": as_of}
    ).fetchall()
    return f"instrument_id IN ({', '.join(str(row[0]) for row in rows) or 'NULL'})"


def built(con: duckdb.DuckDBPyConnection, table: str, unit: int, mine: str, low: int, high: int, as_of: int) -> int:
    """Up to where `table` holds bars of this asset in [low, high); `low` where it holds none."""
    row = con.execute(
        f"SELECT epoch_ms(max(bucket)) FROM {table} WHERE {mine} AND known_at <= make_timestamp_ms($as_of) "
        "AND bucket >= make_timestamp_ms($low) AND bucket < make_timestamp_ms($high)",
        {"as_of": as_of, "low": low, "high": high - unit + 1},
    ).fetchone()
    return low if row is None or row[0] is None else int(row[0]) + unit
