"""Minute, hour and day bars, kept up from readings. Append-only: a bar that changed is a new row, known later.

A bar is known from its end, or from when the last of its readings was heard; building it twice adds nothing.
"""

import duckdb

from store.minutes import COLUMNS, FAR, minutes, newest
from store.reader import Cursors
from store.records import Flag

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
LATENESS_MS = 3 * MINUTE_MS  # the clock rebuilds this much before now, for readings that come late
NEAR_MS, WIDE_MS = 65_000, 36 * HOUR_MS  # where the value before a window's first change is looked for

SUMS = {"opened", "closed", "readings", "volume", "taker_buy", "taker_sell", "liquidated_long", "liquidated_short"}
FIRST, LAST, HIGH, LOW = "arg_min({0}, bucket)", "arg_max({0}, bucket)", "max({0})", "min({0})"


def build(store: Cursors, start_ms: int, end_ms: int) -> int:
    """Build the bars of every minute that touches [start_ms, end_ms), and of their hours and days that have ended.

    Gives the number of rows added. For an imported range; the clock runs `keep_up`.
    """
    start, end = start_ms - start_ms % MINUTE_MS, end_ms + -end_ms % MINUTE_MS
    look = start - (NEAR_MS if end - start <= HOUR_MS else WIDE_MS)
    con = store.cursor()
    try:
        values = {"start": start, "end": end, "look": look, "as_of": FAR}
        con.execute(f"CREATE OR REPLACE TEMP TABLE built AS {minutes()}", values)
        rows = added(con, "bars_1m", start, end)
        newest = con.execute("SELECT epoch_ms(max(bucket)) FROM bars_1m").fetchone()
        last = end if newest is None or newest[0] is None else max(end, int(newest[0]) + MINUTE_MS)
        for table, source, unit in (("bars_1h", "bars_1m", HOUR_MS), ("bars_1d", "bars_1h", DAY_MS)):
            low, high = start - start % unit, min(end + -end % unit, last - last % unit)
            if low < high:
                con.execute(f"CREATE OR REPLACE TEMP TABLE built AS {coarser(source, unit, low, high)}")
                rows += added(con, table, low, high)
        con.execute("DROP TABLE built")
        return rows
    finally:
        con.close()


def keep_up(store: Cursors, since_ms: int, now_ms: int) -> int:
    """What the clock runs every minute, `since_ms` being the `now_ms` of the run before. Gives the rows added.

    It builds the minutes that have ended since then, and again those of any age that a late row or the edge of a gap
    has touched since: rebuilding all of the last minutes every time would cost several times as much.
    """
    start, end = since_ms - since_ms % MINUTE_MS, now_ms - now_ms % MINUTE_MS
    con = store.cursor()
    try:
        rows = con.execute(TOUCHED, {"since": since_ms, "start": start}).fetchall()
        touched = {int(row[0]) for row in rows} - {start}
    finally:
        con.close()
    runs: list[tuple[int, int]] = []
    for minute in sorted(touched):
        if runs and runs[-1][1] == minute:
            runs[-1] = (runs[-1][0], minute + MINUTE_MS)
        else:
            runs.append((minute, minute + MINUTE_MS))
    if start < end:
        runs.append((start, end))
    return sum(build(store, low, high) for low, high in runs)


TOUCHED = f"""
    SELECT DISTINCT unnest([t, t + {MINUTE_MS}]) AS t FROM (  -- what follows a late row has changed by another amount
        SELECT epoch_ms(ts) - epoch_ms(ts) % {MINUTE_MS} AS t FROM readings
        WHERE seen >= make_timestamp_ms($since) AND ts < make_timestamp_ms($start) AND flags & {Flag.AFFIRMED.value} = 0
        UNION ALL SELECT epoch_ms(ts) - epoch_ms(ts) % {MINUTE_MS} FROM liquidations
        WHERE seen >= make_timestamp_ms($since) AND ts < make_timestamp_ms($start)
        UNION ALL SELECT epoch_ms(start) - epoch_ms(start) % {MINUTE_MS} FROM gaps
        WHERE "end" >= make_timestamp_ms($since) AND start < make_timestamp_ms($start)
    )
"""


def catch_up(store: Cursors, now_ms: int) -> int:
    """Build everything since the newest bar: what the clock does first, whatever was missed while nothing ran."""
    con = store.cursor()
    try:
        row = con.execute(
            "SELECT epoch_ms(coalesce((SELECT max(bucket) FROM bars_1m), (SELECT min(ts) FROM readings)))"
        ).fetchone()
    finally:
        con.close()
    return 0 if row is None or row[0] is None else build(store, min(int(row[0]), now_ms) - LATENESS_MS, now_ms)


def added(con: duckdb.DuckDBPyConnection, table: str, low: int, high: int) -> int:
    """Append the rows of `built` that are new or differ from the version stored, sorted as readers want them.

    History that a venue or a file gave never replaces what was streamed and is no longer kept in full.
    """
    same = " AND ".join(compared(c) for c in COLUMNS if c not in {"bucket", "instrument_id", "known_at"})
    taken = ", ".join(f"n.{c}" for c in COLUMNS if c != "known_at")
    done = con.execute(f"""
        INSERT INTO {table}
        SELECT {taken}, greatest(n.known_at, coalesce(c.known_at + INTERVAL 1 MILLISECOND, n.known_at))
        FROM built n LEFT JOIN {newest(table, low, high)} c ON c.instrument_id = n.instrument_id AND c.bucket = n.bucket
        WHERE c.bucket IS NULL OR NOT ({same}) AND NOT (
            n.source IN ('backfill', 'import') AND c.source IN ('stream', 'poll') AND n.readings < c.readings)
        ORDER BY n.instrument_id, n.bucket
    """).fetchone()
    return 0 if done is None else int(done[0])


def compared(column: str) -> str:
    """Equal; sums of floats only as far as the order of adding lets them be."""
    if column in {"opened", "closed", "liquidated_long", "liquidated_short", "covered_s"}:
        near = f"abs(n.{column} - c.{column}) <= 1e-9 * greatest(abs(n.{column}), abs(c.{column}))"
        return f"((n.{column} IS NULL AND c.{column} IS NULL) OR coalesce({near}, FALSE))"
    return f"n.{column} IS NOT DISTINCT FROM c.{column}"


def coarser(source: str, unit: int, low: int, high: int) -> str:
    """SELECT of bars of `unit` ms out of finer ones, in the order of `COLUMNS`."""
    columns = ", ".join(f"{folded(c)} AS {c}" for c in COLUMNS[2:-1])
    start = f"epoch_ms(bucket) - epoch_ms(bucket) % {unit}"
    return f"""
        SELECT make_timestamp_ms({start}) AS bucket, instrument_id, {columns},
            greatest(max(known_at), make_timestamp_ms(any_value({start}) + {unit})) AS known_at
        FROM {newest(source, low, high)}
        GROUP BY instrument_id, {start}
    """


def folded(column: str) -> str:
    if column in SUMS or column == "covered_s":
        return f"sum({column})"
    if column.endswith("_high") or column == "last_seen":
        return HIGH.format(column)
    if column.endswith("_low"):
        return LOW.format(column)
    if column == "simulated":
        return "bool_or(simulated)"
    return (FIRST if column.endswith("_open") else LAST).format(column)


def retention(store: Cursors, raw_days: float, now_ms: int) -> int:
    """Drop readings heard and stated more than `raw_days` ago. Bars and closes stay. Gives the number dropped."""
    con = store.cursor()
    try:
        cut = now_ms - round(raw_days * DAY_MS)
        done = con.execute(
            "DELETE FROM readings WHERE ts < make_timestamp_ms($cut) AND seen < make_timestamp_ms($cut)", {"cut": cut}
        ).fetchone()
        return 0 if done is None else int(done[0])
    finally:
        con.close()
