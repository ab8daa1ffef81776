"""Recorded streams: units and sides by the venue's own field, repeats thinned, sides of forced closes turned round."""

import gzip
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from store.records import Flag, Instrument
from tests.collectors.imports.made import BTC, COIN, PEPE, imported, knowing, readings, refusals
from tests.store.made import rows, version

TICKER = (
    "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,open_interest,"
    "last_price,index_price,mark_price"
)
DEATHS = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
T = 1_793_491_200_000  # 2026-11-01T00:00:00Z
RESYNC = int(Flag.RESYNC)


def packed(path: Path, *lines: str, header: str = TICKER) -> Path:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        file.write("\n".join([header, *lines, ""]))
    return path


def tick(ms: int, oi: object, mark: object, symbol: str = "BTCUSDT", funding: object = "", index: object = "") -> str:
    return f"acme,{symbol},{(T + ms) * 1000 + 7},{(T + ms + 40) * 1000 + 9},,{funding},,{oi},1,{index},{mark}"


def test_a_field_that_counts_both_sides_is_halved_and_a_thousand_coins_are_a_thousand(tmp_path: Path) -> None:
    with knowing(BTC, PEPE) as store:
        lines = tick(0, 10, 100_000, funding=0.0001, index=100_010), tick(1, 10, 0.02, "KPEPEUSDT")
        report = imported(store, packed(tmp_path / "t.csv.gz", *lines))
        assert (report.format, report.taken) == ("ticks", 2)
        assert readings(store) == [
            ("BTCUSDT", "both", T, T + 40, 10.0, "base", 2, 5.0, 500_000.0, 100_000.0, 100_010.0, 0.0001, RESYNC),
            ("kPEPEUSDT", "both", T + 1, T + 41, 10.0, "base", 2, 5000.0, pytest.approx(0.1), pytest.approx(0.00002),
             None, None, RESYNC),
        ]  # fmt: skip


def test_inverse_contracts_are_dollars(tmp_path: Path) -> None:
    with knowing(COIN) as store:
        imported(store, packed(tmp_path / "t.csv.gz", tick(0, 5000, 100_000, "BTCUSD")))
        assert [row[4:9] for row in readings(store)] == [(5000.0, "contracts", 1, 5.0, 500_000.0)]


def test_f31_rows_are_worth_what_a_contract_was_worth_then(tmp_path: Path) -> None:
    """Ten times the contracts of a tenth the size: levels and forced closes before and after, in any order."""
    smaller = replace(COIN, contract_size=10.0, valid_from=T + 1500)
    said = [tick(ms, oi, 100_000, "BTCUSD") for ms, oi in ((2000, 50_000), (0, 5000), (3000, 51_000), (1499, 5100))]
    died = [f"acme,BTCUSD,{(T + ms) * 1000},{(T + ms) * 1000},{ms},buy,100000,20" for ms in (0, 2000)]
    with knowing() as store:
        rows(store, version(COIN, T - 1000))
        rows(store, version(smaller, T + 1600))
        report = imported(store, packed(tmp_path / "t.csv.gz", *said))
        assert (report.taken, refusals(report)) == (4, [])
        assert [(row[4], row[8]) for row in readings(store)] == [
            (5000.0, 500_000.0), (5100.0, 510_000.0), (50_000.0, 500_000.0), (51_000.0, 510_000.0),
        ]  # fmt: skip
        imported(store, packed(tmp_path / "d.csv.gz", *died, header=DEATHS))
        assert rows(store, "SELECT size, usd FROM liquidations ORDER BY ts") == [(20.0, 2000.0), (20.0, 200.0)]
        assert rows(store, "SELECT contract_size FROM instruments ORDER BY known_at") == [(100.0,), (10.0,)]


def test_what_only_repeats_within_a_minute_is_left_out_as_the_live_feed_leaves_it_out(tmp_path: Path) -> None:
    said = [
        tick(0, 10, 100_000), tick(1000, 10, 100_001), tick(2000, 10, 100_100), tick(3000, 12, 100_100),
        tick(4000, 12, 100_100, funding=0.0002), tick(5000, 12, 100_100), tick(64_000, 12, 100_100),
        tick(65_000, "", 1e5),
    ]  # fmt: skip
    with knowing(BTC) as store:
        report = imported(store, packed(tmp_path / "t.csv.gz", *said))
        assert [row[2] - T for row in readings(store)] == [0, 2000, 3000, 4000, 64_000]  # type: ignore[operator]
    assert report.skipped == {"nothing changed within a minute": 2, "it states no open interest": 1}
    assert report.skipped_lines["nothing changed within a minute"] == [3, 7]


def test_a_row_that_comes_late_takes_its_place(tmp_path: Path) -> None:
    with knowing(BTC) as store:
        imported(store, packed(tmp_path / "t.csv.gz", tick(5000, 12, 1e5), tick(0, 10, 1e5), tick(6000, 14, 1e5)))
        assert [(row[2] - T, row[4]) for row in readings(store)] == [(0, 10.0), (5000, 12.0), (6000, 14.0)]  # type: ignore[operator]
        bar = rows(store, "SELECT raw_open, raw_high, raw_close, readings FROM bars_1m ORDER BY bucket LIMIT 1")
        assert bar == [(5.0, 7.0, 7.0, 3)]


def test_a_row_without_a_price_carries_the_last_one_and_says_so_when_it_is_old(tmp_path: Path) -> None:
    with knowing(BTC) as store:
        lines = tick(0, 9, ""), tick(0, 10, 1e5), tick(30_000, 11, ""), tick(90_000, 12, ""), tick(4_000_000, 13, "")
        report = imported(store, packed(tmp_path / "t.csv.gz", *lines))
        assert [(row[4], row[9], row[12]) for row in readings(store)] == [
            (10.0, 1e5, RESYNC), (11.0, 1e5, 0), (12.0, 1e5, int(Flag.STALE_MARK)),
        ]  # fmt: skip
        words = "no price: the row states none, and the store knows none of BTC at that time"
        assert refusals(report) == [(2, words), (6, words)]


def test_a_buy_closed_a_short_and_amounts_are_in_the_venues_own_unit(tmp_path: Path) -> None:
    lines = (
        f"acme,BTCUSDT,{T * 1000},{T * 1000 + 5000},1,buy,100000,0.5",
        f"acme,BTCUSD,{T * 1000},{T * 1000 + 5000},2,sell,100000,30",
        f"acme,BTCUSD,{T * 1000},{T * 1000 + 5000},2,sell,100000,30",
        f"acme,BTCUSD,{T * 1000},{T * 1000 + 5000},3,unknown,100000,30",
        f"acme,BTCUSD,{T * 1000},{T * 1000 + 5000},4,both,100000,30",
        f"silent,BTCUSD,{T * 1000},{T * 1000 + 5000},5,buy,100000,30",
    )
    with knowing(BTC, COIN) as store:
        path = packed(tmp_path / "l.csv.gz", *lines, header=DEATHS)
        report = imported(store, path)
        assert imported(store, path).taken == 0
        told = "SELECT side, size, unit, base, usd, price, feed, epoch_ms(seen) FROM liquidations ORDER BY side"
        assert rows(store, told) == [
            ("long", 30.0, "contracts", 0.03, 3000.0, 1e5, "full", T + 5),
            ("short", 0.5, "base", 0.5, 50_000.0, 1e5, "throttled", T + 5),
        ]
        assert rows(store, "SELECT liquidated_long, liquidated_short FROM bars_1m ORDER BY 1") == []
    assert report.skipped == {"the same as another row": 1, "the side is unknown": 1}
    assert refusals(report) == [
        (6, "side is neither buy nor sell"),
        (7, "the file of acme does not say what the amount of a forced close counts: nothing of it can be imported"),
    ]


def test_an_unknown_exchange_and_a_field_that_no_file_explains_are_refused(tmp_path: Path) -> None:
    with knowing(BTC, COIN) as store:
        lines = tick(0, 1, 1).replace("acme", "nowhere"), tick(0, 1, 1, "BTCUSD").replace("acme", "silent")
        report = imported(store, packed(tmp_path / "t.csv.gz", *lines))
        assert refusals(report) == [
            (2, "no venue's file says what 'nowhere' is; there are: acme, silent"),
            (3, "the file of acme does not say what this open interest counts: nothing of it can be imported"),
        ]
        assert readings(store) == []


def test_a_quote_currency_that_nobody_values_is_refused(tmp_path: Path) -> None:
    with knowing(Instrument("acme", "linear", "BTCUSDT", "BTC", "KRW", "KRW")) as store:
        report = imported(store, packed(tmp_path / "t.csv.gz", tick(0, 1, 1)))
    assert refusals(report) == [(2, "nobody says what a KRW is worth in USD")]


@pytest.mark.timeout(600)  # ten seconds, and as many minutes of a machine that has little time for it
def test_a_million_rows_take_a_bounded_memory(tmp_path: Path) -> None:
    """A hundred megabytes of text, of which a batch is held at a time."""
    path, many = tmp_path / "big.csv.gz", 1_000_000
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8") as file:
        file.write(TICKER + "\n")
        file.writelines(tick(86 * n, 10 + n // 10 % 7, 100_000) + "\n" for n in range(many))
    with knowing(BTC, path=tmp_path / "store.duckdb") as store:
        shares: list[float] = []
        before = psutil.Process().memory_info().rss
        report = imported(store, path, told=lambda words, share: shares.append(share) if "reading" in words else None)
        grown = psutil.Process().memory_info().rss - before
        assert (report.rows, report.taken, report.refused) == (many, many // 10, {})
        assert rows(store, "SELECT count(*), min(base), max(base) FROM readings") == [(many // 10, 5.0, 8.0)]
        assert shares == sorted(shares)
        assert shares[-1] > 0.98
    assert grown < 400_000_000, grown
