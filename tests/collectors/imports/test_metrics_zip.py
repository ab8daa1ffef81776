"""Five-minute statistics: a level, its price, four ratios; once, however often they come."""

import zipfile
from pathlib import Path

import pytest

from store.records import Flag
from tests.collectors.imports.made import BTC, COIN, imported, knowing, readings, refusals
from tests.store.made import rows

HEADER = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
FIRST = 1_793_491_500_000  # 2026-11-01T00:05:00Z
LINES = (
    "2026-11-01 00:05:00,BTCUSDT,1000,100000000,1.5,1.2,0.8,1.1",
    "2026-11-01 00:10:00,BTCUSDT,1010.5,102060500,1.5,,,",
)


def zipped(path: Path, *lines: str, header: str = HEADER) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.csv", "\n".join([header, *lines, ""]))
    return path


def test_a_row_is_a_level_at_its_own_price_and_up_to_four_ratios(tmp_path: Path) -> None:
    with knowing(BTC, COIN) as store:
        report = imported(store, zipped(tmp_path / "m.zip", *LINES))
        assert (report.format, report.rows, report.taken, report.refusals) == ("metrics", 2, 2, [])
        resync = int(Flag.RESYNC)
        assert readings(store) == [
            ("BTCUSDT", "coins", FIRST, FIRST, 1000.0, "base", 1, 1000.0, 1e8, 1e5, None, None, resync),
            ("BTCUSDT", "coins", FIRST + 300_000, FIRST + 300_000, 1010.5, "base", 1, 1010.5,
             pytest.approx(102_060_500.0), pytest.approx(101_000.0), None, None, 0),
        ]  # fmt: skip
        first = "SELECT kind, ratio, source FROM ratios WHERE ts = (SELECT min(ts) FROM ratios) ORDER BY 1"
        assert rows(store, first) == [
            ("account", 0.8, "import"), ("taker", 1.1, "import"), ("top_account", 1.5, "import"),
            ("top_position", 1.2, "import"),
        ]  # fmt: skip
        assert rows(store, "SELECT count(*) FROM ratios") == [(5,)]


def test_bars_and_closes_stand_after_it_and_the_resolution_is_kept(tmp_path: Path) -> None:
    with knowing(BTC) as store:
        report = imported(store, zipped(tmp_path / "m.zip", *LINES, "2026-11-01 23:55:00,BTCUSDT,1100,110000000,,,,"))
        bars = rows(store, "SELECT epoch_ms(bucket), base_close, usd_close, source FROM bars_1m ORDER BY 1 LIMIT 2")
        assert bars == [
            (FIRST, 1000.0, 1e8, "import"), (FIRST + 300_000, 1010.5, pytest.approx(102_060_500.0), "import"),
        ]  # fmt: skip
        closed = rows(store, "SELECT day::VARCHAR, base, basis FROM closes ORDER BY day LIMIT 1")
        assert closed == [("2026-11-01", 1100.0, "measured")]
        assert (report.bars > 0, report.closes > 0) == (True, True)
        told = rows(store, "SELECT kind, asset, (detail->>'resolution_s')::DOUBLE, (detail->>'rows')::INT FROM events")
        assert told == [("import", "BTC", 300.0, 3)]


def test_twice_is_once(tmp_path: Path) -> None:
    with knowing(BTC) as store:
        path = zipped(tmp_path / "m.zip", *LINES, LINES[0])
        first = imported(store, path)
        before = rows(store, "FROM readings ORDER BY ts"), rows(store, "FROM bars_1m"), rows(store, "FROM closes")
        again = imported(store, path)
        after = rows(store, "FROM readings ORDER BY ts"), rows(store, "FROM bars_1m"), rows(store, "FROM closes")
        assert before == after
        assert rows(store, "SELECT count(*) FROM events") == [(1,)]
    assert (first.taken, first.skipped) == (2, {"the same as another row": 1})
    assert (again.taken, again.skipped) == (0, {"in the store already": 2, "the same as another row": 1})
    assert again.skipped_lines["in the store already"] == [2, 3]


def test_what_a_row_has_wrong_is_told_by_its_line_and_the_others_are_taken(tmp_path: Path) -> None:
    wrong = {
        "2026-11-01 00:15:00,BTCUSDT,nan,1,1,1,1,1": "sum_open_interest is not a finite number",
        "2026-11-01 00:15:00,BTCUSDT,-5,1,1,1,1,1": "sum_open_interest is below zero",
        "2026-11-01 00:15:00,BTCUSDT,0,0,1,1,1,1": "sum_open_interest is zero",
        "2026-11-01 00:15:00,BTCUSDT,many,1,1,1,1,1": "sum_open_interest is not a number",
        "2026-11-01 00:15:00,BTCUSDT,5,,1,1,1,1": "sum_open_interest_value is empty",
        "yesterday,BTCUSDT,5,1,1,1,1,1": "create_time is not a time in iso",
        "2027-11-01 00:15:00,BTCUSDT,5,1,1,1,1,1": "create_time lies in the future: is its unit iso?",
        "2026-11-01 00:15:00,BTCUSDT,5": "the row has not as many cells as the header",
        "2026-11-01 00:15:00,BTCUSDT,,,,,,": "the row states nothing",
        "2026-11-01 00:15:00,DOGEUSDT,5,1,1,1,1,1": (
            "nothing is known of DOGEUSDT at acme linear: let `crossoi serve` list it once, "
            "or state it under [[instruments]] of a mapping"
        ),
        "2026-11-01 00:15:00,BTCUSD,5,1,1,1,1,1": (
            "BTCUSD is of none of the segments that 'this archive' holds"
        ),
    }  # fmt: skip
    with knowing(BTC, COIN) as store:
        report = imported(store, zipped(tmp_path / "m.zip", LINES[0], *wrong, LINES[1]))
        assert refusals(report) == [(3 + n, reason) for n, reason in enumerate(wrong.values())]
        assert (report.taken, [row[4] for row in readings(store)]) == (2, [1000.0, 1010.5])


def test_a_dry_run_says_what_would_be_taken_and_writes_nothing(tmp_path: Path) -> None:
    with knowing(BTC) as store:
        tables = ("readings", "ratios", "events", "bars_1m", "closes")
        report = imported(store, zipped(tmp_path / "m.zip", *LINES), dry_run=True)
        assert (report.taken, report.stored["readings"], report.stored["ratios"], report.bars) == (2, 2, 5, 0)
        assert [rows(store, f"SELECT count(*) FROM {table}") for table in tables] == [[(0,)]] * 5
