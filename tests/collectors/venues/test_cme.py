import json

import pytest

from collectors.board import Board
from collectors.venue import Ratio, Update
from collectors.venues.cme import DAILY, PRODUCTS, VENUE, WEEKLY, daily, table
from store.records import Flag, Kind, Source, Status, Unit

FUTURES = VENUE.segments[0]
[FEED] = FUTURES.feeds
[HISTORY] = FUTURES.history
REPORT = {
    "cftc_contract_market_code": "133741", "report_date_as_yyyy_mm_dd": "2026-09-22T00:00:00.000",
    "futonly_or_combined": "FutOnly", "open_interest_all": "22315", "dealer_positions_long_all": "900",
    "dealer_positions_short_all": "1500", "asset_mgr_positions_long": "4962", "asset_mgr_positions_short": "1791",
    "lev_money_positions_long": "4745", "lev_money_positions_short": "12698",
}  # fmt: skip
TUESDAY = 1790114400000  # 2026-09-22 22:00 UTC
FRIDAY = 1790368200000  # 2026-09-25 20:30 UTC
HEADER = "trade_date,product,expiry,report_type,settle,volume,open_interest_contracts,source\n"


def heard(*rows: object) -> list:
    return list(FEED.parse(FEED.decode(json.dumps(rows))))


def updates(*rows: object) -> list:
    return [word for word in heard(*rows) if isinstance(word, Update)]


def listed(*rows: object) -> list:
    return list(FUTURES.read(FUTURES.decode(json.dumps(rows))))


def filed(*lines: str) -> list:
    return list(daily(table(HEADER + "\n".join(lines))))


def test_the_week_is_contracts_of_five_coins_as_of_a_tuesday() -> None:
    [update] = updates(REPORT)
    assert update == Update("BTC", TUESDAY, 22_315.0, WEEKLY)
    [instrument] = listed(REPORT)
    assert (instrument.kind, instrument.asset, instrument.contract_size) == (Kind.DATED, "BTC", 5.0)
    board = Board([instrument], coin={"BTC": (80_000.0, FRIDAY)}.get, unpriced=True)
    record = board.apply(update, FRIDAY, Source.POLL)
    assert (record.base, record.usd, record.mark) == (111_575.0, 8_926_000_000.0, 80_000.0)
    assert (record.ts, record.seen) == (TUESDAY, FRIDAY)
    assert record.flags & Flag.BORROWED_MARK
    assert not record.flags & (Flag.STALE_MARK | Flag.SKEWED | Flag.RECEIVE_TIME)


def test_without_a_price_of_others_there_is_no_record() -> None:
    [update] = updates(REPORT)
    assert Board(listed(REPORT), unpriced=True).apply(update, FRIDAY, Source.POLL) is None
    assert Board(listed(REPORT), coin={"BTC": (80_000.0, FRIDAY)}.get).apply(update, FRIDAY, Source.POLL) is None


def test_products_are_told_apart_by_code_and_never_by_name() -> None:
    codes = {"133741": 5.0, "133742": 0.1, "146021": 50.0, "146022": 0.1}
    nano = {**REPORT, "cftc_contract_market_code": "133LM4", "market_and_exchange_names": "NANO BITCOIN PERP STYLE"}
    rows = [{**REPORT, "cftc_contract_market_code": code} for code in codes]
    assert {i.symbol: i.contract_size for i in listed(nano, *rows)} == dict(
        zip(("BTC", "MBT", "ETH", "MET"), codes.values(), strict=True)
    )
    assert [update.symbol for update in updates(nano, *rows)] == ["BTC", "MBT", "ETH", "MET"]


def test_only_the_newest_report_of_a_product_is_now() -> None:
    old = {**REPORT, "report_date_as_yyyy_mm_dd": "2026-09-15T00:00:00.000", "open_interest_all": "1"}
    assert updates(REPORT, old) == updates(REPORT)
    past = [w for w in HISTORY.parse(HISTORY.decode(json.dumps([REPORT, old]))) if isinstance(w, Update)]
    assert [(update.ts, update.oi) for update in past] == [(TUESDAY - 7 * 86_400_000, 1.0), (TUESDAY, 22_315.0)]


def test_classes_of_traders_are_ratios_of_their_own() -> None:
    assert [word for word in heard(REPORT) if isinstance(word, Ratio)] == [
        Ratio("BTC", TUESDAY, "dealers", 0.6),
        Ratio("BTC", TUESDAY, "asset_managers", 4962 / 1791),
        Ratio("BTC", TUESDAY, "leveraged_funds", 4745 / 12698),
    ]
    assert heard({**REPORT, "dealer_positions_short_all": "0", "lev_money_positions_long": None})[1:] == [
        Ratio("BTC", TUESDAY, "asset_managers", 4962 / 1791)
    ]


def test_reports_that_count_options_are_refused() -> None:
    with pytest.raises(ValueError, match="futonly"):
        heard({**REPORT, "futonly_or_combined": "Combined"})
    with pytest.raises(ValueError, match="open_interest_all"):
        heard({k: v for k, v in REPORT.items() if k != "open_interest_all"})


def test_a_trade_date_is_the_total_of_its_expiries_at_their_settlements() -> None:
    [update] = filed("2026-09-11,BTC,2026-09,F,80000,9812,15000,file", "2026-09-11,BTC,2026-10,F,81000,12,5000,file")
    assert update == Update("BTC", 1789164000000, 20_000.0, DAILY, 80_250.0)  # 2026-09-11 22:00 UTC
    record = Board(listed(REPORT)).apply(update, 1789200000000, Source.IMPORT)
    assert record.usd == 5 * (15_000 * 80_000 + 5_000 * 81_000)
    assert (record.field, record.flags & Flag.BORROWED_MARK) == (DAILY, 0)


def test_a_final_line_replaces_a_preliminary_one_and_not_the_other_way_round() -> None:
    first, final = "2026-09-11,MBT,2026-09,P,80000,1,100,file", "2026-09-11,MBT,2026-09,F,80000,1,120,file"
    assert [u.oi for u in filed(first, final)] == [u.oi for u in filed(final, first)] == [120.0]
    assert [u.oi for u in filed(final, final.replace(",120,", ",121,"))] == [121.0]  # the later of two final ones


def test_a_total_without_one_settlement_has_no_price() -> None:
    lines = "2026-09-11,ETH,2026-09,F,,1,100,file", "2026-09-11,ETH,2026-10,F,2500,1,50,file"
    assert [(u.oi, u.mark) for u in filed(*lines)] == [(150.0, None)]
    assert [(u.oi, u.mark) for u in filed("2026-09-11,ETH,2026-09,F,2500,1,0,file")] == [(0.0, None)]


def test_products_and_days_stay_apart_and_unknown_products_are_left_out() -> None:
    lines = [
        "2026-09-12,MET,2026-09,F,2500,1,7,file",
        "2026-09-11,MET,2026-09,F,2500,1,5,file",
        "2026-09-11,QBTC,2026-09,F,80000,1,9,file",
    ]
    assert [(u.symbol, u.oi) for u in filed(*lines)] == [("MET", 5.0), ("MET", 7.0)]


def test_a_line_that_cannot_be_read_says_why() -> None:
    with pytest.raises(ValueError, match="report_type"):
        filed("2026-09-11,BTC,2026-09,X,80000,1,15000,file")
    with pytest.raises(ValueError, match="open_interest_contracts"):
        filed("2026-09-11,BTC,2026-09,F,80000,1,,file")


def test_files_read_like_the_api_and_the_answer() -> None:
    weekly, trade_dates = (archive.rows for archive in FUTURES.archives)
    row = {**REPORT, "report_date_as_yyyy_mm_dd": "2026-09-22"}
    other = {"cftc_contract_market_code": "133LM4", "report_date_as_yyyy_mm_dd": "2026-09-22"}
    assert list(weekly([row, other])) == heard(REPORT)
    names = HEADER.strip().split(",")
    line = "2026-09-11,BTC,2026-09,F,80000,9812,15000,file"
    assert list(trade_dates([dict(zip(names, line.split(","), strict=True))])) == filed(line)
    with pytest.raises(ValueError, match="futonly"):
        list(weekly([{**row, "futonly_or_combined": "Combined"}]))


def test_it_is_honest_about_its_pace() -> None:
    assert (FEED.cadence, HISTORY.step, VENUE.only, VENUE.cls) == (604_800, 604_800, Kind.DATED, "institutional")
    assert [(f.unit, f.sides, f.status) for f in VENUE.fields] == [(Unit.CONTRACTS, 1, Status.DOCUMENTED)] * 2
    assert set(PRODUCTS) == {"BTC", "MBT", "ETH", "MET"}
    assert FUTURES.owns("BTC")
    assert not FUTURES.owns("BTC-PERP")
