"""The SQL behind `reader`, by question. Named parameters; times are ms UTC."""


def version(table: str, key: str) -> str:
    """The newest version of each row known at $as_of, or the oldest one where none was known yet."""
    return f"""(FROM {table} QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY
        known_at <= make_timestamp_ms($as_of) DESC,
        CASE WHEN known_at <= make_timestamp_ms($as_of) THEN epoch_ms(known_at) ELSE -epoch_ms(known_at) END DESC
    ) = 1)"""


def agreed(column: str) -> str:
    """The value that all rows of a group share, NULL where they differ."""
    return f"CASE WHEN min({column}) = max({column}) THEN min({column}) END AS {column}"


READING_COLUMNS = (
    "field", "unit", "sides", "raw", "native", "base", "usd", "mark", "index", "funding", "funding_interval_h", "ts",
    "seen", "last_seen", "cadence_s", "source", "simulated", "flags",
)  # fmt: skip

UNSTATED = ("index", "funding", "funding_interval_h", "cadence_s")  # numbers that a venue may leave out

INSTRUMENT_VERSION = version("instruments", "instrument_id")
COUNTED = "($universe = 'all' OR i.kind = $universe OR list_contains(string_split($always, ','), i.venue))"
"""Of instruments `i`: who is of the universe that is asked about, or of a venue that counts in any."""
VENUE_VERSION = version("venues", "venue")
FIELD_VERSION = f"""(FROM {version("side_registry", "venue, segment, field, unit")}
    -- a field that was added later was not there: what was known first stands in, and nothing after it
    QUALIFY known_at <= greatest(make_timestamp_ms($as_of), min(known_at) OVER (PARTITION BY venue, segment)))"""

ASSETS = f"""
SELECT asset, count(*) AS instruments, count(DISTINCT venue) AS venues FROM {INSTRUMENT_VERSION}
GROUP BY asset ORDER BY asset
"""

VENUES = f"""
SELECT venue, name, class, docs, note, nullif(closed_on, '') AS closed_on FROM {VENUE_VERSION} ORDER BY venue
"""

SIDES = f"""
SELECT venue, segment, field, unit, sides, status, nullif(valid_from, '') AS valid_from, evidence,
    epoch_ms(known_at) AS known_at
FROM {FIELD_VERSION} r
WHERE segment != '' OR NOT EXISTS (
    FROM side_registry s WHERE s.venue = r.venue AND s.field = r.field AND s.unit = r.unit AND s.segment != ''
)
ORDER BY venue, segment, field, unit
"""

INSTRUMENTS = f"""
SELECT i.instrument_id, i.venue, coalesce(v.class, 'none') AS class, i.segment, i.symbol, i.asset, i.quote, i.settle,
    i.kind, i.payoff, i.contract_size, i.base_factor, i.live, i.max_leverage, i.funding_interval_h, i.funding_kind,
    coalesce(f.field, w.field) AS field, coalesce(f.unit, w.unit) AS unit, coalesce(f.sides, w.sides) AS sides,
    coalesce(f.status, w.status) AS side_status
FROM {INSTRUMENT_VERSION} i
LEFT JOIN {VENUE_VERSION} v USING (venue)
LEFT JOIN (
    SELECT venue, segment, arg_max(field, known_at) AS field, arg_max(unit, known_at) AS unit,
        arg_max(sides, known_at) AS sides, arg_max(status, known_at) AS status
    FROM {FIELD_VERSION} WHERE segment != '' GROUP BY ALL
) f ON f.venue = i.venue AND f.segment = i.segment
LEFT JOIN (  -- a segment never heard live: what all fields in the venue's file agree on
    SELECT venue, {agreed("field")}, {agreed("unit")}, {agreed("sides")}, {agreed("status")}
    FROM {FIELD_VERSION} WHERE segment = '' GROUP BY venue
) w ON w.venue = i.venue
WHERE ($asset IS NULL OR i.asset = $asset) AND {COUNTED}
ORDER BY i.venue, i.segment, i.symbol
"""

CADENCE_ROWS = 65  # the cadence is the median of the 64 steps between them

LATEST = f"""
WITH found AS (
    SELECT instrument_id, arg_max(rowid, (least(epoch_ms(ts), epoch_ms(seen)), seen)) AS row,
        max(CASE WHEN source IN ('backfill', 'import') THEN epoch_ms(ts) ELSE epoch_ms(seen) END, {CADENCE_ROWS})
            AS heard
    FROM readings
    WHERE instrument_id IN ({{ids}}) AND seen <= make_timestamp_ms($as_of)
      AND ts > make_timestamp_ms($since) AND ts <= make_timestamp_ms($as_of) AND isfinite(usd)
    GROUP BY instrument_id
)
SELECT r.instrument_id, r.field, r.unit, r.sides, r.raw, r.raw / r.sides AS native, r.base, r.usd, r.mark, r."index",
    r.funding, r.funding_interval_h, epoch_ms(r.ts) AS ts, epoch_ms(r.seen) AS seen, f.heard[1] AS last_seen,
    list_median(list_transform(f.heard[2:], lambda h, k: f.heard[k] - h)) / 1000 AS cadence_s, r.source,
    r.simulated, r.flags, len(f.heard) AS rows
FROM readings r JOIN found f ON r.rowid = f.row
"""

LAST = """
SELECT instrument_id, epoch_ms(max(ts)) FROM readings
WHERE instrument_id IN ({ids}) AND seen <= make_timestamp_ms($as_of) AND ts <= make_timestamp_ms($as_of)
  AND ts > make_timestamp_ms($since) AND isfinite(usd)
GROUP BY instrument_id
"""

HEALTH = """
SELECT venue, segment, symbol, epoch_ms(ts) AS ts, state, epoch_ms(since) AS since, epoch_ms(last_seen) AS last_seen,
    cadence_s, frames, unreadable, detail, coalesce(ignored, 0) AS ignored, coalesce(unknown, 0) AS unknown, lag_ms,
    skew_ms
FROM health WHERE ts <= make_timestamp_ms($as_of) AND ts > make_timestamp_ms($as_of) - INTERVAL 7 DAY
QUALIFY row_number() OVER (PARTITION BY venue, segment, symbol ORDER BY ts DESC) = 1
ORDER BY venue, segment, symbol
"""

GAPS = """
SELECT venue, segment, symbol, epoch_ms(start) AS start, epoch_ms(max("end")) AS "end",
    arg_max(reason, coalesce("end", start)) AS reason
FROM (SELECT venue, segment, symbol, start, "end", reason FROM gaps
    WHERE start < make_timestamp_ms($end) AND known_at <= make_timestamp_ms($as_of)
      AND ($venue IS NULL OR venue = $venue))
GROUP BY venue, segment, symbol, start
HAVING coalesce(epoch_ms(max("end")), $end) >= $start
ORDER BY start, venue, segment, symbol
"""

SYMBOLS = f"""
SELECT DISTINCT venue, segment, symbol FROM instruments i WHERE asset = $asset AND {COUNTED} AND $as_of IS NOT NULL
"""

EVENTS = """
SELECT epoch_ms(ts) AS ts, kind, asset, venue, detail, epoch_ms(known_at) AS known_at FROM events
WHERE kind = $kind AND ts >= make_timestamp_ms($start) AND ts < make_timestamp_ms($end)
  AND known_at <= make_timestamp_ms($as_of)
  AND ($venue IS NULL OR venue = $venue) AND ($asset IS NULL OR asset = $asset)
ORDER BY ts, known_at
"""

POSITIONS = f"""
SELECT p.instrument_id, i.venue, i.symbol, p.holder, epoch_ms(p.seen) AS seen, p.side, p.base, p.entry,
    p.liquidation_price, p.leverage, p.simulated
FROM (
    FROM positions WHERE seen >= make_timestamp_ms($start) AND seen < make_timestamp_ms($end)
      AND seen <= make_timestamp_ms($as_of)
    QUALIFY row_number() OVER (PARTITION BY instrument_id, holder ORDER BY seen DESC) = 1
) p JOIN {INSTRUMENT_VERSION} i USING (instrument_id)
WHERE i.asset = $asset AND {COUNTED} AND p.base > 0 ORDER BY p.base DESC, p.holder
"""

LIQUIDATIONS = f"""
SELECT l.instrument_id, i.venue, coalesce(v.class, 'none') AS class, i.symbol, epoch_ms(l.ts) AS ts,
    epoch_ms(l.seen) AS seen, l.side, l.size, l.unit, l.base, l.usd, l.price, l.feed
FROM liquidations l JOIN {INSTRUMENT_VERSION} i USING (instrument_id) LEFT JOIN {VENUE_VERSION} v USING (venue)
WHERE i.asset = $asset AND {COUNTED} AND l.ts >= make_timestamp_ms($start) AND l.ts < make_timestamp_ms($end)
  AND l.seen <= make_timestamp_ms($as_of)
ORDER BY l.ts, l.instrument_id
"""

VOLUMES = f"""
SELECT r.instrument_id, i.venue, coalesce(v.class, 'none') AS class, i.symbol, epoch_ms(r.ts) AS ts,
    epoch_ms(r.seen) AS seen, r.base, r.taker_buy, r.source, r.simulated
FROM (FROM volumes WHERE ts >= make_timestamp_ms($start) AND ts < make_timestamp_ms($end)
        AND seen <= make_timestamp_ms($as_of)
    QUALIFY row_number() OVER (PARTITION BY instrument_id, ts ORDER BY seen DESC) = 1) r
JOIN {INSTRUMENT_VERSION} i USING (instrument_id) LEFT JOIN {VENUE_VERSION} v USING (venue)
WHERE i.asset = $asset AND {COUNTED}
ORDER BY r.ts, i.venue, i.symbol
"""

RATIOS = f"""
SELECT r.instrument_id, i.venue, coalesce(v.class, 'none') AS class, i.symbol, r.kind, epoch_ms(r.ts) AS ts,
    epoch_ms(r.seen) AS seen, r.ratio, r.source, r.simulated
FROM (FROM ratios WHERE ts >= make_timestamp_ms($start) AND ts < make_timestamp_ms($end)
        AND seen <= make_timestamp_ms($as_of)
    QUALIFY row_number() OVER (PARTITION BY instrument_id, kind, ts ORDER BY seen DESC) = 1) r
JOIN {INSTRUMENT_VERSION} i USING (instrument_id) LEFT JOIN {VENUE_VERSION} v USING (venue)
WHERE i.asset = $asset AND {COUNTED}
ORDER BY r.ts, i.venue, i.symbol, r.kind
"""

RATIOS_BY = f"""
SELECT r.instrument_id, i.venue, r.kind, epoch_ms(max(r.ts)) AS ts, arg_max(r.ratio, (r.ts, r.seen)) AS ratio
FROM ratios r JOIN {INSTRUMENT_VERSION} i USING (instrument_id)
WHERE i.asset = $asset AND {COUNTED} AND r.ts >= make_timestamp_ms($start) AND r.ts < make_timestamp_ms($end)
  AND r.seen <= make_timestamp_ms($as_of)
GROUP BY r.instrument_id, i.venue, r.kind, epoch_ms(r.ts) // $step
ORDER BY ts, i.venue, r.instrument_id
"""

FUNDINGS = f"""
SELECT f.instrument_id, i.venue, epoch_ms(max(f.ts)) AS ts, arg_max(f.rate, (f.ts, f.seen)) AS rate,
    arg_max(f.interval_h, (f.ts, f.seen)) AS interval_h, arg_max(f.kind, (f.ts, f.seen)) AS kind
FROM fundings f JOIN {INSTRUMENT_VERSION} i USING (instrument_id)
WHERE i.asset = $asset AND {COUNTED} AND f.ts >= make_timestamp_ms($start) AND f.ts < make_timestamp_ms($end)
  AND f.seen <= make_timestamp_ms($as_of)
GROUP BY f.instrument_id, i.venue, (epoch_ms(f.ts) - 1) // $step
ORDER BY ts, i.venue, f.instrument_id
"""

TRADED = f"""
SELECT instrument_id, (t // $step + 1) * $step AS t, sum(base) AS base, sum(taker_buy) AS taker_buy, count(*) AS minutes
FROM (
    SELECT instrument_id, epoch_ms(ts) AS t, arg_max(base, seen) AS base, arg_max_null(taker_buy, seen) AS taker_buy
    FROM volumes SEMI JOIN (FROM {INSTRUMENT_VERSION} i WHERE asset = $asset AND {COUNTED}) i USING (instrument_id)
    WHERE ts >= make_timestamp_ms($start) AND ts < make_timestamp_ms($end) AND seen <= make_timestamp_ms($as_of)
    GROUP BY ALL
)
GROUP BY ALL ORDER BY instrument_id, t
"""

FEEDS = f"""
SELECT i.venue, l.feed, epoch_ms(min(l.ts)) AS since, count(*) AS count
FROM liquidations l JOIN {INSTRUMENT_VERSION} i USING (instrument_id)
WHERE ($asset IS NULL OR (i.asset = $asset AND {COUNTED}))
  AND l.ts >= make_timestamp_ms($start) AND l.ts < make_timestamp_ms($end)
  AND l.seen <= make_timestamp_ms($as_of)
GROUP BY ALL ORDER BY i.venue, l.feed
"""

TIERS = f"""
SELECT t.instrument_id, i.venue, coalesce(v.class, 'none') AS class, i.symbol, t.tier, t.lower, t.upper, t.maintenance,
    t.max_leverage, t.deduction, epoch_ms(t.known_at) AS known_at, t.simulated
FROM (FROM tiers WHERE known_at <= make_timestamp_ms($as_of)
    QUALIFY known_at = max(known_at) OVER (PARTITION BY instrument_id)) t
JOIN {INSTRUMENT_VERSION} i USING (instrument_id) LEFT JOIN {VENUE_VERSION} v USING (venue)
WHERE i.asset = $asset AND {COUNTED}
ORDER BY i.venue, i.symbol, t.tier
"""

QUARANTINE = """
SELECT venue, segment, symbol, "check", count(*) AS count, epoch_ms(max(seen)) AS last, arg_max(words, seen) AS words
FROM quarantine WHERE seen >= make_timestamp_ms($start) AND seen < make_timestamp_ms($end)
GROUP BY ALL ORDER BY count DESC, venue, segment, symbol
"""

HOLDS = "SELECT venue, epoch_ms(max(until)) AS until, arg_max(reason, until) AS reason FROM holds GROUP BY venue"

SPAN = f"""
WITH mine AS (SELECT instrument_id FROM {INSTRUMENT_VERSION} i WHERE asset = $asset AND {COUNTED})
SELECT min(first) AS first, max(last) AS last FROM (
    SELECT epoch_ms(min(bucket)) AS first, epoch_ms(max(last_seen)) AS last
    FROM bars_1d SEMI JOIN mine USING (instrument_id)
    WHERE known_at <= make_timestamp_ms($as_of)
    UNION ALL SELECT epoch_ms(min(bucket)), epoch_ms(max(last_seen)) FROM bars_1h SEMI JOIN mine USING (instrument_id)
    WHERE known_at <= make_timestamp_ms($as_of) AND bucket > make_timestamp_ms($as_of) - INTERVAL 3 DAY
    UNION ALL SELECT epoch_ms(min(ts)), epoch_ms(max(ts)) FROM readings SEMI JOIN mine USING (instrument_id)
    WHERE seen <= make_timestamp_ms($as_of) AND ts <= make_timestamp_ms($as_of)
)
"""

THRESHOLDS = """
SELECT metric, value, n, version, epoch_ms(known_at) AS known_at
FROM thresholds WHERE asset = $asset AND window_s = $window_s AND known_at <= make_timestamp_ms($as_of)
QUALIFY row_number() OVER (PARTITION BY metric ORDER BY known_at DESC) = 1
ORDER BY metric
"""

EPISODES = """
SELECT id, asset, kind, leader, epoch_ms(opened) AS opened, epoch_ms(resolved) AS resolved, label, rules, detail,
    simulated, epoch_ms(known_at) AS known_at
FROM episodes WHERE ($asset IS NULL OR asset = $asset) AND known_at <= make_timestamp_ms($as_of)
    AND opened >= make_timestamp_ms($start) AND opened < make_timestamp_ms($end)
QUALIFY row_number() OVER (PARTITION BY id, rules ORDER BY known_at DESC) = 1
ORDER BY opened, id
"""

READINGS = f"""
SELECT r.instrument_id, i.venue, epoch_ms(r.ts) AS ts, epoch_ms(r.seen) AS seen, r.raw / r.sides AS native, r.usd
FROM readings r JOIN {INSTRUMENT_VERSION} i USING (instrument_id)
WHERE i.asset = $asset AND {COUNTED} AND r.ts >= make_timestamp_ms($start) AND r.ts < make_timestamp_ms($end)
  AND r.seen <= make_timestamp_ms($as_of) AND r.source IN ('stream', 'poll')
ORDER BY r.instrument_id, r.ts, r.seen
"""
