"""The file is opened by one process, in one mode, by code that knows it; a damaged one is set aside."""

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from store.engine import DAMAGE, Locked, TooNew, Unusable, WrongMode, open_store, refusal
from store.migrations import Step
from store.reader import Reader
from store.records import Funding, Gap, Health, LongShort, Source
from tests.store.made import LINEAR, T0, rows, store_of, writing


def test_a_new_store_says_what_it_is(tmp_path: Path) -> None:
    with store_of(tmp_path / "home" / "oi.duckdb", "demo") as store:
        meta = dict(rows(store, "SELECT key, value FROM meta"))
    assert (meta["schema_version"], meta["mode"], meta["engine"]) == ("4", "demo", duckdb.__version__)


def test_a_new_file_can_be_opened_by_both_supported_engines(tmp_path: Path) -> None:
    with store_of(tmp_path / "oi.duckdb") as store:
        tags = rows(store, "SELECT tags::VARCHAR FROM duckdb_databases() WHERE NOT internal")
    assert "v1.5.0" in str(tags) or duckdb.__version__.startswith("1."), tags


def test_settings_hold_on_every_cursor(tmp_path: Path) -> None:
    with store_of(tmp_path / "oi.duckdb") as store:
        names = ("asof_loop_join_threshold", "checkpoint_threshold", "threads", "TimeZone")
        found = dict(rows(store, f"SELECT name, value FROM duckdb_settings() WHERE name IN {names}"))
    assert found == {
        "asof_loop_join_threshold": "0", "checkpoint_threshold": "30.5 MiB", "threads": "2", "TimeZone": "UTC",
    }  # fmt: skip


def test_a_demo_store_is_never_opened_as_live_nor_the_reverse(tmp_path: Path) -> None:
    for made, wanted in (("demo", "live"), ("live", "demo")):
        path = tmp_path / f"{made}.duckdb"
        with store_of(path, made):  # type: ignore[arg-type]
            pass
        with pytest.raises(WrongMode, match=f"is a {made} store and was opened as {wanted}"):
            open_store(path, wanted)  # type: ignore[arg-type]
        with store_of(path, made):  # type: ignore[arg-type]
            pass  # and nothing was changed


def test_f40_a_store_in_use_names_the_process_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    script = f"from store.engine import open_store; s = open_store({str(path)!r}, 'live'); print('open', flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{script}; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(Locked, match=rf"in use by process {other.pid} \(.*python.*-c from store.engine"):
            open_store(path, "live")
        other.stdin.write("\n")
    with store_of(path):
        pass


def test_a_store_of_a_later_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    with store_of(path) as store:
        rows(store, "UPDATE meta SET value = '7' WHERE key = 'schema_version'")
    with pytest.raises(TooNew, match=r"written by schema 7; this crossoi knows schema 4\. Upgrade"):
        open_store(path, "live")
    with duckdb.connect(str(path)) as con:
        assert con.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchall() == [("7",)]


def test_a_store_of_a_later_engine_is_no_damage() -> None:
    words = "IO Error: Trying to read a database file with version number 999, but we can only read versions 64 to 68."
    assert DAMAGE.search(words) is None
    error = refusal(Path("oi.duckdb"), duckdb.IOException(words))
    assert isinstance(error, TooNew)
    assert str(error).startswith(f"The store oi.duckdb was written by a later DuckDB than this {duckdb.__version__}.")


def test_f40_a_damaged_file_is_set_aside_with_its_log_and_a_new_one_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "oi.duckdb"
    path.write_bytes(b"garbage" * 1000)
    wal = tmp_path / "oi.duckdb.wal"
    wal.write_bytes(b"log")
    with caplog.at_level(logging.CRITICAL), store_of(path) as store:
        assert store.replaced is not None
        assert store.replaced.name.startswith("oi.duckdb.damaged-20")
        assert store.replaced.read_bytes() == b"garbage" * 1000
        assert store.replaced.with_name(store.replaced.name + ".wal").read_bytes() == b"log"
        assert rows(store, "SELECT count(*) FROM readings") == [(0,)]
    assert "is damaged" in caplog.text
    assert "nothing was deleted" in caplog.text


def test_f40_a_file_with_a_torn_log_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    script = (
        f"import os; from store.engine import open_store; s = open_store({str(path)!r}, 'live'); c = s.cursor();"
        "c.execute('CHECKPOINT'); c.execute(\"INSERT INTO holds SELECT 'a', now()::TIMESTAMP, 'b' FROM range(1000)\");"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    wal = tmp_path / "oi.duckdb.wal"
    torn = bytearray(wal.read_bytes())
    torn[len(torn) // 2 : len(torn) // 2 + 8] = b"\xff" * 8
    wal.write_bytes(torn)
    with store_of(path) as store:
        assert store.replaced is not None
        assert rows(store, "SELECT count(*) FROM holds") == [(0,)]


def test_a_folder_where_the_file_should_be_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "oi.duckdb").mkdir()
    with pytest.raises(Unusable, match=r"cannot be opened\..*directory"):
        open_store(tmp_path / "oi.duckdb", "live")
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="folder"):
        open_store(tmp_path / "file" / "oi.duckdb", "live")


def test_an_older_store_is_led_through_every_step(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    with store_of(path) as store:  # made-up later versions: holds without their reason
        rows(store, "INSERT INTO holds VALUES ('here', TIMESTAMP '2026-11-19 00:00:00', 'lost')")
        rows(store, "ALTER TABLE holds DROP COLUMN reason")
    steps = (
        Step(5, "ALTER TABLE holds ADD COLUMN why VARCHAR DEFAULT 'unknown'"),
        Step(6, "ALTER TABLE holds RENAME COLUMN why TO reason"),
    )
    store = open_store(path, "live", steps=steps, version=6)
    assert rows(store, "SELECT venue, reason FROM holds") == [("here", "unknown")]
    assert rows(store, "SELECT value FROM meta WHERE key = 'schema_version'") == [("6",)]
    store.close()


def test_a_store_of_schema_1_is_led_on_and_takes_what_is_new_there(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    with store_of(path) as store:  # schema 1 knew no volumes, and other columns in three tables
        for sql in (
            "UPDATE meta SET value = '1' WHERE key = 'schema_version'",
            "ALTER TABLE gaps DROP COLUMN known_at",
            "DROP TABLE volumes", "DROP TABLE ratios", "DROP TABLE tiers", "DROP TABLE positions",
            "CREATE TABLE ratios (ts TIMESTAMP, seen TIMESTAMP, instrument_id BIGINT, kind VARCHAR, long_share DOUBLE, "
            "simulated BOOLEAN)",
            "CREATE TABLE tiers (instrument_id BIGINT, tier INTEGER, lower_notional DOUBLE, upper_notional DOUBLE, "
            "maintenance DOUBLE, max_leverage DOUBLE, known_at TIMESTAMP, simulated BOOLEAN)",
            "CREATE TABLE positions (seen TIMESTAMP, instrument_id BIGINT, holder VARCHAR, side VARCHAR, base DOUBLE, "
            "entry DOUBLE, liquidation_price DOUBLE, leverage DOUBLE, simulated BOOLEAN)",
            "INSERT INTO ratios VALUES (now()::TIMESTAMP, now()::TIMESTAMP, 1, 'account', 0.5, FALSE)",
            "INSERT INTO holds VALUES ('here', TIMESTAMP '2026-11-19 00:00:00', 'kept')",
        ):  # fmt: skip
            rows(store, sql)
    for _ in range(2):  # the second time there is nothing left to do
        with store_of(path) as store:
            assert rows(store, "SELECT value FROM meta WHERE key = 'schema_version'") == [("4",)]
            assert rows(store, "SELECT reason FROM holds") == [("kept",)]
            assert rows(store, "SELECT long_share FROM ratios_1") == [(0.5,)]
            with writing(store) as writer:
                writer.put(LongShort(LINEAR, T0, T0 + 1, "account", 1.5, Source.POLL, False))
            assert rows(store, "SELECT kind, ratio FROM ratios") == [("account", 1.5)]


def test_a_store_that_knew_no_past_funding_is_given_its_table(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    with store_of(path) as store:
        rows(store, "DROP TABLE fundings")
        rows(store, "INSERT INTO holds VALUES ('here', TIMESTAMP '2026-11-19 00:00:00', 'kept')")
    with store_of(path) as store:
        with writing(store) as writer:
            writer.put(Funding(LINEAR, T0, T0 + 1, 1e-4, 8.0, Source.BACKFILL, False))
        assert rows(store, "SELECT rate FROM fundings") == [(1e-4,)]
        assert rows(store, "SELECT reason FROM holds") == [("kept",)]


def test_gaps_of_schema_2_are_known_since_they_could_have_been(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    begun, ended = "TIMESTAMP '2026-11-19 00:00:00'", "TIMESTAMP '2026-11-19 00:05:00'"
    with store_of(path) as store:  # schema 2 did not say when a gap was recorded
        for sql in (
            "UPDATE meta SET value = '2' WHERE key = 'schema_version'",
            "ALTER TABLE gaps DROP COLUMN known_at",
            f"INSERT INTO gaps VALUES ('here', 'linear', '', {begun}, NULL, 'down', FALSE)",
            f"INSERT INTO gaps VALUES ('here', 'linear', '', {begun}, {ended}, 'down', FALSE)",
        ):
            rows(store, sql)
    with store_of(path) as store:
        assert rows(store, 'SELECT "end"::VARCHAR, known_at::VARCHAR FROM gaps ORDER BY known_at') == [
            (None, "2026-11-19 00:00:00"), ("2026-11-19 00:05:00", "2026-11-19 00:05:00"),
        ]  # fmt: skip
        with writing(store) as writer:
            writer.put(Gap("here", "linear", "", T0, None, "lost"))
        assert rows(store, "SELECT now()::TIMESTAMP - max(known_at) < INTERVAL 1 MINUTE FROM gaps") == [(True,)]


def test_health_of_schema_3_is_kept_and_more_is_told_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    told = Health("here", "linear", "", T0, "live", T0, T0, 0.5, 7, 1, "fine")
    with store_of(path) as store:  # schema 3 counted neither what is ignored nor what is unknown, and knew no clocks
        for column in ("ignored", "unknown", "lag_ms", "skew_ms"):
            rows(store, f"ALTER TABLE health DROP COLUMN {column}")
        rows(store, "UPDATE meta SET value = '3' WHERE key = 'schema_version'")
        rows(store, f"INSERT INTO health SELECT 'here', 'linear', '', make_timestamp_ms({T0}), 'live', "
             f"make_timestamp_ms({T0}), make_timestamp_ms({T0}), 0.5, 7, 1, 'fine', FALSE")  # fmt: skip
    with store_of(path) as store:
        (kept,) = Reader(store).health(as_of=T0 + 1).to_dict("records")
        assert (kept["frames"], kept["ignored"], kept["unknown"], kept["detail"]) == (7, 0, 0, "fine")
        assert kept["lag_ms"] != kept["lag_ms"], "nobody knows it"
        with writing(store) as writer:
            writer.put(replace(told, ts=T0 + 2, ignored=3, unknown=4, lag_ms=-12.5, skew_ms=1500.0))
        (now,) = Reader(store).health(as_of=T0 + 3).to_dict("records")
        assert (now["ignored"], now["unknown"], now["lag_ms"], now["skew_ms"]) == (3, 4, -12.5, 1500.0)


def test_a_step_that_fails_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    with store_of(path):
        pass
    steps = (Step(5, "ALTER TABLE holds ADD COLUMN more VARCHAR"), Step(6, "SELECT * FROM nowhere"))
    with pytest.raises(duckdb.CatalogException, match="nowhere"):
        open_store(path, "live", steps=steps, version=6)
    with pytest.raises(LookupError, match="no migration leads to schema 5"):
        open_store(path, "live", steps=(), version=5)
    with store_of(path) as store:
        assert rows(store, "SELECT column_name FROM duckdb_columns() WHERE table_name = 'holds'") == [
            ("venue",), ("until",), ("reason",),
        ]  # fmt: skip


def test_f40_what_a_killed_process_had_committed_is_there(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    script = (
        f"import os; from store.engine import open_store; s = open_store({str(path)!r}, 'live');"
        "s.cursor().execute(\"INSERT INTO holds VALUES ('a', now()::TIMESTAMP, 'b')\"); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == -9
    with store_of(path) as store:
        assert store.replaced is None
        assert rows(store, "SELECT venue, reason FROM holds") == [("a", "b")]
