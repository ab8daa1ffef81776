"""The weekly file of a commission and the daily one of an operator: totals, known when they were published."""

from pathlib import Path

import pytest

from store.records import Flag
from tests.collectors.imports.made import BTC, FUTURE, imported, knowing, readings, refusals
from tests.collectors.imports.test_metrics_zip import zipped
from tests.store.made import DAY, HOUR, rows

WEEKLY = "Market_and_Exchange_Names,CFTC_Contract_Market_Code,Report_Date_as_YYYY-MM-DD,Open_Interest_All"
DAILY = "trade_date,product,expiry,report_type,settle,volume,open_interest_contracts,source"
TUESDAY = 1_792_454_400_000  # 2026-10-20T00:00:00Z
BORROWED, RESYNC = int(Flag.BORROWED_MARK), int(Flag.RESYNC)


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([*lines, ""]))
    return path


def test_a_tuesdays_number_is_known_on_the_friday_and_valued_by_the_others(tmp_path: Path) -> None:
    weekly = written(
        tmp_path / "c.csv", WEEKLY, '"BITCOIN, FUTURES",133741 ,2026-10-20, 22315', "GOLD,088691,2026-10-20,1"
    )
    day = zipped(tmp_path / "m.zip", "2026-10-20 00:00:00,BTCUSDT,1,99000,,,,", "2026-10-20 00:05:00,BTCUSDT,1,1e5,,,,")
    with knowing(BTC, FUTURE) as store:
        nothing = imported(store, weekly)
        assert refusals(nothing) == [(2, "no price: the row states none, and the store knows none of BTC at that time")]
        report = imported(store, day, weekly)
        assert (report.format, report.taken, report.skipped) == ("cot", 1, {"no venue of ours": 1})
        assert [row for row in readings(store) if row[1] == "cleared"] == [
            ("BTC", "cleared", TUESDAY, TUESDAY + 3 * DAY + 20.5 * HOUR, 22315.0, "contracts", 1, 111_575.0,
             pytest.approx(111_575e5), pytest.approx(1e5), None, None, BORROWED | RESYNC),
        ]  # fmt: skip
        weeks = "SELECT (detail->>'resolution_s')::DOUBLE FROM events WHERE venue = 'exchange'"
        assert rows(store, weeks) == [(604_800.0,)]


def test_a_report_that_says_when_it_came_out_is_believed_and_one_of_the_future_is_not(tmp_path: Path) -> None:
    lines = (
        f"{WEEKLY},available_at", "A,133741,2026-10-20,10,2026-11-06T20:30:00Z", "A,133741,2026-11-17,10,",
        "A,133741,2026-10-27,ten,", "A,133741,Tuesday,10,", "A,133741,2026-10-13,,",
    )  # fmt: skip
    priced = zipped(tmp_path / "m.zip", "2026-10-20 00:00:00,BTCUSDT,1,1e5,,,,")
    with knowing(BTC, FUTURE) as store:
        report = imported(store, priced, written(tmp_path / "c.csv", *lines))
        assert [row[3] for row in readings(store) if row[1] == "cleared"] == [1_793_997_000_000]
    told = refusals(report)
    assert told[0] == (3, "it was not published yet")
    assert (told[1][0], "open_interest_all" in told[1][1]) == (4, True)
    assert told[2:] == [
        (5, "report_date_as_yyyy_mm_dd is not a time in iso"), (6, "the row states no open interest"),
    ]  # fmt: skip


def test_a_days_expiries_count_together_at_their_own_settlement(tmp_path: Path) -> None:
    lines = (
        DAILY,
        "2026-10-16,BTC,2026-10,P,100000,1,300,report", "2026-10-15,BTC,2026-10,F,90000,1,100,report",
        "2026-10-16,BTC,2026-11,P,110000,1,100,report", "2026-10-16,OIL,2026-11,P,70,1,100,report",
        "2026-10-16,BTC,2026-12,P,120000,1,-4,report", "2026-10-16,BTC,2026-12,P,dear,1,4,report",
    )  # fmt: skip
    with knowing(FUTURE) as store:
        report = imported(store, written(tmp_path / "d.csv", *lines))
        thursday, friday = TUESDAY - 5 * DAY, TUESDAY - 4 * DAY
        assert [row[2:10] for row in readings(store)] == [
            (thursday, thursday + 2 * DAY, 100.0, "contracts", 1, 500.0, 45e6, 90_000.0),
            (friday, friday + 1.5 * DAY, 400.0, "contracts", 1, 2000.0, 205e6, 102_500.0),
        ]
        assert (report.format, report.taken, report.skipped) == ("daily", 3, {"a product of no venue of ours": 1})
        assert refusals(report) == [(6, "open_interest_contracts is below zero"), (7, "settle is not a number")]
        assert imported(store, tmp_path / "d.csv").skipped["in the store already"] == 3


def test_a_final_report_counts_from_when_it_came_out(tmp_path: Path) -> None:
    """A Friday's comes on the Monday; it is surely known once that is over."""
    first = written(tmp_path / "p.csv", DAILY, "2026-10-16,BTC,2026-10,P,100000,1,300,report")
    final = written(tmp_path / "f.csv", DAILY, "2026-10-16,BTC,2026-10,F,100000,1,310,report")
    with knowing(FUTURE) as store:
        imported(store, first, final)
        friday = TUESDAY - 4 * DAY
        assert [(row[3], row[4]) for row in readings(store)] == [
            (friday + 1.5 * DAY, 300.0), (friday + 4 * DAY, 310.0),
        ]  # fmt: skip
        assert rows(store, "SELECT raw_close FROM bars_1m WHERE readings > 0 ORDER BY known_at DESC LIMIT 1") == [
            (310.0,)
        ]
