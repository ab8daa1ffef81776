"""Minute, hour and day bars, kept up from readings. Append-only: a bar that changed is a new row, known later.

A bar is known from its end, or from when the last of its readings was heard; building it twice adds nothing.
"""

from collections.abc import Iterable
from time import sleep

import duckdb

from store.engine import Store
from store.minutes import COLUMNS, FAR, minutes, newest, traded
from store.patience import Cursors
from store.records import Flag

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
MANY, SLICES, PAUSE_S = 200_000, 4, 0.1  # readings from which the clock works in slices; how many (a power of 2); s
UNDERWAY_MS = 1000  # what was heard this long before a run may not have been queryable in it
NEAR_MS, WIDE_MS = 65_000, 36 * HOUR_MS  # where the value before a window's first change is looked for

SUMS = {"opened", "closed", "readings", "volume", "taker_buy", "taker_sell", "liquidated_long", "liquidated_short"}
TRADED = {"volume", "taker_buy", "taker_sell"}  # what a bar once had of these stays when its source is dropped
FIRST, LAST, HIGH, LOW = "arg_min({0}, bucket)", "arg_max({0}, bucket)", "max({0})", "min({0})"


def build(store: Cursors, start_ms: int, end_ms: int, pause_s: float = 0.0) -> int:
    """Build the bars of every minute that touches [start_ms, end_ms), and of their hours and days that have ended.

    Gives the number of rows added. For an imported range; the clock runs `keep_up`, which pauses where there is much to
    do, so that the writer and those who ask get their turn.
    """
    start, end = start_ms - start_ms % MINUTE_MS, end_ms + -end_ms % MINUTE_MS
    look = start - (NEAR_MS if end - start <= HOUR_MS else WIDE_MS)
    con = store.cursor()
    try:
        values = {"start": start, "end": end, "look": look, "as_of": FAR}
        parts = slices(con, start, end) if pause_s else ["TRUE"]
        for k, among in enumerate(parts):
            if k:
                sleep(pause_s)
            make = "INSERT INTO built" if k else "CREATE OR REPLACE TEMP TABLE built AS"
            con.execute(f"{make} {minutes(among)}", values)
        rows = added(con, "bars_1m", start, end)
        return rows + coarsened(con, start, end)
    finally:
        con.close()
        noted(store)


def noted(store: Cursors) -> None:
    """Say that there are more bars: what a reader has kept of them holds no longer."""
    if isinstance(store, Store):
        store.built = object()


def slices(con: duckdb.DuckDBPyConnection, start: int, end: int) -> list[str]:
    """Conditions on instruments that cut the work into parts of about a tenth of a second; only one for little work."""
    row = con.execute(
        "SELECT count(*) FROM readings WHERE ts >= make_timestamp_ms($start) AND ts < make_timestamp_ms($end)",
        {"start": start, "end": end},
    ).fetchone()
    if row is None or row[0] < MANY:
        return ["TRUE"]
    return [f"instrument_id & {SLICES - 1} = {k}" for k in range(SLICES)]


def coarsened(con: duckdb.DuckDBPyConnection, start: int, end: int) -> int:
    """Build the hours and days that minutes in [start, end) are part of and that have ended."""
    row = con.execute("SELECT epoch_ms(max(bucket)) FROM bars_1m").fetchone()
    last = end if row is None or row[0] is None else max(end, int(row[0]) + MINUTE_MS)
    rows = 0
    for table, source, unit in (("bars_1h", "bars_1m", HOUR_MS), ("bars_1d", "bars_1h", DAY_MS)):
        low, high = start - start % unit, min(end + -end % unit, last - last % unit)
        if low < high:
            con.execute(f"CREATE OR REPLACE TEMP TABLE built AS {coarser(source, unit, low, high)}")
            rows += added(con, table, low, high)
    con.execute("DROP TABLE built")
    return rows


def traded_late(con: duckdb.DuckDBPyConnection, start: int, end: int) -> int:
    """Put into the bars of minutes in [start, end) the volume that was said after they were built.

    Most venues say it only then, so it must not cost a second look at the readings.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE built AS
        SELECT b.* REPLACE (v.volume AS volume, v.taker_buy AS taker_buy, v.volume - v.taker_buy AS taker_sell,
            greatest(b.known_at, make_timestamp_ms(v.seen)) AS known_at)
        FROM {newest("bars_1m", start, end)} b JOIN ({traded("TRUE", "$start", "$end", "$as_of")}) v
            ON v.instrument_id = b.instrument_id AND v.t = epoch_ms(b.bucket)
        """,
        {"start": start, "end": end, "as_of": FAR},
    )
    return added(con, "bars_1m", start, end) + coarsened(con, start, end)


def keep_up(store: Cursors, since_ms: int, now_ms: int) -> int:
    """What the clock runs every minute, `since_ms` being the `now_ms` of the run before. Gives the rows added.

    It builds the minutes that have ended since then, and again those of any age that a late row or the edge of a gap
    has touched since: rebuilding all of the last minutes every time would cost several times as much.
    """
    start, end = since_ms - since_ms % MINUTE_MS, now_ms - now_ms % MINUTE_MS
    con = store.cursor()
    try:
        since = {"since": since_ms - UNDERWAY_MS, "start": start}
        touched = {int(row[0]) for row in con.execute(TOUCHED, since).fetchall()} - {start}
        traded = {int(row[0]) for row in con.execute(TRADED_LATE, since).fetchall()} - touched
        count = sum(build(store, low, high, PAUSE_S) for low, high in [*runs(touched), (start, end)] if low < high)
        return count + sum(traded_late(con, low, high) for low, high in runs(traded))
    finally:
        con.close()
        noted(store)


def runs(minutes: Iterable[int]) -> list[tuple[int, int]]:
    """Minutes as stretches: first, and end of the last."""
    found: list[tuple[int, int]] = []
    for minute in sorted(minutes):
        if found and found[-1][1] == minute:
            found[-1] = (found[-1][0], minute + MINUTE_MS)
        else:
            found.append((minute, minute + MINUTE_MS))
    return found


TRADED_LATE = f"""
    SELECT DISTINCT epoch_ms(ts) - epoch_ms(ts) % {MINUTE_MS} FROM volumes
    WHERE seen >= make_timestamp_ms($since) AND ts < make_timestamp_ms($start)
"""
TOUCHED = f"""
    SELECT DISTINCT unnest([t, t + {MINUTE_MS}]) AS t FROM (  -- what follows a late row has changed by another amount
        SELECT epoch_ms(ts) - epoch_ms(ts) % {MINUTE_MS} AS t FROM readings
        WHERE seen >= make_timestamp_ms($since) AND ts < make_timestamp_ms($start) AND flags & {Flag.AFFIRMED.value} = 0
        UNION ALL SELECT epoch_ms(ts) - epoch_ms(ts) % {MINUTE_MS} FROM liquidations
        WHERE seen >= make_timestamp_ms($since) AND ts < make_timestamp_ms($start)
        UNION ALL SELECT epoch_ms(start) - epoch_ms(start) % {MINUTE_MS} FROM gaps
        WHERE known_at >= make_timestamp_ms($since) AND start < make_timestamp_ms($start)
    )
"""


def catch_up(store: Cursors, now_ms: int) -> int:
    """Keep up since the newest bar: what the clock does first, whatever was missed while nothing ran."""
    con = store.cursor()
    try:
        row = con.execute(
            "SELECT epoch_ms(coalesce((SELECT max(bucket) FROM bars_1m), (SELECT min(ts) FROM readings)))"
        ).fetchone()
    finally:
        con.close()
    return 0 if row is None or row[0] is None else keep_up(store, int(row[0]), now_ms)


def added(con: duckdb.DuckDBPyConnection, table: str, low: int, high: int) -> int:
    """Append the rows of `built` that are new or differ from the version stored, sorted as readers want them.

    History that a venue or a file gave never replaces what was streamed and is no longer kept in full.
    """
    same = " AND ".join(compared(c) for c in COLUMNS if c not in {"bucket", "instrument_id", "known_at"})
    taken = ", ".join(f"coalesce(n.{c}, c.{c})" if c in TRADED else f"n.{c}" for c in COLUMNS if c != "known_at")
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
    if column in TRADED:
        return f"(n.{column} IS NULL OR n.{column} IS NOT DISTINCT FROM c.{column})"
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
    """Drop readings and volumes heard and stated more than `raw_days` ago. Bars and closes stay. Gives the number
    dropped.
    """
    con = store.cursor()
    try:
        cut = now_ms - round(raw_days * DAY_MS)
        dropped = 0
        for table in ("readings", "volumes"):
            done = con.execute(
                f"DELETE FROM {table} WHERE ts < make_timestamp_ms($cut) AND seen < make_timestamp_ms($cut)",
                {"cut": cut},
            ).fetchone()
            dropped += 0 if done is None else int(done[0])
        return dropped
    finally:
        con.close()
