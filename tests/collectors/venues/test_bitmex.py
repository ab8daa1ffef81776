import json

import pytest

from collectors.board import Board
from collectors.venue import Liquidated, Traded, Update
from collectors.venues.bitmex import OI, VENUE
from store.records import FeedClass, Flag, Kind, Payoff, Side, Unit

FUTURES = VENUE.segments[0]
FRAME = FUTURES.answers[0]
XBTUSD = {
    "symbol": "XBTUSD", "state": "Open", "typ": "FFWCSX", "underlying": "XBT", "quoteCurrency": "USD",
    "multiplier": -100000000, "settlCurrency": "XBt", "underlyingToSettleMultiplier": -100000000, "isQuanto": False,
    "isInverse": True, "initMargin": 0.01, "fundingInterval": "2000-01-01T08:00:00.000Z", "fundingRate": 0.00011,
    "openInterest": 411647400, "openValue": 420691293378, "markPrice": 97849.76, "indicativeSettlePrice": 97843.77,
    "timestamp": "2024-11-24T23:33:19.034Z",
}  # fmt: skip
XBTUSDT = {
    **XBTUSD, "symbol": "XBTUSDT", "quoteCurrency": "USDT", "settlCurrency": "USDt", "multiplier": 1,
    "isInverse": False, "underlyingToSettleMultiplier": None, "underlyingToPositionMultiplier": 1000000,
}  # fmt: skip
ETHUSD = {**XBTUSD, "symbol": "ETHUSD", "underlying": "ETH", "multiplier": 100, "isInverse": False, "isQuanto": True}
AT = 1732491199034


def heard(table: str, action: str, *rows: object) -> list:
    return list(FRAME.parse(FRAME.decode(json.dumps({"table": table, "action": action, "data": rows}))))


def listed(*rows: object) -> list:
    return list(FUTURES.read(FUTURES.decode(json.dumps(rows))))


def answered(path: str, reply: object) -> list:
    answer = next(a for a in FUTURES.answers if a.path == path)
    return list(answer.parse(answer.decode(json.dumps(reply))))


def test_an_inverse_contract_is_a_dollar() -> None:
    [update] = heard("instrument", "partial", XBTUSD)
    assert update == Update("XBTUSD", AT, 411_647_400.0, OI, 97_849.76, 97_843.77, 0.00011, 8.0)
    record = Board(listed(XBTUSD)).apply(update, AT + 100)
    assert record.usd == 411_647_400.0
    assert record.base == pytest.approx(4206.91293378, rel=1e-4)  # openValue, in satoshi, says the same


def test_a_linear_contract_is_a_millionth_coin() -> None:
    [instrument] = listed(XBTUSDT)
    assert (instrument.payoff, instrument.contract_size, instrument.settle) == (Payoff.LINEAR, 1e-6, "USDT")
    [update] = heard("instrument", "partial", {**XBTUSDT, "openInterest": 2_000_000_000})
    assert Board([instrument]).apply(update, AT).base == pytest.approx(2000)


def test_a_quanto_contract_is_a_millionth_bitcoin_a_point() -> None:
    [instrument] = listed(ETHUSD)
    assert (instrument.payoff, instrument.settle) == (Payoff.QUANTO, "BTC")
    assert instrument.contract_size == pytest.approx(1e-6)


def test_an_update_that_leaves_open_interest_out_says_that_it_has_not_changed() -> None:
    board = Board(listed(XBTUSD))
    [first], [later] = heard("instrument", "partial", XBTUSD), heard("instrument", "update", {"symbol": "XBTUSD"})
    assert later == Update("XBTUSD", None, None, OI, affirms=True)
    assert board.apply(first, AT).raw == 411_647_400.0
    record = board.apply(later, AT + 61_000)
    assert (record.raw, record.ts, record.flags & Flag.AFFIRMED) == (411_647_400.0, AT, Flag.AFFIRMED)
    [null] = heard("instrument", "update", {"symbol": "XBTUSD", "openInterest": None})
    assert (null.oi, null.affirms) == (None, False)
    [zero] = heard("instrument", "update", {"symbol": "XBTUSD", "openInterest": 0})
    assert zero.oi == 0.0


def test_indices_spreads_and_dated_contracts_are_not_perpetuals() -> None:
    rows = [{**XBTUSD, "symbol": symbol} for symbol in (".BXBT", "XBTM26-XBTU26", "XBTM26", "XBTUSD")]
    assert [update.symbol for update in heard("instrument", "partial", *rows)] == ["XBTUSD"]
    kinds = [{**XBTUSD, "typ": typ} for typ in ("FFWCSX", "FFCCSX", "MRCXXX", "FFMCSX")]
    assert [i.kind for i in listed(*kinds)] == [Kind.PERPETUAL, Kind.DATED]


def test_a_bought_order_closed_a_short_and_only_inserts_count() -> None:
    row = {"orderID": "dd9cea25", "symbol": "XBTUSD", "side": "Buy", "price": 10106, "leavesQty": 9214}
    assert heard("liquidation", "insert", row, {**row, "side": "Sell"}) == [
        Liquidated("XBTUSD", None, Side.SHORT, 9214.0, Unit.CONTRACTS, 10_106.0, FeedClass.FULL),
        Liquidated("XBTUSD", None, Side.LONG, 9214.0, Unit.CONTRACTS, 10_106.0, FeedClass.FULL),
    ]
    assert heard("liquidation", "delete", {"orderID": "dd9cea25", "symbol": "XBTUSD"}) == []
    assert heard("liquidation", "update", {"orderID": "dd9cea25", "symbol": "XBTUSD", "leavesQty": 1}) == []
    with pytest.raises(ValueError, match="leavesQty"):
        heard("liquidation", "insert", {"symbol": "XBTUSD", "side": "Buy", "price": 10106})


def test_a_minute_is_stamped_with_its_end() -> None:
    row = {"symbol": "XBTUSD", "timestamp": "2024-11-24T23:33:00.000Z", "volume": 97850, "homeNotional": 1.5}
    want = [Traded("XBTUSD", 1732491120000, 1.5, Unit.BASE, price=97_850.0)]
    assert heard("tradeBin1m", "insert", {**row, "close": 97850}) == want
    assert answered("/api/v1/trade/bucketed", [{**row, "close": 97850}]) == want


def test_words_beside_the_tables_say_nothing() -> None:
    assert list(FRAME.parse(FRAME.decode("pong"))) == []
    assert list(FRAME.parse(FRAME.decode('{"table":"quote","action":"insert","data":[]}'))) == []


@pytest.mark.parametrize(
    "name", ["multiplier", "underlyingToSettleMultiplier"]
)  # fmt: skip
def test_a_contract_without_its_size_is_unreadable(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        listed({k: v for k, v in XBTUSD.items() if k != name})


def test_it_is_closed_and_asks_nothing() -> None:
    assert (VENUE.closed_on, VENUE.cls, FUTURES.feeds, FUTURES.history) == ("2026-09-23", "none", (), ())
    assert [i.live for i in listed(XBTUSD, {**XBTUSD, "state": "Settled"})] == [True, False]
    assert listed(XBTUSD)[0].max_leverage == 100.0
