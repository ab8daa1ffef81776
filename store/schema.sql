-- Every table of the store, with units. Times are UTC. Portable to a distributed engine: no PRIMARY KEY, ENUM, sequence
-- or index (docs/decisions.md); what is unique is said in a comment and held by the writer.

CREATE TABLE IF NOT EXISTS meta (key VARCHAR, value VARCHAR);  -- schema_version, mode (live | demo), created, engine

CREATE TABLE IF NOT EXISTS instruments (  -- logical key: instrument_id, known_at; the latest row counts
    instrument_id BIGINT NOT NULL,        -- blake2b of "venue|segment|symbol"
    venue VARCHAR NOT NULL, segment VARCHAR NOT NULL, symbol VARCHAR NOT NULL,
    asset VARCHAR NOT NULL, quote VARCHAR, settle VARCHAR,
    kind VARCHAR NOT NULL,                -- perpetual | dated
    payoff VARCHAR NOT NULL,              -- linear | inverse | quanto
    contract_size DOUBLE, base_factor DOUBLE,
    live BOOLEAN NOT NULL, max_leverage DOUBLE, funding_interval_h DOUBLE, funding_kind VARCHAR,
    valid_from TIMESTAMP,                 -- since when its size holds: when it was listed, or changed, or was seen to
    known_at TIMESTAMP NOT NULL,
    simulated BOOLEAN NOT NULL
);

CREATE TABLE IF NOT EXISTS side_registry (  -- logical key: venue, segment, field, known_at; append-only
    venue VARCHAR NOT NULL, segment VARCHAR NOT NULL, field VARCHAR NOT NULL,
    unit VARCHAR NOT NULL, sides TINYINT NOT NULL, status VARCHAR NOT NULL,
    valid_from VARCHAR, evidence VARCHAR, known_at TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS venues (  -- logical key: venue, known_at; what the venue's file says of itself
    venue VARCHAR NOT NULL, name VARCHAR NOT NULL, class VARCHAR NOT NULL, docs VARCHAR, note VARCHAR,
    closed_on VARCHAR, known_at TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS readings (  -- logical key: instrument_id, field, ts, raw
    ts TIMESTAMP NOT NULL,             -- when the venue stated the open interest
    seen TIMESTAMP NOT NULL,           -- when we heard it
    instrument_id BIGINT NOT NULL, field VARCHAR NOT NULL,
    raw DOUBLE NOT NULL, unit VARCHAR NOT NULL, sides TINYINT NOT NULL,  -- as published
    base DOUBLE NOT NULL, usd DOUBLE NOT NULL,                           -- one-sided: coins, USD
    mark DOUBLE NOT NULL, "index" DOUBLE,                                -- USD a coin
    funding DOUBLE, funding_interval_h DOUBLE,                           -- fraction per interval, hours
    source VARCHAR NOT NULL,           -- stream | poll | backfill | import
    simulated BOOLEAN NOT NULL, flags INTEGER NOT NULL                   -- store.records.Flag
);

CREATE TABLE IF NOT EXISTS bars_1m (  -- logical key: instrument_id, bucket, known_at; the greatest known_at counts
    bucket TIMESTAMP NOT NULL, instrument_id BIGINT NOT NULL,
    raw_open DOUBLE, raw_high DOUBLE, raw_low DOUBLE, raw_close DOUBLE,      -- native, one-sided (raw / sides)
    base_open DOUBLE, base_high DOUBLE, base_low DOUBLE, base_close DOUBLE,  -- coins
    usd_open DOUBLE, usd_high DOUBLE, usd_low DOUBLE, usd_close DOUBLE,
    opened DOUBLE, closed DOUBLE,              -- gross rises and falls of the native open interest
    readings INTEGER NOT NULL,
    volume DOUBLE, taker_buy DOUBLE, taker_sell DOUBLE,  -- coins; null where no volume is collected
    liquidated_long DOUBLE, liquidated_short DOUBLE,     -- USD
    mark_open DOUBLE, mark_high DOUBLE, mark_low DOUBLE, mark_close DOUBLE, index_close DOUBLE,
    funding DOUBLE, funding_interval_h DOUBLE,
    covered_s DOUBLE NOT NULL,                 -- seconds of the bucket in which the venue was heard
    last_seen TIMESTAMP NOT NULL, source VARCHAR NOT NULL, simulated BOOLEAN NOT NULL,
    known_at TIMESTAMP NOT NULL
);
CREATE TABLE IF NOT EXISTS bars_1h AS FROM bars_1m WITH NO DATA;
CREATE TABLE IF NOT EXISTS bars_1d AS FROM bars_1m WITH NO DATA;

CREATE TABLE IF NOT EXISTS closes (  -- logical key: instrument_id, day, revision; append-only
    day DATE NOT NULL, instrument_id BIGINT NOT NULL, revision INTEGER NOT NULL,
    raw DOUBLE, contract_size DOUBLE, sides TINYINT, mark DOUBLE, base DOUBLE, usd DOUBLE,
    age_s DOUBLE, basis VARCHAR NOT NULL,  -- measured | carried
    source VARCHAR, simulated BOOLEAN NOT NULL, known_at TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS liquidations (  -- logical key: instrument_id, ts, side, size, price
    ts TIMESTAMP NOT NULL, seen TIMESTAMP NOT NULL, instrument_id BIGINT NOT NULL,
    side VARCHAR NOT NULL,             -- long | short: the position that died
    size DOUBLE NOT NULL, unit VARCHAR NOT NULL, base DOUBLE NOT NULL, usd DOUBLE NOT NULL, price DOUBLE NOT NULL,
    feed VARCHAR NOT NULL,             -- full | throttled | inferred
    simulated BOOLEAN NOT NULL
);

CREATE TABLE IF NOT EXISTS volumes (   -- logical key: instrument_id, ts, base, taker_buy; the greatest seen counts
    ts TIMESTAMP NOT NULL,             -- start of the minute
    seen TIMESTAMP NOT NULL, instrument_id BIGINT NOT NULL,
    base DOUBLE NOT NULL, taker_buy DOUBLE,  -- coins, each trade counted once
    source VARCHAR NOT NULL, simulated BOOLEAN NOT NULL
);

CREATE TABLE IF NOT EXISTS ratios (    -- logical key: instrument_id, kind, ts, ratio; the greatest seen counts
    ts TIMESTAMP NOT NULL, seen TIMESTAMP NOT NULL, instrument_id BIGINT NOT NULL,
    kind VARCHAR NOT NULL,             -- account | top_account | top_position | taker
    ratio DOUBLE NOT NULL,             -- long / short
    source VARCHAR NOT NULL, simulated BOOLEAN NOT NULL
);

CREATE TABLE IF NOT EXISTS fundings (  -- logical key: instrument_id, ts, rate; the greatest seen counts; kept for ever
    ts TIMESTAMP NOT NULL,             -- when it was paid
    seen TIMESTAMP NOT NULL, instrument_id BIGINT NOT NULL,
    rate DOUBLE NOT NULL, interval_h DOUBLE NOT NULL,    -- fraction per interval, hours; positive: longs paid
    kind VARCHAR NOT NULL,             -- settled; the rates of running intervals stand in readings
    source VARCHAR NOT NULL, simulated BOOLEAN NOT NULL  -- backfill | import
);

CREATE TABLE IF NOT EXISTS tiers (     -- logical key: instrument_id, known_at, tier; the rows of the latest known_at
    instrument_id BIGINT NOT NULL, tier INTEGER NOT NULL,
    lower DOUBLE NOT NULL, upper DOUBLE,     -- USD; no upper: unbounded
    maintenance DOUBLE NOT NULL, max_leverage DOUBLE,
    deduction DOUBLE,                  -- USD
    known_at TIMESTAMP NOT NULL, simulated BOOLEAN NOT NULL
);

CREATE TABLE IF NOT EXISTS positions ( -- logical key: instrument_id, holder, seen
    seen TIMESTAMP NOT NULL, instrument_id BIGINT NOT NULL, holder VARCHAR NOT NULL, side VARCHAR NOT NULL,
    base DOUBLE NOT NULL, entry DOUBLE, liquidation_price DOUBLE, leverage DOUBLE,  -- coins; USD a coin
    simulated BOOLEAN NOT NULL
);

CREATE TABLE IF NOT EXISTS gaps (  -- logical key: venue, segment, symbol, start; the row with an end wins
    venue VARCHAR NOT NULL, segment VARCHAR NOT NULL, symbol VARCHAR NOT NULL,  -- symbol '': the whole segment
    start TIMESTAMP NOT NULL, "end" TIMESTAMP, reason VARCHAR NOT NULL, simulated BOOLEAN NOT NULL,
    known_at TIMESTAMP NOT NULL    -- when this row was recorded; who asks as of an earlier moment does not see it
);

CREATE TABLE IF NOT EXISTS health (  -- one row a state change, and one every ten seconds
    venue VARCHAR NOT NULL, segment VARCHAR NOT NULL, symbol VARCHAR NOT NULL, ts TIMESTAMP NOT NULL,
    state VARCHAR NOT NULL, since TIMESTAMP NOT NULL, last_seen TIMESTAMP, cadence_s DOUBLE,
    frames BIGINT NOT NULL, unreadable BIGINT NOT NULL, detail VARCHAR, simulated BOOLEAN NOT NULL,
    ignored BIGINT, unknown BIGINT,  -- frames of kinds that we do not read; statements about symbols not in the catalogue
    lag_ms DOUBLE, skew_ms DOUBLE    -- from a stated time to its arrival; our clock less that of the venue's answers
);

CREATE TABLE IF NOT EXISTS holds (venue VARCHAR NOT NULL, until TIMESTAMP NOT NULL, reason VARCHAR NOT NULL);

CREATE TABLE IF NOT EXISTS quarantine (
    seen TIMESTAMP NOT NULL, venue VARCHAR NOT NULL, segment VARCHAR NOT NULL, symbol VARCHAR NOT NULL,
    "check" VARCHAR NOT NULL, words VARCHAR, raw VARCHAR, simulated BOOLEAN NOT NULL
);

CREATE TABLE IF NOT EXISTS events (  -- append-only
    ts TIMESTAMP NOT NULL, kind VARCHAR NOT NULL, asset VARCHAR NOT NULL, venue VARCHAR NOT NULL,
    detail VARCHAR NOT NULL, simulated BOOLEAN NOT NULL, known_at TIMESTAMP NOT NULL
);
CREATE TABLE IF NOT EXISTS episodes (id VARCHAR, asset VARCHAR, kind VARCHAR, leader VARCHAR, opened TIMESTAMP, resolved TIMESTAMP, label VARCHAR, rules VARCHAR, detail VARCHAR, simulated BOOLEAN, known_at TIMESTAMP);
CREATE TABLE IF NOT EXISTS map_scores (asset VARCHAR, venue VARCHAR, day DATE, detail VARCHAR, simulated BOOLEAN, known_at TIMESTAMP);
CREATE TABLE IF NOT EXISTS thresholds (asset VARCHAR, metric VARCHAR, window_s INTEGER, value DOUBLE, n INTEGER, version VARCHAR, known_at TIMESTAMP);
