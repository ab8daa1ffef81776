"""Daily UTC closes (analytics.md, 1.8): written once, after a grace; a correction is a new row."""

from store.patience import Cursors
from store.records import Flag

DAY_MS = 86_400_000
GRACE_MS = 300_000
MAX_AGE_MS = 900_000  # of the last reading before a close
CARRY_MS = 6 * 3_600_000  # for so long after that, the last quantity stands in, at the price of those that are fresh
SLOWEST_MS = 8 * DAY_MS  # a weekly feed may be this old (decisions.md, 15)
NEAR_MS = 3_600_000  # first the last hour is searched, then, for who was silent, as far as a weekly feed goes


def write_closes(store: Cursors, day_ms: int, until_ms: int | None = None) -> int:
    """Write the close of the UTC day that holds `day_ms`, or of each day in [day_ms, until_ms). Gives rows added.

    Call it `GRACE_MS` after the day has ended. A feed that speaks seldom may be one and a half of its intervals old.
    """
    first = day_ms - day_ms % DAY_MS + DAY_MS
    last = first if until_ms is None else until_ms - until_ms % DAY_MS
    far = 2 * SLOWEST_MS + CARRY_MS  # two statements of a weekly feed, to know that it is one
    con = store.cursor()
    try:
        values = {"first": first, "last": last}
        near = NEAR_MS if first == last else far
        con.execute(f"CREATE OR REPLACE TEMP TABLE found AS {candidates('TRUE')}", {**values, "look": first - near})
        if near != far:
            unfound = "instrument_id NOT IN (SELECT instrument_id FROM found)"
            con.execute(f"INSERT INTO found {candidates(unfound)}", {**values, "look": first - far})
        done = con.execute(INSERT, {}).fetchone()
        con.execute("DROP TABLE found")
        return 0 if done is None else int(done[0])
    finally:
        con.close()


def candidates(among: str) -> str:
    """The last reading of each instrument before each close, its age, and how old it may be: `limit_ms`.

    The feed's interval is the smaller of the last two steps between rows, so that one outage does not stretch it.
    """
    return f"""
        WITH rows AS (
            SELECT *, CASE WHEN flags & {Flag.AFFIRMED.value} != 0 THEN epoch_ms(seen) ELSE epoch_ms(ts) END AS said
            FROM readings
            WHERE {among} AND greatest(ts, seen) >= make_timestamp_ms($look) AND ts < make_timestamp_ms($last)
        ), once AS (
            FROM rows WHERE said < $last  -- a report that is read again is no second statement
            QUALIFY row_number() OVER (PARTITION BY instrument_id, said ORDER BY seen DESC) = 1
        ), stepped AS (
            SELECT *, said - lag(said) OVER w AS step FROM once
            WINDOW w AS (PARTITION BY instrument_id ORDER BY said)
        ), paced AS (
            SELECT *, least(step, lag(step) OVER w) AS pace FROM stepped
            WINDOW w AS (PARTITION BY instrument_id ORDER BY said)
        ), grid AS (
            SELECT instrument_id, close FROM (SELECT DISTINCT instrument_id FROM paced),
                (SELECT unnest(range($first, $last + 1, {DAY_MS})) AS close)
        )
        SELECT g.instrument_id, g.close, p.raw, p.sides, p.mark, p.base, p.usd, p.source, p.simulated,
            epoch_ms(p.seen) AS seen, g.close - p.said AS age_ms,
            least(greatest({MAX_AGE_MS}, 1.5 * coalesce(p.pace, 0)), {SLOWEST_MS}) AS limit_ms
        FROM grid g ASOF JOIN paced p ON p.instrument_id = g.instrument_id AND p.said < g.close
    """


INSERT = f"""
    INSERT INTO closes
    WITH sizes AS (  -- the contract size that held then
        SELECT instrument_id, contract_size,
            CASE WHEN before IS NULL THEN TIMESTAMP '1970-01-01' WHEN valid_from > before THEN valid_from
                ELSE known_at END AS since
        FROM (
            SELECT *, lag(known_at) OVER (PARTITION BY instrument_id ORDER BY known_at) AS before FROM instruments
        )
    ), known AS (
        SELECT f.*, i.asset, i.payoff, s.contract_size, f.usd / (f.base * f.mark) AS fx, age_ms <= limit_ms AS measured
        FROM found f
        JOIN (FROM instruments QUALIFY row_number() OVER (PARTITION BY instrument_id ORDER BY known_at DESC) = 1) i
            USING (instrument_id)
        ASOF JOIN sizes s ON s.instrument_id = f.instrument_id AND s.since <= make_timestamp_ms(f.close)
        WHERE age_ms <= limit_ms + {CARRY_MS}
    ), priced AS (
        SELECT k.*, CASE WHEN measured THEN k.mark ELSE coalesce(r.mark, k.mark) END AS price
        FROM known k LEFT JOIN (
            SELECT asset, close, median(mark) AS mark FROM known WHERE measured GROUP BY ALL
        ) r USING (asset, close)
    ), fresh AS (
        SELECT make_timestamp_ms(close - {DAY_MS})::DATE AS day, instrument_id, raw, contract_size, sides,
            price AS mark,
            CASE WHEN payoff = 'inverse' AND NOT measured THEN base * mark / price ELSE base END AS base,
            CASE WHEN payoff = 'inverse' OR measured THEN usd ELSE usd * price / mark END AS usd,
            age_ms / 1000 AS age_s, CASE WHEN measured THEN 'measured' ELSE 'carried' END AS basis, source, simulated,
            make_timestamp_ms(greatest(close + {GRACE_MS}, seen)) AS known_at
        FROM priced
    )
    SELECT n.day, n.instrument_id, coalesce(c.revision + 1, 0), n.raw, n.contract_size, n.sides, n.mark, n.base, n.usd,
        n.age_s, n.basis, n.source, n.simulated,
        greatest(n.known_at, coalesce(c.known_at + INTERVAL 1 MILLISECOND, n.known_at))
    FROM fresh n LEFT JOIN (
        FROM closes WHERE day IN (SELECT day FROM fresh)
        QUALIFY row_number() OVER (PARTITION BY instrument_id, day ORDER BY revision DESC) = 1
    ) c USING (instrument_id, day)
    WHERE c.day IS NULL
        OR (n.raw, n.mark, n.base, n.usd, n.basis) IS DISTINCT FROM (c.raw, c.mark, c.base, c.usd, c.basis)
    ORDER BY n.instrument_id, n.day
"""
