import gzip
import json

import pytest

from collectors.board import Board
from collectors.venue import Acked, Ignored, Lately, Refused, Tier, Traded, Update, question
from collectors.venues.mexc import HOLD, VENUE, parse
from store.records import Payoff, Status, Unit

[FUTURES] = VENUE.segments
FEED, FUNDING, CANDLES, TIERS = FUTURES.feeds
ROW = {
    "symbol": "BTC_USDT", "lastPrice": 76376.1, "fairPrice": 76374.4, "indexPrice": 76385.8, "holdVol": 95479623,
    "fundingRate": 0.0001, "timestamp": 1731137509138,
}  # fmt: skip
LISTED = {
    "symbol": "BTC_USDT", "baseCoin": "BTC", "quoteCoin": "USDT", "settleCoin": "USDT", "contractSize": 0.0001,
    "maxLeverage": 500, "state": 0, "isHidden": False,
}  # fmt: skip
DOLLAR = {**LISTED, "symbol": "BTC_USD", "quoteCoin": "USD", "settleCoin": "BTC", "contractSize": 100}


def said(**frame):
    return list(FEED.parse(FEED.decode(json.dumps(frame))))


def ticker(**more):
    return said(symbol="BTC_USDT", data={**ROW, **more}, channel="push.ticker", ts=1731137509140)


def replied(feed, data):
    return list(feed.parse(feed.decode(json.dumps({"success": True, "code": 0, "data": data}))))


def listed(*rows):
    return list(FUTURES.read(FUTURES.decode(json.dumps({"success": True, "code": 0, "data": rows}))))


def test_open_interest_is_contracts_of_a_coins_fraction() -> None:
    [update] = ticker()
    assert update == Update("BTC_USDT", 1731137509138, 95_479_623.0, HOLD, 76_374.4, 76_385.8, 0.0001)
    record = Board(listed(LISTED)).apply(update, 1731137509200)
    assert record.base == pytest.approx(9_547.9623)
    assert record.usd == pytest.approx(729_219_891.9, abs=0.1)  # 9,547.9623 x 76,374.4
    assert (HOLD.sides, HOLD.status) == (1, Status.DISPUTED)


def test_an_inverse_contract_is_some_dollars() -> None:
    [instrument] = listed(DOLLAR)
    assert (instrument.payoff, instrument.settle, instrument.contract_size) == (Payoff.INVERSE, "BTC", 100.0)
    [update] = ticker(symbol="BTC_USD", holdVol=20000, fairPrice=80000)
    record = Board([instrument]).apply(update, 1731137509200)
    assert (record.usd, record.base) == (2_000_000.0, 25.0)


def test_zero_is_zero_and_null_is_no_value() -> None:
    assert [ticker(holdVol=value)[0].oi for value in (0, None, "")] == [0.0, None, None]


def test_a_ticker_without_its_open_interest_is_unreadable() -> None:
    row = {k: v for k, v in ROW.items() if k != "holdVol"}
    with pytest.raises(ValueError, match="left out"):
        said(symbol="BTC_USDT", data=row, channel="push.ticker")


def test_a_ticker_without_its_own_time_has_its_frames() -> None:
    [update] = ticker(timestamp=None)
    assert update.ts == 1731137509140


def test_a_quiet_contract_is_given_more_time_than_the_line() -> None:
    assert (FEED.cadence, FEED.line) == (30, 5)


def test_packed_frames_are_read_too() -> None:
    frame = json.dumps({"symbol": "BTC_USDT", "data": ROW, "channel": "push.ticker"}).encode()
    [update] = FEED.parse(FEED.decode(gzip.compress(frame)))
    assert update.oi == 95_479_623.0
    with pytest.raises(EOFError):
        FEED.decode(gzip.compress(frame)[:20])


def test_the_tickers_of_all_symbols_state_no_open_interest() -> None:
    row = {"symbol": "BSV_USDT", "lastPrice": 183, "fairPrice": 183.01, "volume24": 200}
    assert said(channel="push.tickers", data=[row], ts=1587442022003) == [
        Update("BSV_USDT", 1587442022003, mark=183.01)
    ]


def test_channels_of_one_number() -> None:
    price = {"price": 76374.5, "symbol": "BTC_USDT"}
    assert said(channel="push.fair.price", data=price, ts=5) == [Update("BTC_USDT", 5, mark=76_374.5)]
    assert said(channel="push.index.price", data=price, ts=5) == [Update("BTC_USDT", 5, index=76_374.5)]
    rate = {"rate": 0.001, "symbol": "BTC_USDT", "nextSettleTime": 1587445200000}
    assert said(channel="push.funding.rate", data=rate, ts=5) == [Update("BTC_USDT", 5, funding=0.001)]


def test_the_funding_interval_is_asked_for() -> None:
    reply = {"symbol": "BTC_USDT", "fundingRate": 0.000014, "collectCycle": 8, "timestamp": 1643240373359}
    assert replied(FUNDING, reply) == [
        Update("BTC_USDT", 1643240373359, funding=0.000014, funding_interval_h=8.0)
    ]  # fmt: skip
    assert FUNDING.ask(listed(LISTED)[0]).url.endswith("/contract/funding_rate/BTC_USDT")


def test_lists_and_single_rows_over_rest_are_readable() -> None:
    [answer] = FUTURES.answers
    reply = {"success": True, "code": 0, "data": [ROW]}
    assert [(u.symbol, u.oi) for u in answer.parse(answer.decode(json.dumps(reply)))] == [("BTC_USDT", 95_479_623.0)]
    assert [(u.symbol, u.oi) for u in replied(FUNDING, ROW)] == [("BTC_USDT", 95_479_623.0)]


def test_traded_minutes_are_contracts_and_the_newest_still_runs() -> None:
    columns = {"time": [1731137460, 1731137520], "close": [76_400.5, 76_410.0], "vol": [67332, 0], "open": [1, 1]}
    assert replied(CANDLES, columns) == [
        Traded("", 1731137460000, 67_332.0, Unit.CONTRACTS, price=76_400.5),
        Traded("", 1731137520000, 0.0, Unit.CONTRACTS, price=76_410.0, final=False),
    ]
    past, *_ = FUTURES.history
    assert [minute.final for minute in replied(past, columns)] == [True, True]
    with pytest.raises(ValueError, match="zip"):
        replied(CANDLES, {**columns, "vol": [1]})


def test_the_last_minutes_are_asked_for_in_seconds() -> None:
    assert isinstance(CANDLES.ask, Lately)
    url = question(CANDLES.ask, listed(LISTED)[0], 1731137520999).url
    assert url.endswith("/contract/kline/BTC_USDT?interval=Min1&start=1731137221&end=1731137520")


def test_a_ladder_that_is_listed() -> None:
    steps = [
        {"level": 2, "maxVol": 200000, "mmr": 0.002, "imr": 0.004, "maxLeverage": 250},
        {"level": 1, "maxVol": 50000, "mmr": 0.001, "imr": 0.002, "maxLeverage": 500},
    ]
    row = {**LISTED, "riskLimitMode": "CUSTOM", "riskLimitType": "BY_VOLUME", "riskLimitCustom": steps}
    assert replied(TIERS, [row]) == [
        Tier("BTC_USDT", 1, 0.0, 50_000.0, Unit.CONTRACTS, 0.001, 500.0),
        Tier("BTC_USDT", 2, 50_000.0, 200_000.0, Unit.CONTRACTS, 0.002, 250.0),
    ]
    assert {tier.unit for tier in replied(TIERS, [{**row, "riskLimitType": "BY_VALUE"}])} == {Unit.USD}


def test_a_ladder_by_rule() -> None:
    rule = {
        "riskBaseVol": 10000, "riskIncrVol": 20000, "riskIncrMmr": 0.0625, "riskIncrImr": 0.125, "riskLevelLimit": 3,
        "maintenanceMarginRate": 0.0625, "initialMarginRate": 0.125,
    }  # fmt: skip
    assert replied(TIERS, [{**LISTED, **rule}]) == [
        Tier("BTC_USDT", 1, 0.0, 10_000.0, Unit.CONTRACTS, 0.0625, 8.0),
        Tier("BTC_USDT", 2, 10_000.0, 30_000.0, Unit.CONTRACTS, 0.125, 4.0),
        Tier("BTC_USDT", 3, 30_000.0, 50_000.0, Unit.CONTRACTS, 0.1875, pytest.approx(8 / 3)),
    ]
    assert replied(TIERS, [LISTED]) == []  # says neither
    assert replied(TIERS, [{**LISTED, **rule, "riskLevelLimit": 2**40}]) == []  # steps without end


def test_who_is_listed_and_who_is_live() -> None:
    states = [{**LISTED, "state": state} for state in (0, 1, 2, 3, 4)]
    assert [i.live for i in listed(*states, {**LISTED, "isHidden": True})] == [True, False, False, False, False, False]
    [one] = listed({**LISTED, "symbol": "1000BONK_USDT", "baseCoin": "1000BONK"})
    assert (one.asset, one.base_factor, one.max_leverage, one.funding_interval_h) == ("BONK", 1000.0, 500.0, None)


def test_subscriptions_are_single_and_want_no_packing() -> None:
    assert list(FEED.subscribe(listed(LISTED), 1)) == [
        {"method": "sub.ticker", "param": {"symbol": "BTC_USDT"}, "gzip": False}
    ]
    assert FEED.batch == 1
    assert FEED.heartbeat.message == {"method": "ping"}


def test_answers_to_subscriptions_name_nobody() -> None:
    assert said(channel="rs.sub.ticker", data="success", ts="1731137508000") == [Acked()]
    words = "Contract doesn't exist!"
    assert said(channel="rs.error", data=words, ts="1587442022003") == [Refused(words)]
    assert said(success=False, code=1001, message=words) == [Refused(words)]


def test_what_says_nothing_of_a_market_is_ignored() -> None:
    assert said(channel="pong", data=1587453241453) == []
    assert said(channel="push.kline", data={"symbol": "BTC_USDT", "t": 1731137460, "q": 5}, ts=5) == [
        Ignored("push.kline")
    ]
    assert said(channel="push.deal", data=[{"p": 1, "v": 2, "T": 1, "t": 5}], symbol="BTC_USDT") == [
        Ignored("push.deal")
    ]
    assert FEED.parse is parse
