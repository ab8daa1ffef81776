import gzip
import json

import pytest

from collectors.board import Board
from collectors.connection import UNREADABLE
from collectors.venue import Acked, Ask, Liquidated, Ratio, Refused, Socket, Update
from collectors.venues.htx import COINS, CONTRACTS, VENUE
from store.records import FeedClass, Instrument, Payoff, Quarantined, Side, Source, Unit

LINEAR, INVERSE = VENUE.segments
LEVELS, PRICES, DEATHS, RATES, ACCOUNTS, POSITIONS = LINEAR.feeds
LISTED = {
    "symbol": "BTC", "contract_code": "BTC-USDT", "contract_size": 0.001, "contract_status": 1,
    "contract_type": "swap", "business_type": "swap",
}  # fmt: skip
COIN_LISTED = {"symbol": "BTC", "contract_code": "BTC-USD", "contract_size": 100.0, "contract_status": 1}
LEVEL = {"volume": 32476092.0, "amount": 32476.092, "contract_code": "BTC-USDT", "trade_volume": 11371362}
DEATH = {
    "contract_code": "BTC-USDT", "direction": "sell", "offset": "close", "volume": 231, "price": 63510.5,
    "amount": 0.231, "created_at": 1781327944967,
}  # fmt: skip


def listed(segment, *rows: object) -> list[Instrument]:
    return list(segment.read(segment.decode(json.dumps({"status": "ok", "data": rows, "ts": 1}))))


def replied(feed, data: object, **more: object) -> list[object]:
    return list(feed.parse(feed.decode(json.dumps({"status": "ok", "data": data, "ts": 1781327941440, **more}))))


def said(feed: Socket, **frame: object) -> list[object]:
    frame = {key.replace("_", "-"): value for key, value in frame.items()}
    return list(feed.parse(feed.decode(gzip.compress(json.dumps(frame).encode()))))


def test_volume_is_contracts_of_both_sides() -> None:
    [update] = replied(LEVELS, [LEVEL])
    assert update == Update("BTC-USDT", 1781327941440, 32_476_092.0, CONTRACTS)
    board = Board(listed(LINEAR, LISTED))
    board.apply(Update("BTC-USDT", mark=63_500.0), 1781327941000)
    record = board.apply(update, 1781327941500, Source.POLL)
    assert record.base == pytest.approx(16_238.046)
    assert record.usd == pytest.approx(1_031_115_921)


def test_an_inverse_contract_is_a_hundred_dollars() -> None:
    [instrument] = listed(INVERSE, COIN_LISTED)
    assert (instrument.payoff, instrument.settle, instrument.contract_size) == (Payoff.INVERSE, "BTC", 100.0)
    [update] = replied(INVERSE.feeds[0], [{**LEVEL, "contract_code": "BTC-USD", "volume": 518018.0}])
    board = Board([instrument])
    board.apply(Update("BTC-USD", mark=18_700.0), 1781327941000)
    record = board.apply(update, 1781327941500, Source.POLL)
    assert record.usd == 25_900_900.0
    assert record.base == pytest.approx(1_385.07486631)


def test_linear_contracts_can_be_asked_for_one_by_one_should_the_question_for_all_end() -> None:
    _, alone = LINEAR.answers
    row = {**LEVEL, "volume": "32476092", "trade_volume": "11371362", "value": "2063137924.9668"}
    assert replied(alone, row, code=200) == [
        Update("BTC-USDT", 1781327941440, 32_476_092.0, CONTRACTS, usd=2_063_137_924.9668)
    ]
    [btc] = listed(LINEAR, LISTED)
    assert alone.ask(btc) == Ask("https://api.hbdm.com/v5/market/open_interest?contract_code=BTC-USDT")
    assert [answer.ask for answer in INVERSE.answers] == [None]


@pytest.mark.parametrize(("volume", "oi"), [(0, 0.0), ("0", 0.0), ("", None), (None, None)])
def test_zero_is_zero_and_empty_is_no_value(volume: object, oi: float | None) -> None:
    [update] = replied(LEVELS, [{**LEVEL, "volume": volume}])
    assert update.oi == oi


def test_a_level_without_its_volume_is_unreadable() -> None:
    with pytest.raises(ValueError, match="volume"):
        replied(LEVELS, [{k: v for k, v in LEVEL.items() if k != "volume"}])


def test_an_error_in_a_reply_is_no_empty_list() -> None:
    with pytest.raises(ValueError, match="data"):
        LEVELS.decode('{"status":"error","err_code":1030,"err_msg":"Abnormal service","ts":1}')


def test_the_mark_is_the_close_of_its_candle_and_the_index_is_in_the_basis() -> None:
    tick = {"close": "63527.9", "open": "1", "vol": "0", "id": 1781327940}
    assert said(PRICES, ch="market.BTC-USDT.mark_price.1min", ts=1781327941500, tick=tick) == [
        Update("BTC-USDT", 1781327941500, mark=63_527.9)
    ]
    tick = {"index_price": "63540.41", "contract_price": "63527.9", "basis": "-12.51"}
    assert said(PRICES, ch="market.BTC-USDT.basis.1min.close", ts=1781327941500, tick=tick) == [
        Update("BTC-USDT", 1781327941500, index=63_540.41)
    ]


def test_a_mark_without_its_close_is_unreadable() -> None:
    with pytest.raises(LookupError, match="close"):
        said(PRICES, ch="market.BTC-USDT.mark_price.1min", ts=1, tick={"open": "1"})


def test_a_candle_of_trades_prices_nothing() -> None:
    assert said(PRICES, ch="market.BTC-USDT.detail", ts=1, tick={"close": "63528"}) == []


def test_the_funding_interval_lies_between_two_settlements() -> None:
    row = {"contract_code": "ETH-USDT", "funding_rate": "-0.00003", "funding_time": "1781251200000"}
    [update] = replied(RATES, [{**row, "next_funding_time": "1781265600000"}])
    assert (update.symbol, update.funding, update.funding_interval_h) == ("ETH-USDT", -0.00003, 4.0)
    [update] = replied(RATES, [{**row, "next_funding_time": None}])
    assert update.funding_interval_h is None
    assert listed(INVERSE, COIN_LISTED)[0].funding_interval_h == 8.0


@pytest.mark.parametrize(("direction", "side"), [("sell", Side.LONG), ("buy", Side.SHORT)])
def test_direction_is_of_the_closing_order(direction: str, side: Side) -> None:
    topic = "public.BTC-USDT.liquidation_orders"
    [death] = said(DEATHS, op="notify", topic=topic, ts=1781327945000, data=[{**DEATH, "direction": direction}])
    assert death == Liquidated(
        "BTC-USDT", 1781327944967, side, 231.0, Unit.CONTRACTS, 63_510.5, FeedClass.THROTTLED
    )  # fmt: skip
    record = Board(listed(LINEAR, LISTED)).liquidation(death, 1781327945100)
    assert (record.base, record.usd) == (pytest.approx(0.231), pytest.approx(14_670.9255))


def test_a_forced_close_of_another_direction_is_unreadable() -> None:
    with pytest.raises(ValueError, match="direction"):
        said(DEATHS, op="notify", topic="public.BTC-USDT.liquidation_orders", data=[{**DEATH, "direction": "hold"}])


def test_past_forced_closes_name_the_position() -> None:
    reader, _ = LINEAR.answers
    row = {
        "contract_code": "BTC-USDT", "liquidation_time": "1781849094165", "side": "buy", "position_side": "short",
        "volume": "2", "amount": "2", "bankrupt_price": "62978.5",
    }  # fmt: skip
    [death] = reader.parse(reader.decode(json.dumps({"code": 200, "data": [row], "ts": 1})))
    assert (death.side, death.size, death.price, death.ts) == (Side.SHORT, 2.0, 62_978.5, 1781849094165)


def test_the_past_is_in_contracts_as_asked_or_in_coins() -> None:
    history, *_ = LINEAR.history
    ask = history.ask(listed(LINEAR, LISTED)[0], 0, 1)
    assert ask.url.endswith("?contract_code=BTC-USDT&contract_type=swap&period=60min&amount_type=1&size=200")
    tick = {"volume": "4385.435", "amount_type": "2", "ts": "1648220400000"}
    points = {"contract_code": "BTC-USDT", "tick": [tick, {**tick, "volume": 4385435, "amount_type": 1}]}
    assert list(history.parse(history.decode(json.dumps({"data": points, "ts": "1"})))) == [
        Update("BTC-USDT", 1648220400000, 4385.435, COINS),
        Update("BTC-USDT", 1648220400000, 4385435.0, CONTRACTS),
    ]


def test_ratios_are_of_the_newest_point_and_of_elite_accounts_only() -> None:
    points = [
        {"buy_ratio": 0.56, "sell_ratio": 0.4, "locked_ratio": 0.04, "ts": 1781327700000},
        {"buy_ratio": 0.6, "sell_ratio": 0.38, "locked_ratio": 0.02, "ts": 1781327400000},
    ]
    data = {"contract_code": "BTC-USDT", "symbol": "BTC", "list": points}
    [account] = replied(ACCOUNTS, data)
    assert account == Ratio("BTC-USDT", 1781327700000, "top_account", pytest.approx(1.4))
    [position] = replied(POSITIONS, data)
    assert position.kind == "top_position"
    assert replied(POSITIONS, {**data, "list": [{**points[0], "sell_ratio": 0}]}) == []


def test_a_time_without_end_is_an_unreadable_frame_and_no_bug() -> None:
    point = {"buy_ratio": 0.5, "sell_ratio": 0.4, "ts": "Infinity"}
    with pytest.raises(UNREADABLE):
        replied(ACCOUNTS, {"contract_code": "BTC-USDT", "list": [point]})


def test_each_dialect_has_its_ping() -> None:
    def answered(**frame: object) -> object:
        return PRICES.answer(PRICES.decode(gzip.compress(json.dumps(frame).encode())))

    assert answered(ping=1492420473027) == {"pong": 1492420473027}
    assert answered(op="ping", ts="1645202800015") == {"op": "pong", "ts": "1645202800015"}, "a text stays a text"
    assert answered(op="ping", ts=1645202800015) == {"op": "pong", "ts": 1645202800015}
    assert answered(op="sub", ts=1, cid="1") is None


def test_answers_to_subscriptions() -> None:
    mark = "market.BTC-USDT.mark_price.1min"
    assert said(PRICES, id="7", status="ok", subbed=mark, ts=1) == [Acked(7, "BTC-USDT")]
    assert said(PRICES, id="7", status="ok", subbed="market.BTC-USDT.basis.1min.close", ts=1) == []
    fault = {"err_code": "bad-request", "err_msg": "invalid topic market.foo"}
    assert said(PRICES, ts=1, status="error", id="7", **fault) == [Refused("bad-request invalid topic market.foo", 7)]
    topic = "public.FOO-USDT.liquidation_orders"
    assert said(DEATHS, op="sub", cid="8", topic=topic, err_code=0) == [Acked(8, "FOO-USDT")]
    fault = {"err_code": 2011, "err_msg": "Contract doesn't exist."}
    assert said(DEATHS, op="sub", cid="8", topic=topic, **fault) == [
        Refused("2011 Contract doesn't exist.", 8, "FOO-USDT")
    ]


def test_subscriptions_name_one_instrument_each() -> None:
    [instrument] = listed(LINEAR, LISTED)
    assert [m["sub"] for m in PRICES.subscribe([instrument], 7)] == [
        "market.BTC-USDT.mark_price.1min",
        "market.BTC-USDT.basis.1min.close",
    ]
    [message] = DEATHS.subscribe([instrument], 8)
    assert message == {"op": "sub", "cid": "8", "topic": "public.BTC-USDT.liquidation_orders"}
    assert (PRICES.batch, DEATHS.batch) == (1, 1), "a refusal is of one instrument"


def test_only_trading_swaps_are_collected() -> None:
    dated = {**LISTED, "contract_code": "BTC-USDT-261225", "contract_type": "quarter", "business_type": "futures"}
    rows = listed(LINEAR, LISTED, dated, {**LISTED, "contract_code": "ETH-USDT", "contract_status": 0})
    assert [(i.symbol, i.live) for i in rows] == [("BTC-USDT", True), ("ETH-USDT", False)]
    assert (rows[0].asset, rows[0].quote, rows[0].settle) == ("BTC", "USDT", "USDT")


def test_each_segment_owns_its_own() -> None:
    assert [s.owns("BTC-USDT") for s in VENUE.segments] == [True, False]
    assert [s.owns("BTC-USD") for s in VENUE.segments] == [False, True]


@pytest.mark.parametrize(("value", "checks"), [(2063137924.9668, []), (1031568962.4834, ["implied_price"])])
def test_the_value_in_dollars_is_held_against_the_contracts(value: float, checks: list[str]) -> None:
    [update] = replied(LEVELS, [{**LEVEL, "value": value}])
    aside: list[object] = []
    board = Board(listed(LINEAR, LISTED), sink=aside.append)
    board.apply(Update("BTC-USDT", update.ts, mark=63_600.0), update.ts)
    record = board.apply(update, update.ts)
    assert (record is None) == bool(checks)
    assert [q.check for q in aside if isinstance(q, Quarantined)] == checks


def test_of_what_was_paid_the_newest_rows_are_told() -> None:
    asked = [
        segment.history[1].ask(Instrument("htx", "x", "BTC", "BTC", "", ""), 1, 2).url for segment in (LINEAR, INVERSE)
    ]
    assert [url.rpartition("/")[2] for url in asked] == [
        "funding_rate_history?contract_code=BTC&limit=100",
        "swap_historical_funding_rate?contract_code=BTC&page_size=50",
    ]  # fmt: skip
    row = {"funding_rate": "0.000100000000000000", "realized_rate": None, "funding_time": "1781251200000"}
    for segment, data in ((LINEAR, [row]), (INVERSE, {"total_page": 6810, "data": [row]})):
        paid = segment.history[1]
        assert not paid.bounded
        assert list(paid.parse(paid.decode(json.dumps({"data": data})))) == [Update("", 1781251200000, funding=1e-4)]
