"""Minute bars out of readings, as one SELECT: the clock stores what it gives, the reader completes running buckets.

An open interest belongs to the minute in which the venue stated it, or affirmed it; a mark to the minute in which we
heard it. Rows of the past (backfill, import) are heard long after: their marks go by the venue's time too.
"""

from store.records import Flag

FAR = 253_402_300_799_000  # ms UTC, the end of 9999: "as of now"
HOUR_MS = 3_600_000
BREAK_MS = 300_000  # a change over a gap longer than this is neither opened nor closed; it is booked as a gap's

# How long after its time a row was seen, as a number below 2^20 that orders: to the ms up to 400 s, else to the minute.
LATER = """CASE WHEN seen - said < 400000 THEN greatest(seen - said + 400000, 0)
    ELSE 800000 + least((seen - said - 400000) // 60000, 248575) END"""

COLUMNS = (
    "bucket", "instrument_id", "raw_open", "raw_high", "raw_low", "raw_close", "base_open", "base_high", "base_low",
    "base_close", "usd_open", "usd_high", "usd_low", "usd_close", "opened", "closed", "readings", "volume", "taker_buy",
    "taker_sell", "liquidated_long", "liquidated_short", "mark_open", "mark_high", "mark_low", "mark_close",
    "index_close", "funding", "funding_interval_h", "covered_s", "last_seen", "source", "simulated", "known_at",
)  # fmt: skip


def newest(table: str, low: int, high: int, among: str = "TRUE") -> str:
    """The newest version of each stored bar with a bucket in [low, high) ms.

    Few bars have a second version, so those are found first: ranking every bar would cost several times as much.
    """
    kept = f"{table} WHERE {among} AND bucket >= make_timestamp_ms({low}) AND bucket < make_timestamp_ms({high})"
    return f"""(
        SELECT k.* FROM (FROM {kept}) k LEFT JOIN (
            SELECT instrument_id, bucket, max(known_at) AS last FROM {kept} GROUP BY ALL HAVING count(*) > 1
        ) r USING (instrument_id, bucket) WHERE r.last IS NULL OR k.known_at = r.last
    )"""


def traded(among: str, start: str, end: str, as_of: str) -> str:
    """SELECT of the traded volume of each minute, as it was said last; a taker's side only where it is said."""
    return f"""
        SELECT instrument_id, epoch_ms(ts) AS t, arg_max(base, seen) AS volume,
            arg_max_null(taker_buy, seen) AS taker_buy, epoch_ms(max(seen)) AS seen
        FROM volumes
        WHERE ({among}) AND ts >= make_timestamp_ms({start}) AND ts < make_timestamp_ms({end})
          AND seen <= make_timestamp_ms({as_of}) GROUP BY ALL
    """


def minutes(among: str = "TRUE") -> str:
    """SELECT of minute bars in the order of `COLUMNS`.

    Parameters, ms UTC: $start and $end (whole minutes, end exclusive), $look (from where to look for the value before a
    change), $as_of (rows seen later do not exist). `among` is a condition on instrument_id.

    Per (instrument, minute): `stated` are open interests by their own time, `heard` the marks by ours. `ord` orders
    rows of one venue time by when they were seen, so that "last" is the same row every time. Of some instruments the
    rows are picked once and held; of all of them they would fill the memory.
    """
    return f"""
WITH picked AS {"NOT " if among == "TRUE" else ""}MATERIALIZED (
    SELECT instrument_id, hash(field, sides) AS kind, raw / sides AS native, base, usd, mark, "index",
        funding, funding_interval_h, source, simulated, flags, epoch_ms(seen) AS seen,
        CASE WHEN flags & {Flag.AFFIRMED.value} != 0 THEN epoch_ms(seen) ELSE epoch_ms(ts) END AS said,
        CASE WHEN source IN ('backfill', 'import') THEN epoch_ms(ts) ELSE epoch_ms(seen) END AS heard
    FROM (  -- two scans, each bounded by one time: with OR the engine would read the whole table
        FROM readings WHERE ts >= make_timestamp_ms($look) AND ts < make_timestamp_ms($end)
            AND ({among}) AND seen <= make_timestamp_ms($as_of)
        UNION ALL
        FROM readings WHERE seen >= make_timestamp_ms($look) AND seen < make_timestamp_ms($end)
            AND NOT (ts >= make_timestamp_ms($look) AND ts < make_timestamp_ms($end))
            AND source IN ('stream', 'poll') AND ({among}) AND seen <= make_timestamp_ms($as_of)
    )
), numbered AS NOT MATERIALIZED (
    SELECT *, said * 1048576 + {LATER} AS ord FROM picked
), before AS (
    SELECT instrument_id, max(said) AS said, max(ord) AS ord, arg_max(native, ord) AS native,
        arg_max(kind, ord) AS kind, arg_max(seen, ord) AS seen
    FROM numbered WHERE said < $start GROUP BY ALL
), chain AS (
    SELECT instrument_id, said, ord, native, kind, flags, seen FROM numbered WHERE said >= $start AND said < $end
    UNION ALL SELECT instrument_id, said, ord, native, kind, 0, seen FROM before
    UNION ALL SELECT instrument_id, max(epoch_ms(last_seen)), max(epoch_ms(last_seen)) * 1048576,
        arg_max(raw_close, (bucket, known_at)), NULL, 0, arg_max(epoch_ms(known_at), (bucket, known_at))
    FROM bars_1m WHERE ({among}) AND bucket >= make_timestamp_ms($look - {HOUR_MS})
        AND bucket < make_timestamp_ms($start)
        AND known_at <= make_timestamp_ms($as_of) AND instrument_id NOT IN (SELECT instrument_id FROM before)
    GROUP BY instrument_id
), stepped AS (
    SELECT instrument_id, said, ord, flags, native - lag(native) OVER w AS change, lag(said) OVER w AS said_before,
        greatest(seen, lag(seen) OVER w) AS told,  -- a change is known once both its ends are
        coalesce(lag(kind) OVER w = kind, TRUE) AS alike
    FROM chain WINDOW w AS (PARTITION BY instrument_id ORDER BY ord)
), broken AS (
    SELECT s.instrument_id, s.ord, any_value(s.said - s.said % 60000) AS t, min(epoch_ms(g.known_at)) AS known
    FROM (FROM stepped WHERE said - said_before > {BREAK_MS}) s
    JOIN (FROM instruments QUALIFY row_number() OVER (PARTITION BY instrument_id ORDER BY known_at DESC) = 1) i
        USING (instrument_id)
    LEFT JOIN gaps g ON g.venue = i.venue AND g.segment = i.segment AND g.symbol IN ('', i.symbol)
        AND epoch_ms(g.start) < s.said AND coalesce(epoch_ms(g."end"), {FAR}) > s.said_before
        AND g.known_at <= make_timestamp_ms($as_of)
    WHERE s.flags & {Flag.RESYNC.value} != 0 OR g.venue IS NOT NULL
    GROUP BY s.instrument_id, s.ord
), moved AS (
    SELECT instrument_id, said - said % 60000 AS t,
        sum(greatest(change, 0)) AS opened, sum(greatest(-change, 0)) AS closed, max(told) AS told
    FROM stepped WHERE said >= $start AND alike AND change IS NOT NULL
        AND (instrument_id, ord) NOT IN (SELECT instrument_id, ord FROM broken)
    GROUP BY ALL
), firsts AS (
    SELECT instrument_id, min(said) AS said FROM stepped GROUP BY instrument_id HAVING min(said) >= $start
), stated AS (
    SELECT instrument_id, said - said % 60000 AS t,
        arg_min(native, ord) AS native_open, max(native) AS native_high, min(native) AS native_low,
        arg_max(native, ord) AS native_close,
        arg_min(base, ord) AS base_open, max(base) AS base_high, min(base) AS base_low,
        arg_max(base, ord) AS base_close,
        arg_min(usd, ord) AS usd_open, max(usd) AS usd_high, min(usd) AS usd_low, arg_max(usd, ord) AS usd_close,
        arg_min(mark, ord) AS mark_open, max(mark) AS mark_high, min(mark) AS mark_low,
        arg_max(mark, ord) AS mark_close,
        arg_max("index", ord) AS index_close, arg_max(funding, ord) AS funding,
        arg_max(funding_interval_h, ord) AS funding_interval_h,
        count(*) AS readings,
        max(heard) AS heard, max(seen) AS seen, arg_max(source, ord) AS source, bool_or(simulated) AS simulated,
        min(said) AS began
    FROM numbered WHERE said >= $start AND said < $end GROUP BY ALL
), heard AS (
    SELECT instrument_id, heard - heard % 60000 AS t,
        arg_max(native, heard) AS native, arg_max(base, heard) AS base, arg_max(usd, heard) AS usd,
        arg_min(mark, heard) AS mark_open, max(mark) AS mark_high, min(mark) AS mark_low,
        arg_max(mark, heard) AS mark_close, arg_max("index", heard) AS index_close, arg_max(funding, heard) AS funding,
        arg_max(funding_interval_h, heard) AS funding_interval_h, max(heard) AS heard, max(seen) AS seen,
        arg_max(source, heard) AS source, bool_or(simulated) AS simulated
    FROM picked WHERE heard >= $start AND heard < $end GROUP BY ALL
), joined AS (
    SELECT instrument_id, t,
        coalesce(s.native_open, h.native) AS raw_open, coalesce(s.native_high, h.native) AS raw_high,
        coalesce(s.native_low, h.native) AS raw_low, coalesce(s.native_close, h.native) AS raw_close,
        coalesce(s.base_open, h.base) AS base_open, coalesce(s.base_high, h.base) AS base_high,
        coalesce(s.base_low, h.base) AS base_low, coalesce(s.base_close, h.base) AS base_last,
        coalesce(s.usd_open, h.usd) AS usd_open, coalesce(s.usd_high, h.usd) AS usd_high,
        coalesce(s.usd_low, h.usd) AS usd_low, coalesce(s.usd_close, h.usd) AS usd_last,
        coalesce(s.mark_close, h.mark_close) AS mark_last,
        m.opened, m.closed, m.told, coalesce(s.readings, 0) AS readings,
        coalesce(h.mark_open, s.mark_open) AS mark_open, coalesce(h.mark_high, s.mark_high) AS mark_high,
        coalesce(h.mark_low, s.mark_low) AS mark_low, coalesce(h.mark_close, s.mark_close) AS mark_close,
        coalesce(h.index_close, s.index_close) AS index_close, coalesce(h.funding, s.funding) AS funding,
        coalesce(h.funding_interval_h, s.funding_interval_h) AS funding_interval_h,
        greatest(h.heard, s.heard) AS heard, greatest(h.seen, s.seen) AS seen,
        coalesce(s.source, h.source) AS source, coalesce(s.simulated, h.simulated) AS simulated,
        CASE WHEN f.said IS NULL THEN 0 ELSE s.began - t END AS late
    FROM stated s FULL JOIN heard h USING (instrument_id, t) LEFT JOIN moved m USING (instrument_id, t)
    LEFT JOIN firsts f ON f.instrument_id = s.instrument_id AND f.said = s.began
), known AS (
    SELECT b.*, i.payoff, i.venue, i.segment, i.symbol FROM joined b
    LEFT JOIN (FROM instruments QUALIFY row_number() OVER (PARTITION BY instrument_id ORDER BY known_at DESC) = 1) i
        USING (instrument_id)
), pieces AS (
    SELECT k.instrument_id, k.t, greatest(epoch_ms(g.start), k.t) AS a,
        least(coalesce(epoch_ms(g.until), {FAR}), k.t + 60000) AS z,
        CASE WHEN epoch_ms(g.until) < k.t + 60000 THEN g.ended ELSE g.opened END AS told
    FROM known k JOIN (
        SELECT venue, segment, symbol, start, max("end") AS until, min(known_at) AS opened, max(known_at) AS ended
        FROM gaps WHERE start < make_timestamp_ms($end) AND known_at <= make_timestamp_ms($as_of) GROUP BY ALL
        HAVING coalesce(max("end"), make_timestamp_ms({FAR})) > make_timestamp_ms($start)
    ) g ON g.venue = k.venue AND g.segment = k.segment AND g.symbol IN ('', k.symbol)
        AND epoch_ms(g.start) < k.t + 60000 AND coalesce(epoch_ms(g.until), {FAR}) > k.t
), lost AS (  -- the length of the union of the gaps in each minute
    SELECT instrument_id, t, sum(greatest(0, z - greatest(a, coalesce(reached, a)))) AS ms, epoch_ms(max(told)) AS told
    FROM (
        SELECT *, max(z) OVER (PARTITION BY instrument_id, t ORDER BY a, z
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached FROM pieces
    ) GROUP BY ALL
), shot AS (
    SELECT instrument_id, epoch_ms(ts) - epoch_ms(ts) % 60000 AS t,
        coalesce(sum(usd) FILTER (side = 'long'), 0) AS longs, coalesce(sum(usd) FILTER (side = 'short'), 0) AS shorts,
        epoch_ms(max(seen)) AS seen
    FROM liquidations
    WHERE ({among}) AND ts >= make_timestamp_ms($start) AND ts < make_timestamp_ms($end)
      AND seen <= make_timestamp_ms($as_of) GROUP BY ALL
), traded AS ({traded(among, "$start", "$end", "$as_of")})
SELECT make_timestamp_ms(k.t) AS bucket, k.instrument_id, raw_open, raw_high, raw_low, raw_close,
    base_open, base_high, base_low,
    CASE WHEN payoff = 'inverse' THEN base_last * mark_last / mark_close ELSE base_last END AS base_close,
    usd_open, usd_high, usd_low,
    CASE WHEN payoff = 'inverse' THEN usd_last ELSE usd_last * mark_close / mark_last END AS usd_close,
    opened, closed, readings::INTEGER AS readings,
    v.volume, v.taker_buy, v.volume - v.taker_buy AS taker_sell,
    longs AS liquidated_long, shorts AS liquidated_short,
    mark_open, mark_high, mark_low, mark_close, index_close, funding, funding_interval_h,
    greatest(0, 60000 - coalesce(l.ms, 0) - late) / 1000 AS covered_s,
    make_timestamp_ms(heard) AS last_seen, source, simulated,
    make_timestamp_ms(greatest(k.t + 60000, k.seen, k.told, s.seen, v.seen, l.told, b.known)) AS known_at
FROM known k LEFT JOIN lost l USING (instrument_id, t) LEFT JOIN shot s USING (instrument_id, t)
LEFT JOIN traded v USING (instrument_id, t)
LEFT JOIN (SELECT instrument_id, t, max(known) AS known FROM broken GROUP BY ALL) b USING (instrument_id, t)
"""
