"""What a new run must say of the time between the last row and now."""

from collections.abc import Mapping

import duckdb

from store import questions as q
from store.records import Field, Gap, Health, Instrument, OpenInterest, Source, Unit

SETTLED_MS = 1000  # a pause shorter than this hides nothing
LEVEL_MS = (
    7 * 86_400_000
)  # what was stated before that is no measure for what is stated now (analytics.md 1.3, check 4)


def downtime(con: duckdb.DuckDBPyConnection, now: int) -> list[Gap]:
    """A gap a segment since it was last heard, and an end for every gap that was still open.

    It reads a month back at most: who was not heard for longer is covered by the gap that says so.
    """
    heard = con.execute(
        """
        SELECT venue, segment, max(last) FROM (
            SELECT i.venue, i.segment, max(epoch_ms(r.seen)) AS last FROM readings r
            JOIN (SELECT DISTINCT instrument_id, venue, segment FROM instruments) i USING (instrument_id)
            WHERE r.source IN ('stream', 'poll') AND r.seen > make_timestamp_ms(?) - INTERVAL 30 DAY GROUP BY ALL
            UNION ALL
            SELECT venue, segment, max(epoch_ms(last_seen)) FROM health WHERE last_seen IS NOT NULL GROUP BY ALL
        ) GROUP BY ALL
        """,
        [now],
    ).fetchall()
    still_open = con.execute(
        """
        SELECT venue, segment, symbol, epoch_ms(start), arg_max(reason, start) FROM gaps
        GROUP BY venue, segment, symbol, start HAVING count("end") = 0
        """
    ).fetchall()
    closed = [Gap(venue, segment, symbol, start, now, reason) for venue, segment, symbol, start, reason in still_open]
    return closed + [
        Gap(venue, segment, "", last, now, "restart") for venue, segment, last in heard if now - last > SETTLED_MS
    ]


def last_known(con: duckdb.DuckDBPyConnection, instruments: Mapping[int, Instrument], now: int) -> list[OpenInterest]:
    """The newest reading of every instrument, so that a late row never becomes the current one because we restarted."""
    rows = con.execute(
        """
        SELECT instrument_id, field, unit, sides, epoch_ms(ts), epoch_ms(seen), raw, base, usd, mark, "index", funding,
            funding_interval_h, source, simulated, flags
        FROM readings WHERE ts > make_timestamp_ms($now) - INTERVAL 2 HOUR
        QUALIFY row_number() OVER (PARTITION BY instrument_id ORDER BY least(ts, seen) DESC, seen DESC) = 1
        """,
        {"now": now},
    ).fetchall()
    return [
        OpenInterest(
            instruments[i], Field(key, Unit(unit), sides), ts, seen, raw, base, usd, mark, index, funding, interval,
            Source(source), simulated, flags,
        )
        for i, key, unit, sides, ts, seen, raw, base, usd, mark, index, funding, interval, source, simulated, flags
        in rows if i in instruments
    ]  # fmt: skip


def last_levels(con: duckdb.DuckDBPyConnection, instruments: Mapping[int, Instrument], now: int) -> list[OpenInterest]:
    """What was heard last before a longer pause, of the last seven days: what comes next is held against it."""
    newest = con.execute(
        """
        SELECT epoch_ms(max(ts)) FROM readings
        WHERE ts BETWEEN make_timestamp_ms(?) AND make_timestamp_ms(?) AND source IN ('stream', 'poll')
        """,
        [now - LEVEL_MS, now],
    ).fetchone()
    return [] if newest is None or newest[0] is None else last_known(con, instruments, newest[0])


def last_told(con: duckdb.DuckDBPyConnection, now: int) -> list[Health]:
    """The newest word on every connection, of the last seven days."""
    return [Health(*row) for row in con.execute(q.HEALTH, {"as_of": now}).fetchall()]
