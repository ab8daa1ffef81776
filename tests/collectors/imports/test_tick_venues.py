"""The venues' own tick archives: small files as the archive writes them; values, units and sides of each venue."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from collectors.imports.mapping import mapped
from collectors.imports.report import Report
from collectors.imports.work import import_files
from collectors.venues import VENUES
from store.engine import Store
from store.records import Instrument, Payoff
from tests.collectors.imports.made import NOW, knowing, readings, refusals
from tests.collectors.imports.test_tick_csv import DEATHS, T, packed
from tests.store.made import rows

INVERSE = Payoff.INVERSE
PERP, PIT, LATER = 1_780_000_000_000, 1_660_000_000_000, 1_777_400_000_000  # 2026-05-28, 2022-08-08, 2026-04-28T18:13Z


def linear(venue: str, segment: str, symbol: str, quote: str = "USDT", size: float = 1.0) -> Instrument:
    return Instrument(venue, segment, symbol, "BTC", quote, quote, contract_size=size, funding_interval_h=8.0)


def inverse(venue: str, segment: str, symbol: str, size: float = 1.0) -> Instrument:
    return Instrument(venue, segment, symbol, "BTC", "USD", "BTC", payoff=INVERSE, contract_size=size)


def tick(name: str, symbol: str, ms: int, oi: object, mark: object = 100_000, funding: object = "") -> str:
    return f"{name},{symbol},{ms * 1000},{ms * 1000 + 5000},,{funding},,{oi},1,,{mark}"


def death(name: str, symbol: str, side: str, amount: object, price: object = 100_000) -> str:
    return f"{name},{symbol},{T * 1000},{T * 1000 + 5000},1,{side},{price},{amount}"


def imported(store: Store, path: Path, mapping: object = None) -> Report:
    return import_files(store, [path], VENUES, mapping, now_ms=NOW)[-1]  # type: ignore[arg-type]  # None or a mapping


OPEN: Sequence[tuple[str, str, Instrument, object, tuple[object, ...]]] = (
    # name and symbol in the archive, our instrument, open interest there; field, unit, sides, coins, USD here
    ("hyperliquid", "BTC", linear("hyperliquid", "linear", "BTC", "USDC"), 10, ("openInterest", "base", 2, 5.0, 5e5)),
    ("hyperliquid", "KPEPE",
     Instrument("hyperliquid", "linear", "kPEPE", "PEPE", "USDC", "USDC", base_factor=1000.0), 2,
     ("openInterest", "base", 2, 1000.0, 1e5)),
    ("cryptofacilities", "PF_XBTUSD", linear("kraken", "linear", "PF_XBTUSD", "USD"), 3.5,
     ("openInterest", "contracts", 1, 3.5, 350_000.0)),
    ("cryptofacilities", "PI_XBTUSD", inverse("kraken", "inverse", "PI_XBTUSD"), 5000,
     ("openInterest", "contracts", 1, 0.05, 5000.0)),
    ("dydx-v4", "BTC-USD", linear("dydx", "linear", "BTC-USD", "USD"), 648.25,
     ("openInterest", "base", 1, 648.25, 64_825_000.0)),
    ("bitfinex-derivatives", "BTCF0:USTF0", linear("bitfinex", "linear", "tBTCF0:USTF0"), 12.5,
     ("OPEN_INTEREST", "base", 1, 12.5, 1_250_000.0)),
    ("huobi-dm-linear-swap", "BTC-USDT", linear("htx", "linear", "BTC-USDT", size=0.001), 9000,
     ("volume", "contracts", 2, 4.5, 450_000.0)),
    ("huobi-dm-swap", "BTC-USD", inverse("htx", "inverse", "BTC-USD", 100.0), 3000,
     ("volume", "contracts", 2, 1.5, 150_000.0)),
    ("kucoin-futures", "XBTUSDTM", linear("kucoin", "futures", "XBTUSDTM", size=0.001), 9_295_921,
     ("openInterest", "contracts", 1, 9295.921, 929_592_100.0)),
    ("bitget-futures", "BTCUSDT", linear("bitget", "usdt", "BTCUSDT"), 7.5,
     ("holdingAmount", "base", 1, 7.5, 750_000.0)),
    ("bitget-futures", "BTCPERP", linear("bitget", "usdc", "BTCPERP", "USDC"), 2.5,
     ("holdingAmount", "base", 1, 2.5, 250_000.0)),
    ("crypto-com", "BTCUSD-PERP", linear("cryptocom", "linear", "BTCUSD-PERP", "USD"), 318.5,
     ("oi", "base", 1, 318.5, 31_850_000.0)),
    ("crypto-com-derivatives", "BTCUSD-PERP", linear("cryptocom", "linear", "BTCUSD-PERP", "USD"), 2,
     ("oi", "base", 1, 2.0, 200_000.0)),
    ("phemex", "BTCUSDT", linear("phemex", "linear", "BTCUSDT"), 1323.5,
     ("openInterestRv", "base", 1, 1323.5, 132_350_000.0)),
    ("phemex", "BTCUSD", inverse("phemex", "inverse", "BTCUSD"), 400_000,
     ("openInterest", "contracts", 1, 4.0, 400_000.0)),
    ("mexc-futures", "BTC_USDT", linear("mexc", "futures", "BTC_USDT", size=0.0001), 50_000,
     ("holdVol", "contracts", 1, 5.0, 500_000.0)),
    ("coinbase-derivatives", "BIP-20DEC30-CDE", linear("coinbase", "cde", "BIP-20DEC30-CDE", "USD", 0.01), 800,
     ("open_interest", "contracts", 1, 8.0, 800_000.0)),
    ("lighter", "1", linear("lighter", "linear", "BTC", "USD"), 250_000, ("open_interest", "usd", 1, 2.5, 250_000.0)),
    ("bullish", "BTC-USDC-PERP", linear("bullish", "usdc", "BTC-USDC-PERP", "USDC"), 8,
     ("openInterest", "base", 2, 4.0, 400_000.0)),
    ("bybit", "BTCUSDT", linear("bybit", "linear", "BTCUSDT"), 10, ("openInterest", "base", 2, 5.0, 5e5)),
    ("okex-swap", "BTC-USDT-SWAP", linear("okx", "linear", "BTC-USDT-SWAP", size=0.01), 500,
     ("oi", "contracts", 1, 5.0, 5e5)),
    ("deribit", "BTC-PERPETUAL", inverse("deribit", "inverse", "BTC-PERPETUAL"), 5e5,
     ("open_interest", "usd", 1, 5.0, 5e5)),
    ("bitmex", "XBTUSD", inverse("bitmex", "futures", "XBTUSD"), 5e5, ("openInterest", "contracts", 1, 5.0, 5e5)),
    ("aster-futures", "BTCUSDT", linear("aster", "linear", "BTCUSDT"), 5, ("openInterest", "base", 1, 5.0, 5e5)),
    ("binance-futures", "BTCUSDT", linear("binance", "linear", "BTCUSDT"), 5, ("openInterest", "base", 1, 5.0, 5e5)),
    ("binance-delivery", "BTCUSD_PERP", inverse("binance", "inverse", "BTCUSD_PERP", 100.0), 5000,
     ("openInterest", "contracts", 1, 5.0, 5e5)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "symbol", "ours", "said", "want"), OPEN, ids=lambda v: v if isinstance(v, str) else ""
)
def test_open_interest_counts_what_the_venues_own_field_counts(
    tmp_path: Path, name: str, symbol: str, ours: Instrument, said: object, want: tuple[object, ...]
) -> None:
    with knowing(ours) as store:
        report = imported(store, packed(tmp_path / "t.csv.gz", tick(name, symbol, T, said)))
        assert refusals(report) == []
        ((found, field, ts, _, raw, unit, sides, coins, usd, *_),) = readings(store)
    assert (found, ts, raw) == (ours.symbol, T, float(str(said)))
    assert (field, unit, sides) == want[:3]
    assert (coins, usd) == (pytest.approx(want[3]), pytest.approx(want[4]))


DIED: Sequence[tuple[str, str, Instrument, str, object, tuple[object, ...]]] = (
    # an order that sells closes a long; side, unit, coins, USD, and how many of them are shown
    ("cryptofacilities", "PF_XBTUSD", linear("kraken", "linear", "PF_XBTUSD", "USD"), "sell", 0.5,
     ("long", "contracts", 0.5, 50_000.0, "full")),
    ("dydx-v4", "BTC-USD", linear("dydx", "linear", "BTC-USD", "USD"), "buy", 0.5, ("short", "base", 0.5, 5e4, "full")),
    ("huobi-dm-linear-swap", "BTC-USDT", linear("htx", "linear", "BTC-USDT", size=0.001), "sell", 40,
     ("long", "contracts", 0.04, 4000.0, "throttled")),
    ("bitget-futures", "BTCUSDT", linear("bitget", "usdt", "BTCUSDT"), "buy", 5000,
     ("short", "usd", 0.05, 5000.0, "throttled")),
    ("lighter", "1", linear("lighter", "linear", "BTC", "USD"), "sell", 0.25, ("long", "base", 0.25, 25_000.0, "full")),
    ("okex-swap", "BTC-USDT-SWAP", linear("okx", "linear", "BTC-USDT-SWAP", size=0.01), "buy", 40,
     ("short", "contracts", 0.4, 40_000.0, "throttled")),
    ("deribit", "BTC-PERPETUAL", inverse("deribit", "inverse", "BTC-PERPETUAL"), "sell", 1000,
     ("long", "usd", 0.01, 1000.0, "full")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "symbol", "ours", "side", "said", "want"), DIED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_forced_closes_count_what_the_venue_counts_and_name_the_position(
    tmp_path: Path, name: str, symbol: str, ours: Instrument, side: str, said: object, want: tuple[object, ...]
) -> None:
    with knowing(ours) as store:
        report = imported(store, packed(tmp_path / "l.csv.gz", death(name, symbol, side, said), header=DEATHS))
        assert refusals(report) == []
        ((*found,),) = rows(store, "SELECT side, unit, base, usd, feed FROM liquidations")
    assert [found[0], found[1], found[4]] == [want[0], want[1], want[4]]
    assert found[2:4] == [pytest.approx(want[2]), pytest.approx(want[3])]


@pytest.mark.parametrize(
    ("name", "symbol", "ours", "why"),
    [
        ("hyperliquid", "BTC", linear("hyperliquid", "linear", "BTC", "USDC"), "forced closes of hyperliquid"),
        ("bitfinex-derivatives", "BTCF0:USTF0", linear("bitfinex", "linear", "tBTCF0:USTF0"),
         "price of a forced close of bitfinex"),
        ("kucoin-futures", "XBTUSDTM", linear("kucoin", "futures", "XBTUSDTM"), "forced closes of kucoin"),
        ("mexc-futures", "BTC_USDT", linear("mexc", "futures", "BTC_USDT"), "forced closes of mexc"),
        ("phemex", "BTCUSDT", linear("phemex", "linear", "BTCUSDT"), "forced closes of phemex"),
        ("crypto-com", "BTCUSD-PERP", linear("cryptocom", "linear", "BTCUSD-PERP", "USD"),
         "forced closes of cryptocom"),
        ("coinbase-derivatives", "BIP-20DEC30-CDE", linear("coinbase", "cde", "BIP-20DEC30-CDE", "USD"),
         "forced closes of coinbase"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_what_the_archive_does_not_have_is_said_with_what_it_has(
    tmp_path: Path, name: str, symbol: str, ours: Instrument, why: str
) -> None:
    with knowing(ours) as store:
        report = imported(store, packed(tmp_path / "l.csv.gz", death(name, symbol, "buy", 1), header=DEATHS))
    assert refusals(report) == [(2, f"the archive has no {why}: import its derivative_ticker")]


def test_of_one_venue_the_archive_keeps_nothing_that_we_want(tmp_path: Path) -> None:
    with knowing(linear("gate", "usdt", "BTC_USDT", size=0.0001)) as store:
        report = imported(store, packed(tmp_path / "t.csv.gz", tick("gate-io-futures", "BTC_USDT", T, "")))
    words = "the archive has no open interest and no forced closes of gate: nothing of it can be imported"
    assert refusals(report) == [(2, words)]


def test_an_exchange_that_is_none_of_ours_is_refused_with_the_names_that_are(tmp_path: Path) -> None:
    with knowing() as store:
        lines = tick("dydx", "BTC-USD", T, 1), tick("coinbase-international", "BTC-PERP", T, 1)
        found = refusals(imported(store, packed(tmp_path / "t.csv.gz", *lines)))
    assert [(line, words.partition(";")[0]) for line, words in found] == [
        (2, "no venue's file says what 'dydx' is"), (3, "no venue's file says what 'coinbase-international' is"),
    ]  # fmt: skip
    assert "coinbase-derivatives, crypto-com, " in found[0][1]


def test_absolute_funding_rates_of_old_are_left_out(tmp_path: Path) -> None:
    lines = (
        tick("cryptofacilities", "PF_XBTUSD", PIT, 1, funding=0.5),
        tick("cryptofacilities", "PF_XBTUSD", T, 2, funding=1e-5),
    )
    with knowing(linear("kraken", "linear", "PF_XBTUSD", "USD")) as store:
        imported(store, packed(tmp_path / "t.csv.gz", *lines))
        assert [(row[2], row[11]) for row in readings(store)] == [(PIT, None), (T, 1e-5)]


def test_funding_in_a_unit_that_changed_is_left_out(tmp_path: Path) -> None:
    with knowing(linear("lighter", "linear", "BTC", "USD")) as store:
        imported(store, packed(tmp_path / "t.csv.gz", tick("lighter", "1", T, 1, funding=0.0012)))
        assert [row[11] for row in readings(store)] == [None]


def test_contracts_settled_in_coins_are_understood_until_the_field_changed(tmp_path: Path) -> None:
    before, after = tick("bitget-futures", "BTCUSD", PIT, 3), tick("bitget-futures", "BTCUSD", LATER, 3)
    with knowing(inverse("bitget", "coin", "BTCUSD")) as store:
        report = imported(store, packed(tmp_path / "t.csv.gz", before, after))
        assert [(row[1], row[5], row[7]) for row in readings(store)] == [("holdingAmount", "base", 3.0)]
    words = "the archive has no numbers in a known unit of bitget: import its derivative_ticker until 2026-04-28"
    assert refusals(report) == [(3, words)]


def test_a_market_that_is_known_by_its_number_only_is_stated_in_a_mapping(tmp_path: Path) -> None:
    path = packed(tmp_path / "t.csv.gz", tick("lighter", "7", T, 1000, 10), tick("lighter", "0", T, 1000, 10))
    stated = {
        "venue": "lighter", "segment": "linear", "symbol": "XRP", "asset": "XRP", "quote": "USD", "settle": "USDC",
        "payoff": "linear", "contract_size": 1, "code": "7",
    }  # fmt: skip
    with knowing() as store:
        first, second = refusals(imported(store, path))
        assert first == (2, "7 is of none of the segments that 'lighter' holds")
        assert second[0] == 3
        assert second[1].startswith("nothing is known of ETH at lighter linear")
        imported(store, path, mapped({"instruments": [stated]}, VENUES))
        assert [(row[0], row[7]) for row in readings(store)] == [("XRP", 100.0)]
