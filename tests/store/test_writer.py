"""Records go in on the event loop and are rows a moment later; what is lost under pressure is said."""

import logging
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from store.engine import Mode
from store.reader import Reader
from store.records import (
    Event,
    FeedClass,
    Funding,
    Gap,
    Health,
    Hold,
    Liquidation,
    LongShort,
    MarginTier,
    Position,
    Quarantined,
    Side,
    Source,
    Unit,
    Volume,
)
from tests.store.made import DAY, HOUR, INVERSE, LINEAR, MINUTE, T0, reading, rows, store_of, writing

MIDNIGHT = datetime(2026, 11, 19, tzinfo=UTC).replace(tzinfo=None)  # as the engine gives its timestamps


def test_a_reading_is_stored_with_every_value() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 2000.0, 90_000.0, funding=1e-4))
            assert writer.flush()
        assert rows(store, "FROM readings") == [
            (
                MIDNIGHT, MIDNIGHT + timedelta(milliseconds=40), LINEAR.id, "openInterest", 2000.0,
                "contracts", 2, 10.0, 900_000.0, 90_000.0, None, 1e-4, 8.0, "stream", False, 0,
            )
        ]  # fmt: skip


def test_an_instrument_is_stored_once_and_again_when_it_changes() -> None:
    with store_of() as store:
        for _ in range(2):
            with writing(store) as writer:
                writer.put(LINEAR)
                writer.put(reading(T0, 1.0))
                writer.flush()
                writer.put(LINEAR)
        assert rows(store, "SELECT symbol, live, contract_size FROM instruments") == [("BTCUSDT", True, 0.01)]
        with writing(store) as writer:
            writer.put(replace(LINEAR, live=False))
        assert rows(store, "SELECT live FROM instruments ORDER BY known_at") == [(True,), (False,)]


def test_the_field_a_reading_came_in_is_registered_with_its_segment() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 1.0))
            writer.put(reading(T0 + 1, 2.0))
        assert rows(store, "SELECT * EXCLUDE (known_at) FROM side_registry") == [
            ("here", "linear", "openInterest", "contracts", 2, "documented", "", "a sheet")
        ]


def test_the_same_statement_is_stored_once_however_often_it_comes() -> None:
    again = [reading(T0, 10.0), reading(T0 + 1000, 11.0), reading(T0 + 2000, 12.0)]
    with store_of() as store:
        for order in (again, again, list(reversed(again))):
            with writing(store) as writer:
                for r in order:
                    writer.put(r)
                    writer.put(reading(r.ts, r.raw, seen=r.seen + 7))
        assert rows(store, "SELECT epoch_ms(ts), raw FROM readings ORDER BY ts") == [
            (T0, 10.0), (T0 + 1000, 11.0), (T0 + 2000, 12.0),
        ]  # fmt: skip


def test_a_late_row_takes_its_place_in_history() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0 + 2000, 12.0))
            writer.put(reading(T0, 10.0, seen=T0 + 2100))
        assert rows(store, "SELECT raw FROM readings ORDER BY ts") == [(10.0,), (12.0,)]
        assert writer.latest.states[LINEAR.id].current.raw == 12.0


def test_a_late_row_is_not_current_after_a_restart_either() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0 + 2000, 12.0))
        with writing(store, now_ms=T0 + 3000) as writer:
            writer.put(reading(T0, 10.0, seen=T0 + 4000))
            assert writer.latest.states[LINEAR.id].current.raw == 12.0


def test_an_unchanged_value_is_repeated_as_affirmed() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 10.0))
            writer.put(reading(T0, 10.0, seen=T0 + MINUTE + 40))
        assert rows(store, "SELECT epoch_ms(ts), epoch_ms(seen), flags FROM readings ORDER BY seen") == [
            (T0, T0 + 40, 0), (T0, T0 + MINUTE + 40, 64),
        ]  # fmt: skip


def test_after_a_long_pause_the_last_reading_is_no_news_but_still_a_measure() -> None:
    days = 24 * 60 * MINUTE
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 10.0))
        for pause, known in ((3 * days, True), (8 * days, False)):
            with writing(store, now_ms=T0 + pause) as writer:
                assert writer.latest.snapshot() == []
                last = writer.latest.last(LINEAR.id)
                assert (last is not None and (last.raw, last.ts) == (10.0, T0)) is known
                writer.put(reading(T0 + pause, 11.0))
                assert (heard := writer.latest.last(LINEAR.id)) is not None
                assert heard.raw == 11.0
            rows(store, "DELETE FROM readings WHERE raw = 11")


def test_every_other_record_has_its_table() -> None:
    death = Liquidation(LINEAR, T0, T0 + 5, Side.LONG, 3.0, Unit.CONTRACTS, 0.03, 3e3, 1e5, FeedClass.FULL, False)
    at = MIDNIGHT
    with store_of() as store:
        with writing(store) as writer:
            for record in (
                death, death, Gap("here", "linear", "", T0, None, "closed"), Hold("here", T0, "429"),
                Health("here", "linear", "", T0, "live", T0, None, 0.5, 7, 1, "fine", 3, 2, 40.0, -9.0),
                Quarantined("here", "linear", "BTCUSDT", T0, "jump", "too far", "{}"),
                Event(T0, "near_high", "BTC", "here", "{}"),
            ):  # fmt: skip
                writer.put(record)
        assert rows(store, "SELECT * EXCLUDE (seen) FROM liquidations") == [
            (at, LINEAR.id, "long", 3.0, "contracts", 0.03, 3e3, 1e5, "full", False)
        ]
        assert rows(store, "SELECT * EXCLUDE (known_at) FROM gaps") == [
            ("here", "linear", "", at, None, "closed", False)
        ]
        assert rows(store, "FROM holds") == [("here", at, "429")]
        assert rows(store, "FROM health") == [
            ("here", "linear", "", at, "live", at, None, 0.5, 7, 1, "fine", False, 3, 2, 40.0, -9.0)
        ]
        assert rows(store, "FROM quarantine") == [(at, "here", "linear", "BTCUSDT", "jump", "too far", "{}", False)]
        assert rows(store, "SELECT * EXCLUDE (known_at) FROM events") == [(at, "near_high", "BTC", "here", "{}", False)]


def test_what_is_said_again_is_kept_once_and_what_is_corrected_twice() -> None:
    def volume(seen: int, base: float, taker_buy: float | None) -> Volume:
        return Volume(LINEAR, T0, seen, base, taker_buy, Source.POLL, False)

    with store_of() as store:
        for k in range(2):  # within one batch, and over a restart
            with writing(store) as writer:
                for record in (
                    volume(T0 + 10 + k, 5.0, None), volume(T0 + 20 + k, 5.0, None), volume(T0 + 30 + k, 6.0, 2.0),
                    LongShort(LINEAR, T0, T0 + 10 + k, "account", 1.5, Source.POLL, False),
                    LongShort(LINEAR, T0, T0 + 20 + k, "account", 1.5, Source.POLL, False),
                    LongShort(LINEAR, T0, T0 + 20 + k, "taker", 1.5, Source.POLL, False),
                ):  # fmt: skip
                    writer.put(record)
        assert rows(store, "SELECT epoch_ms(seen) - 1795046400000, base, taker_buy, source FROM volumes") == [
            (10, 5.0, None, "poll"), (30, 6.0, 2.0, "poll"),
        ]  # fmt: skip
        assert rows(store, "SELECT kind, epoch_ms(seen) - 1795046400000, ratio FROM ratios ORDER BY kind") == [
            ("account", 10, 1.5), ("taker", 20, 1.5),
        ]  # fmt: skip
        assert rows(store, "SELECT symbol FROM instruments") == [("BTCUSDT",)]
        reader = Reader(store)
        assert reader.volumes("BTC", T0, T0 + 1, T0 + 29)[["base"]].to_numpy().tolist() == [[5.0]]
        assert reader.volumes("BTC", T0, T0 + 1)[["ts", "base", "taker_buy"]].to_numpy().tolist() == [[T0, 6.0, 2.0]]
        assert reader.ratios("BTC", T0, T0 + 1, T0 + 19)["kind"].tolist() == ["account"]
        assert reader.ratios("BTC", T0 + 1, T0 + 2).empty


def test_what_was_paid_is_kept_once_and_told_as_of_when_it_was_known() -> None:
    def paid(hours: int, seen: int, rate: float, interval_h: float = 8.0) -> Funding:
        return Funding(LINEAR, T0 + hours * HOUR, T0 + DAY + seen, rate, interval_h, Source.BACKFILL, False)

    with store_of() as store:
        for k in range(2):  # within one batch, and over a restart
            with writing(store) as writer:
                for record in (
                    paid(8, 10 + k, 1e-4),
                    paid(8, 20 + k, 1e-4),
                    paid(16, 10 + k, -2e-4),
                    paid(8, 30, 3e-4),
                ):
                    writer.put(record)
        assert rows(store, "SELECT epoch_ms(ts - TIMESTAMP '2026-11-19') // 3600000, rate, interval_h, kind, source "
                    "FROM fundings ORDER BY ts, seen") == [
            (8, 1e-4, 8.0, "settled", "backfill"), (8, 3e-4, 8.0, "settled", "backfill"),
            (16, -2e-4, 8.0, "settled", "backfill"),
        ]  # fmt: skip
        reader, said = Reader(store), ["ts", "rate", "interval_h", "kind"]
        told = reader.fundings("BTC", T0, T0 + DAY)
        assert told[said].to_numpy().tolist() == [
            [T0 + 8 * HOUR, 3e-4, 8.0, "settled"], [T0 + 16 * HOUR, -2e-4, 8.0, "settled"],
        ]  # fmt: skip
        assert (told["instrument_id"].tolist(), told["venue"].tolist()) == ([LINEAR.id] * 2, ["here"] * 2)
        assert reader.fundings("BTC", T0, T0 + DAY, as_of=T0 + DAY + 10)["rate"].tolist() == [1e-4, -2e-4]
        assert reader.fundings("BTC", T0, T0 + DAY, as_of=T0 + DAY + 9).empty
        assert reader.fundings("BTC", T0, T0 + DAY, 8 * HOUR)["rate"].tolist() == [3e-4, -2e-4], "steps end with it"
        assert reader.fundings("BTC", T0, T0 + DAY, 16 * HOUR)["rate"].tolist() == [-2e-4]
        assert reader.fundings("ETH", T0, T0 + DAY).empty


def test_a_position_is_kept_as_it_was_at_one_moment() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(Position(LINEAR, T0, "0xabc", Side.SHORT, 2.0, 1e5, 1.2e5, 5.0, False))
            writer.put(Position(LINEAR, T0 + 1, "0xabc", Side.SHORT, 2.0, None, None, None, False))
        assert rows(store, "SELECT holder, side, base, entry, liquidation_price, leverage FROM positions") == [
            ("0xabc", "short", 2.0, 1e5, 1.2e5, 5.0), ("0xabc", "short", 2.0, None, None, None),
        ]  # fmt: skip


@pytest.mark.parametrize(("mode", "simulated"), [("live", True), ("demo", False)])
def test_no_kind_of_row_enters_the_other_world(mode: Mode, simulated: bool) -> None:
    with store_of(mode=mode) as store:
        with writing(store) as writer:
            for record in (
                Volume(LINEAR, T0, T0, 5.0, None, Source.POLL, simulated),
                LongShort(LINEAR, T0, T0, "account", 1.5, Source.POLL, simulated),
                Funding(LINEAR, T0, T0, 1e-4, 8.0, Source.BACKFILL, simulated),
                MarginTier(LINEAR, T0, 1, 0.0, None, 0.01, None, None, simulated),
                Position(LINEAR, T0, "0xabc", Side.LONG, 2.0, None, None, None, simulated),
            ):
                writer.put(record)
            assert writer.flush()
            assert writer.progress().refused == 5
        for table in ("volumes", "ratios", "fundings", "tiers", "positions", "instruments"):
            assert rows(store, f"FROM {table}") == []


@pytest.mark.parametrize(("mode", "simulated"), [("live", True), ("demo", False)])
def test_a_row_of_the_other_world_is_refused_counted_and_shown(
    mode: str, simulated: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with store_of(mode=mode) as store:  # type: ignore[arg-type]
        with caplog.at_level(logging.ERROR), writing(store) as writer:
            writer.put(reading(T0, 10.0, simulated=simulated))
            writer.put(reading(T0 + 1, 10.0, simulated=simulated))
            writer.put(reading(T0 + 2, 11.0, simulated=not simulated))
        assert rows(store, "SELECT raw FROM readings") == [(11.0,)]
        assert rows(store, 'SELECT "check", count(*) FROM quarantine GROUP BY ALL') == [("simulated", 2)]
        assert writer.progress().refused == 2
    assert caplog.text.count("was refused") == 1


def test_under_pressure_the_newest_wins_and_the_skipped_stretch_is_a_gap() -> None:
    with store_of() as store:
        with writing(store, limit=2, cadence_s=30.0) as writer:
            for k in range(6):
                writer.put(reading(T0 + 1000 * k, 10.0 + k))
            writer.put(reading(T0, 7.0, of=INVERSE))
            assert writer.progress().waiting == 4
            assert writer.flush()
            assert writer.progress().shed == 3
        assert rows(store, "SELECT raw FROM readings ORDER BY instrument_id = " + str(INVERSE.id) + ", ts") == [
            (10.0,), (11.0,), (15.0,), (7.0,),
        ]  # fmt: skip
        assert rows(store, 'SELECT venue, segment, symbol, epoch_ms(start), epoch_ms("end"), reason FROM gaps') == [
            ("here", "linear", "BTCUSDT", T0 + 2040, T0 + 5040, "shed")
        ]


def test_f38_f40_a_flood_of_what_is_no_reading_pushes_out_no_gap_and_no_wait() -> None:
    """Forced closes and health of an hour with a full disk, say: the newest of each, and a gap for what was skipped."""
    with store_of() as store:
        with writing(store, limit=10, cadence_s=30.0) as writer:
            writer.put(Gap("there", "inverse", "", T0, None, "closed"))
            writer.put(Hold("there", T0 + DAY, "429"))
            for k in range(50):
                at = T0 + 1000 * k
                writer.put(
                    Liquidation(LINEAR, at, at, Side.LONG, 3.0, Unit.CONTRACTS, 0.03, 3e3, 1e5, FeedClass.FULL, False)
                )
                for symbol in ("", "BTCUSDT"):
                    writer.put(Health("here", "linear", symbol, at, "live", T0, at, 0.5, k, 0, ""))
            assert writer.progress().waiting <= 2 + 10 + 2
            assert writer.flush()
        gaps = rows(store, 'SELECT venue, reason, epoch_ms(start), epoch_ms("end") FROM gaps ORDER BY ALL')
        closes = [int(str(at)) for (at,) in rows(store, "SELECT epoch_ms(ts) FROM liquidations ORDER BY ts")]
        health = rows(store, "SELECT symbol, max(frames) FROM health GROUP BY ALL ORDER BY ALL")
        assert rows(store, "SELECT venue, reason FROM holds") == [("there", "429")]
    assert closes[-1] == T0 + 49_000
    assert gaps == [("here", "shed", T0, closes[0] - 1000), ("there", "closed", T0, None)]
    assert health == [("", 49), ("BTCUSDT", 49)]


def test_lag_is_how_long_the_oldest_row_has_waited() -> None:
    with store_of() as store, writing(store, cadence_s=30.0) as writer:
        assert writer.progress().lag_ms == 0.0
        writer.put(reading(T0, 10.0))
        assert writer.progress().lag_ms > 0.0
        assert writer.flush()
        after = writer.progress()
        assert (after.lag_ms, after.waiting, len(after.written)) == (0.0, 0, 1)


def test_a_restart_says_how_long_nothing_was_heard_and_ends_open_gaps() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 10.0))
            writer.put(reading(T0 + 5000, 11.0))
            writer.put(Gap("there", "inverse", "", T0 - 9000, None, "closed"))
        with writing(store, now_ms=T0 + DAY) as writer:
            pass
        assert rows(
            store, 'SELECT venue, segment, symbol, epoch_ms(start), epoch_ms("end"), reason FROM gaps ORDER BY ALL'
        ) == [
            ("here", "linear", "", T0 + 5040, T0 + DAY, "restart"),
            ("there", "inverse", "", T0 - 9000, T0 + DAY, "closed"),
            ("there", "inverse", "", T0 - 9000, None, "closed"),
        ]  # fmt: skip


def test_a_broken_venue_cannot_fill_the_quarantine() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(1000):
                writer.put(Quarantined("here", "linear", "", T0 + k, "unreadable", "no JSON", "x" * 5000))
            writer.put(Quarantined("here", "linear", "", T0 + MINUTE, "unreadable", "no JSON", ""))
        assert rows(store, "SELECT count(*), max(length(raw)) FROM quarantine") == [(601, 2000)]


def test_a_record_that_no_table_takes_does_not_hold_up_the_others(caplog: pytest.LogCaptureFixture) -> None:
    with store_of() as store:
        with caplog.at_level(logging.ERROR), writing(store, cadence_s=30.0) as writer:
            for k in range(9):
                writer.put(reading(T0 + k, float("nan") if k == 4 else 10.0 + k))
            writer.put("no record")  # type: ignore[arg-type]
            assert writer.flush()
            assert writer.progress().refused == 2
        assert rows(store, "SELECT raw FROM readings ORDER BY ts") == [(10.0 + k,) for k in range(9) if k != 4]
        assert rows(store, "SELECT \"check\", raw FROM quarantine WHERE raw = '''no record'''") == [
            ("unstorable", "'no record'")
        ]
        assert rows(store, "SELECT count(*) FROM quarantine") == [(2,)]
    assert caplog.text.count("cannot be stored") == 2


def test_f39_a_record_that_breaks_the_writers_code_does_not_end_its_thread(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is reported and kept as words; what came before it, with it and after it is written."""
    with store_of() as store:
        with caplog.at_level(logging.ERROR), writing(store, cadence_s=30.0) as writer:
            broken = Liquidation(
                None,
                T0,
                T0,
                Side.LONG,
                3.0,
                Unit.CONTRACTS,
                0.03,
                3e3,
                1e5,
                FeedClass.FULL,
                False,  # type: ignore[arg-type]
            )
            for k in range(3):
                writer.put(reading(T0 + k, 10.0 + k))
                writer.put(broken)
            assert writer.flush()
            writer.put(reading(T0 + 3, 13.0))
            assert writer.flush()
            assert (writer.progress().refused, writer.progress().trouble) == (3, "")
        assert rows(store, "SELECT raw FROM readings ORDER BY ts") == [(10.0,), (11.0,), (12.0,), (13.0,)]
        assert rows(store, 'SELECT DISTINCT "check" FROM quarantine') == [("unstorable",)]
    assert "A record cannot be stored ('NoneType' object has no attribute" in caplog.text


VICTIM = """
import sys
from store.engine import open_store
from store.writer import Writer
from tests.store.made import T0, reading
store = open_store(sys.argv[1], "live")
store.cursor().execute(f"SET GLOBAL checkpoint_threshold = '{sys.argv[3]}'")
writer = Writer(store, False, cadence_s=0.002, now_ms=T0)
k = int(sys.argv[2])
while True:
    for _ in range(50):
        k += 1
        writer.put(reading(T0 + k, float(k)))
    if writer.flush():
        print(k, flush=True)
"""


@pytest.mark.parametrize("checkpoint", ["32MB", "1KB"], ids=["logged", "checkpointed"])
def test_f40_after_kill_nine_at_any_moment_the_file_opens_and_no_flushed_batch_is_missing(
    checkpoint: str, tmp_path: Path
) -> None:
    """While the log grows, or while every batch is followed by a checkpoint."""
    path = tmp_path / "oi.duckdb"
    dice = random.Random(40)
    told = 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(path), str(told), checkpoint], stdout=subprocess.PIPE, text=True
        ) as victim:
            assert victim.stdout is not None
            for _ in range(dice.randrange(1, 40)):
                told = int(victim.stdout.readline())
            victim.kill()
            told = max([told, *map(int, victim.stdout.read().split())])
        with store_of(path) as store:
            assert store.replaced is None
            found = [int(str(raw)) for (raw,) in rows(store, "SELECT raw::BIGINT FROM readings ORDER BY ts")]
        assert found[:told] == list(range(1, told + 1)), f"{told} were flushed, {len(found)} found"
        assert len(found) % 50 == 0, "half a batch"
        told = len(found)


FULL = """
import resource, signal, sys
from store.engine import open_store
from store.writer import Writer
from tests.store.made import T0, reading
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(sys.argv[1], "live")
writer = Writer(store, False, cadence_s=0.01, limit=500, now_ms=T0)
writer.put(reading(T0, 1.0)); assert writer.flush()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # every write now fails as on a full disk
for k in range(1, 2000): writer.put(reading(T0 + 1000 * k, 1.0 + k))
print(writer.flush(1.0), bool(writer.progress().trouble), writer.progress().waiting <= 502, flush=True)
for k in range(2000, 2100): writer.put(reading(T0 + 1000 * k, 1.0 + k))
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
print(writer.flush(20.0), writer.progress().trouble == "", writer.progress().shed > 0, writer.close(), flush=True)
store.close()
"""


def test_f40_a_full_disk_is_survived_in_memory_and_said(tmp_path: Path) -> None:
    path = tmp_path / "oi.duckdb"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["False", "True", "True", "True", "True", "True", "True"], done.stderr
    assert "cannot be written" in done.stderr
    with store_of(path) as store:
        found = {int(str(raw)) for (raw,) in rows(store, "SELECT raw::BIGINT FROM readings")}
        told = rows(store, """SELECT symbol, epoch_ms(start), epoch_ms("end") FROM gaps WHERE reason = 'shed'""")
    assert {1, 500, 2100} <= found, "what was there, what fits into the bound, and the newest"
    missing = set(range(1, 2101)) - found
    assert len(missing) > 1400
    assert {symbol for symbol, _, _ in told} == {LINEAR.symbol}
    for k in missing:
        seen = T0 + 1000 * (k - 1) + 40
        assert [1 for _, start, end in told if int(str(start)) <= seen <= int(str(end))], f"{k}: no row, no gap"


def test_what_waits_is_written_on_close() -> None:
    with store_of() as store:
        with writing(store, cadence_s=30.0) as writer:
            writer.put(reading(T0, 10.0))
        assert rows(store, "SELECT raw FROM readings") == [(10.0,)]
