"""Where we know nothing."""

import duckdb
import pytest

from store.holes import PAID_MS, holes, marks, unpaid, without

MIN = 60_000
START = 1_790_000_040_000


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE readings (ts TIMESTAMP, seen TIMESTAMP, instrument_id BIGINT, mark DOUBLE, source VARCHAR,"
        "flags INT);"
        "CREATE TABLE volumes (ts TIMESTAMP, seen TIMESTAMP, instrument_id BIGINT, source VARCHAR);"
        "CREATE TABLE fundings (ts TIMESTAMP, instrument_id BIGINT, interval_h DOUBLE);"
        "CREATE TABLE instruments (instrument_id BIGINT, asset VARCHAR)"
    )
    return con


def heard(con: duckdb.DuckDBPyConnection, minute: float, source: str = "stream", id: int = 1, **more: float) -> None:
    ts = START + int(minute * MIN)
    seen = START + int(more.get("seen", minute) * MIN)
    con.execute(
        "INSERT INTO readings VALUES (make_timestamp_ms(?), make_timestamp_ms(?), ?, ?, ?, ?)",
        [ts, seen, id, more.get("mark", 1.0), source, int(more.get("flags", 0))],
    )


def found(
    con: duckdb.DuckDBPyConnection, minutes: int = 60, least: float = 2, coarse: float = 10
) -> list[tuple[int, int]]:
    """(from, to) of the holes of instrument 1, in whole minutes."""
    told = holes(con, "oi", [1], START, START + minutes * MIN, int(least * MIN), int(coarse * MIN))
    return [(round((a - START) / MIN), round((b - START) / MIN)) for a, b in told.get(1, [])]


def test_an_empty_store_is_one_hole(con: duckdb.DuckDBPyConnection) -> None:
    assert holes(con, "oi", [1, 2], START, START + MIN * 60, 2 * MIN, 10 * MIN) == {
        1: [(START, START + 60 * MIN)],
        2: [(START, START + 60 * MIN)],
    }
    assert holes(con, "volume", [], START, START + MIN, MIN, MIN) == {}


def test_between_what_was_heard_a_short_silence_is_no_hole(con: duckdb.DuckDBPyConnection) -> None:
    for minute in (*range(20), *range(21, 30), *range(40, 61)):
        heard(con, minute)
    assert found(con) == [(29, 40)]


def test_the_past_is_as_dense_as_it_was_filled(con: duckdb.DuckDBPyConnection) -> None:
    for minute in range(0, 31, 5):
        heard(con, minute, "backfill")
    for minute in range(45, 61):
        heard(con, minute)
    assert found(con) == [(30, 45)]


def test_beside_what_was_heard_live_the_past_leaves_a_hole_of_more_than_its_step(
    con: duckdb.DuckDBPyConnection,
) -> None:
    heard(con, 0)
    heard(con, 5, "backfill")
    heard(con, 13)
    assert found(con, minutes=13) == [(5, 13)]


def test_unchanged_is_known(con: duckdb.DuckDBPyConnection) -> None:
    for minute in range(11):
        heard(con, 0, seen=minute, flags=64 if minute else 0)
    assert found(con, minutes=10) == []


def test_marks_by_instrument_and_by_asset(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("INSERT INTO instruments VALUES (1, 'BTC'), (2, 'BTC'), (3, 'BTC'), (4, 'ETH')")
    for id, mark in ((1, 10.0), (2, 11.0), (3, 90.0), (4, 5.0)):
        heard(con, 1, id=id, mark=mark)
    heard(con, 2, id=1, mark=12.0)
    heard(con, 3, id=1, mark=99.0, flags=4)  # itself priced by an old mark
    own, beside = marks(con, ["BTC"], START, START + 60 * MIN)
    bucket = (START + MIN) // 300_000 * 300_000
    assert own == {1: [(bucket, 12.0)], 2: [(bucket, 11.0)], 3: [(bucket, 90.0)]}
    assert beside == {"BTC": [(bucket, 12.0)]}


def test_what_was_asked_for_is_cut_out() -> None:
    assert without([(0, 100), (200, 300)], [], 5) == [(0, 100), (200, 300)]
    assert without([(0, 100), (200, 300)], [(40, 59), (195, 400)], 5) == [(0, 39), (60, 100)]
    assert without([(0, 100)], [(3, 97)], 5) == []
    assert without([(0, 3)], [(50, 60)], 5) == [(0, 3)]
    assert without([(0, 100)], [(0, 49), (50, 100)], 5) == []


def paid(con: duckdb.DuckDBPyConnection, hour: float, interval_h: float, id: int = 1) -> None:
    ts = START + int(hour * 60 * MIN)
    con.execute("INSERT INTO fundings VALUES (make_timestamp_ms(?), ?, ?)", [ts, id, interval_h])


def owed(con: duckdb.DuckDBPyConnection, hours: float, since: float = 0) -> list[tuple[int, int]]:
    """(from, to) of what instrument 1 lacks, in whole hours."""
    told = unpaid(con, [1], START + int(since * 60 * MIN), START + int(hours * 60 * MIN))
    return [(round((a - START) / (60 * MIN)), round((b - START) / (60 * MIN))) for a, b in told.get(1, [])]


def test_nothing_paid_is_one_hole_and_reaches_back_to_what_was_paid_before(con: duckdb.DuckDBPyConnection) -> None:
    assert unpaid(con, [1, 2], START, START + MIN) == {k: [(START - PAID_MS, START + MIN)] for k in (1, 2)}
    assert unpaid(con, [], START, START + MIN) == {}


def test_what_was_paid_is_known_by_the_length_of_its_own_interval(con: duckdb.DuckDBPyConnection) -> None:
    for hour in (-24, -16, -8, 0, 8, 24, 28, 32, 33, 34, 37):
        paid(con, hour, 8 if hour <= 24 else 4 if hour <= 32 else 1)
    assert owed(con, 38) == [(8, 24), (34, 37)], "16 h are no hole of 4 h ones, 3 h are one of hourly ones"
    assert owed(con, 38, 33) == [(9, 24), (34, 37)]


def test_the_next_payment_is_missing_an_hour_after_it_was_due(con: duckdb.DuckDBPyConnection) -> None:
    for hour in (-24, -16, -8, 0):
        paid(con, hour, 8)
    assert owed(con, 8.9) == []
    assert owed(con, 9.1) == [(0, 9)]
