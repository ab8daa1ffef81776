"""Bars of any step, from the coarsest stored ones that divide it; what is still running comes from readings."""

from time import time

import duckdb
import pandas as pd

from store.minutes import minutes
from store.questions import INSTRUMENT_VERSION, VENUE_VERSION

MINUTE_MS = 60_000
UNITS = (("bars_1d", 86_400_000), ("bars_1h", 3_600_000), ("bars_1m", MINUTE_MS))
LOOK_MS = 65_000  # where the value before the first change is looked for: a heartbeat row comes every 60 s

MINE = f"instrument_id IN (SELECT instrument_id FROM {INSTRUMENT_VERSION} WHERE asset = $asset)"
TAKEN = (
    "bucket, instrument_id, raw_close, base_close, usd_close, mark_close, mark_high, mark_low, opened, closed, "
    "readings, funding, funding_interval_h, covered_s, last_seen, source, known_at"
)


def bars(con: duckdb.DuckDBPyConnection, asset: str, start: int, end: int, step_ms: int, as_of: int) -> pd.DataFrame:
    """`Reader.bars`, on one cursor."""
    if step_ms <= 0 or step_ms % MINUTE_MS:
        raise ValueError(f"a bar's step is whole minutes, not {step_ms} ms")
    grid = min(step_ms, UNITS[0][1])
    origin = start - start % grid
    stop = min(end, as_of, round(time() * 1000) + MINUTE_MS)
    parts: list[str] = []
    low = origin
    for table, unit in UNITS:
        if step_ms % unit:
            continue
        high = built(con, table, unit, asset, low, stop, as_of)
        if high > low:
            parts.append(
                f"SELECT {TAKEN} FROM (SELECT {TAKEN} FROM {table} WHERE {MINE} "
                "AND known_at <= make_timestamp_ms($as_of) "
                f"AND bucket >= make_timestamp_ms({low}) AND bucket < make_timestamp_ms({high}) "
                "QUALIFY row_number() OVER (PARTITION BY instrument_id, bucket ORDER BY known_at DESC) = 1)"
            )
            low = high
    values = {"asset": asset, "as_of": as_of, "origin": origin, "step": step_ms, "start": low, "look": low - LOOK_MS}
    values["end"] = max(low, stop + -stop % MINUTE_MS)
    parts.append(f"SELECT {TAKEN} FROM ({minutes(MINE)})")
    return con.execute(
        f"""
        WITH parts AS ({" UNION ALL ".join(parts)}), stepped AS (
            SELECT instrument_id, $origin + ((epoch_ms(bucket) - $origin) // $step + 1) * $step AS t,
                arg_max(raw_close, bucket) AS native, arg_max(base_close, bucket) AS base,
                arg_max(usd_close, bucket) AS usd, arg_max(mark_close, bucket) AS mark, max(mark_high) AS mark_high,
                min(mark_low) AS mark_low, sum(opened) AS opened, sum(closed) AS closed,
                sum(readings)::BIGINT AS readings, arg_max(funding, bucket) AS funding,
                arg_max(funding_interval_h, bucket) AS funding_interval_h, sum(covered_s) AS covered_s,
                epoch_ms(max(last_seen)) AS last_seen, arg_max(source, bucket) AS source
            FROM parts GROUP BY ALL
        )
        SELECT s.instrument_id, i.venue, coalesce(v.class, 'none') AS class, i.payoff, i.symbol,
            s.* EXCLUDE (instrument_id)
        FROM stepped s JOIN {INSTRUMENT_VERSION} i USING (instrument_id) LEFT JOIN {VENUE_VERSION} v USING (venue)
        ORDER BY s.instrument_id, s.t
        """,
        values,
    ).df()


def built(con: duckdb.DuckDBPyConnection, table: str, unit: int, asset: str, low: int, high: int, as_of: int) -> int:
    """Up to where `table` holds bars of this asset in [low, high); `low` where it holds none."""
    row = con.execute(
        f"SELECT epoch_ms(max(bucket)) FROM {table} WHERE {MINE} AND known_at <= make_timestamp_ms($as_of) "
        "AND bucket >= make_timestamp_ms($low) AND bucket < make_timestamp_ms($high)",
        {"asset": asset, "as_of": as_of, "low": low, "high": high - unit + 1},
    ).fetchone()
    return low if row is None or row[0] is None else int(row[0]) + unit
