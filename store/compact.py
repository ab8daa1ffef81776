"""Bars in the order in which they are asked for: instrument by instrument, which makes a long read twice as fast.

The clock appends minute by minute. A day that is over is rewritten sorted, and once more with its month. Nothing is
dropped: every version of a bar stays.
"""

from datetime import UTC, datetime

import duckdb

from store.patience import Cursors

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SETTLED_MS = 2 * HOUR_MS  # after its end a day is left alone for what comes late
KEY = "bars_1m_sorted"  # in `meta`: up to where the minutes are in order, ms UTC


def compact(store: Cursors, now_ms: int) -> int:
    """Sort the minute bars of the days that have ended since the last time. Gives the number of rows rewritten."""
    until = (now_ms - SETTLED_MS) // DAY_MS * DAY_MS
    con = store.cursor()
    try:
        since = sorted_until(con)
        if since is None or since >= until:
            return 0
        month = month_start(until)
        low = month_start(since) if since < month else since  # a month that is over, whole; else the days since
        con.execute("BEGIN")
        try:
            rows = rewritten(con, low, until)
            con.execute("DELETE FROM meta WHERE key = ?", [KEY])
            con.execute("INSERT INTO meta VALUES (?, ?)", [KEY, str(until)])
            con.execute("COMMIT")
        except BaseException:
            con.execute("ROLLBACK")
            raise
        return rows
    finally:
        con.close()


def rewritten(con: duckdb.DuckDBPyConnection, low: int, high: int) -> int:
    """Append the bars in [low, high) in order, then delete them from where they stood before."""
    values = {"low": low, "high": high}
    where = "bucket >= make_timestamp_ms($low) AND bucket < make_timestamp_ms($high)"
    row = con.execute(f"SELECT count(*), max(rowid) FROM bars_1m WHERE {where}", values).fetchone()
    if row is None or row[1] is None:
        return 0
    count, last = int(row[0]), int(row[1])
    inserted = con.execute(
        f"INSERT INTO bars_1m FROM bars_1m WHERE {where} ORDER BY instrument_id, bucket, known_at", values
    ).fetchone()
    deleted = con.execute(f"DELETE FROM bars_1m WHERE {where} AND rowid <= $last", {**values, "last": last}).fetchone()
    if inserted != (count,) or deleted != (count,):
        raise AssertionError(f"{count} bars to sort, {inserted} written, {deleted} taken away")
    return count


def sorted_until(con: duckdb.DuckDBPyConnection) -> int | None:
    """From where bars may be out of order; None where there are none."""
    row = con.execute("SELECT value::BIGINT FROM meta WHERE key = ?", [KEY]).fetchone()
    if row is None:
        row = con.execute("SELECT epoch_ms(min(bucket)) FROM bars_1m").fetchone()
    return None if row is None or row[0] is None else int(row[0]) // DAY_MS * DAY_MS


def month_start(t: int) -> int:
    moment = datetime.fromtimestamp(t / 1000, UTC)
    return round(moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
