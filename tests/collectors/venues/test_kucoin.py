import json

import pytest

from collectors.board import Board
from collectors.venue import Acked, Lately, Refused, Tier, Traded, Update, question
from collectors.venues.kucoin import LOTS, VENUE
from store.records import Kind, Payoff, Source, Status, Unit

FUTURES, ENDING = VENUE.segments
LEVELS, SOCKET, CANDLES, TIERS = FUTURES.feeds
LISTED = {
    "symbol": "XBTUSDTM", "type": "FFWCSX", "baseCurrency": "XBT", "quoteCurrency": "USDT", "settleCurrency": "USDT",
    "multiplier": 0.001, "isInverse": False, "status": "Open", "openInterest": "9548500", "markPrice": 80000,
    "indexPrice": 80010, "fundingFeeRate": 0.0001, "fundingRateGranularity": 28800000, "maxLeverage": 125,
}  # fmt: skip
DOLLAR = {
    **LISTED, "symbol": "XBTUSDM", "quoteCurrency": "USD", "settleCurrency": "XBT", "multiplier": -1,
    "isInverse": True, "openInterest": "72000000",
}  # fmt: skip
TOPIC = "/contract/instrument:XBTUSDTM"


def replied(feed, data):
    return list(feed.parse(feed.decode(json.dumps({"code": "200000", "data": data}))))


def said(**frame):
    return list(SOCKET.parse(SOCKET.decode(json.dumps(frame))))


def listed(*rows):
    return list(FUTURES.read(FUTURES.decode(json.dumps({"code": "200000", "data": rows}))))


def answered(frame):
    for answer in FUTURES.answers:
        try:
            return list(answer.parse(answer.decode(json.dumps(frame))))
        except ValueError:
            continue
    raise AssertionError("no answer reads it")


def test_open_interest_is_lots_of_a_coins_fraction_at_no_stated_time() -> None:
    [update] = replied(LEVELS, [LISTED])
    assert update == Update("XBTUSDTM", None, 9_548_500.0, LOTS, 80_000.0, 80_010.0, 0.0001, 8.0)
    record = Board(listed(LISTED)).apply(update, 1790000000200, Source.POLL)
    assert record.base == pytest.approx(9_548.5)
    assert record.usd == pytest.approx(763_880_000)
    assert record.ts == 1790000000200
    assert (LOTS.sides, LOTS.status) == (1, Status.DISPUTED)


def test_an_inverse_lot_is_a_dollar_whatever_the_sign_of_its_multiplier() -> None:
    [instrument] = listed(DOLLAR)
    assert (instrument.payoff, instrument.contract_size) == (Payoff.INVERSE, 1.0)
    assert (instrument.asset, instrument.settle) == ("BTC", "BTC")
    record = Board([instrument]).apply(*replied(LEVELS, [DOLLAR]), 1790000000200, Source.POLL)
    assert (record.usd, record.base) == (72_000_000.0, 900.0)


def test_zero_is_zero_and_empty_is_no_value() -> None:
    values = [replied(LEVELS, [{**LISTED, "openInterest": value}])[0].oi for value in ("0", "", None)]
    assert values == [0.0, None, None]
    [update] = replied(LEVELS, [{**LISTED, "fundingFeeRate": 0, "markPrice": None}])
    assert (update.funding, update.mark) == (0.0, None)


def test_a_contract_that_does_not_say_its_open_interest_is_unreadable() -> None:
    with pytest.raises(ValueError, match="left out"):
        replied(LEVELS, [{k: v for k, v in LISTED.items() if k != "openInterest"}])


def test_dated_contracts_are_a_segment_of_their_own() -> None:
    dated = {**DOLLAR, "symbol": "XBTMZ26", "type": "FFICSX", "expireDate": 1798185600000, "fundingFeeRate": None}
    assert replied(LEVELS, [dated]) == []
    assert listed(dated) == []
    reply = json.dumps({"code": "200000", "data": [LISTED, dated, {**dated, "symbol": "XBTMH27", "expireDate": None}]})
    contract, endless = ENDING.read(ENDING.decode(reply))
    assert (contract.kind, contract.expiry, contract.contract_size, contract.funding_interval_h) == (
        Kind.DATED, 1798185600000, 1.0, None
    )  # fmt: skip
    assert (contract.live, endless.live, ENDING.lists) == (True, False, Kind.DATED)
    [update, _] = replied(ENDING.feeds[0], [LISTED, dated, {**dated, "symbol": "XBTMH27"}])
    assert update == Update("XBTMZ26", None, 72_000_000.0, LOTS, 80_000.0, 80_010.0)
    assert Board([contract]).apply(update, 1790000000200, Source.POLL).usd == 72_000_000.0
    assert [s.owns("XBTMZ26") for s in VENUE.segments] == [False, True]
    with pytest.raises(ValueError, match="left out"):
        replied(ENDING.feeds[0], [{k: v for k, v in dated.items() if k != "openInterest"}])


def test_the_socket_pushes_marks_and_funding_and_no_open_interest() -> None:
    mark = {"markPrice": 90445.02, "indexPrice": 90446.5, "granularity": 1000, "timestamp": 1731899129000}
    assert said(topic=TOPIC, type="message", subject="mark.index.price", data=mark) == [
        Update("XBTUSDTM", 1731899129000, mark=90_445.02, index=90_446.5)
    ]
    rate = {"granularity": 60000, "fundingRate": -0.002966, "timestamp": 1551770400000}
    assert said(topic=TOPIC, type="message", subject="funding.rate", data=rate) == [
        Update("XBTUSDTM", 1551770400000, funding=-0.002966)
    ]
    assert "oi" not in SOCKET.gives


def test_every_dial_begins_with_a_question_for_a_token() -> None:
    assert (SOCKET.token.url, SOCKET.token.method) == ("https://api-futures.kucoin.com/api/v1/bullet-public", "POST")
    server = {"endpoint": "wss://ws-api-futures.kucoin.com/", "protocol": "websocket", "encrypt": True,
              "pingInterval": 18000, "pingTimeout": 10000}  # fmt: skip
    reply = {"code": "200000", "data": {"token": "2neAiuYv=/+x", "instanceServers": [server]}}
    assert SOCKET.dial(SOCKET.decode(json.dumps(reply))) == (
        "wss://ws-api-futures.kucoin.com/?token=2neAiuYv%3D%2F%2Bx&connectId=oi"
    )
    assert SOCKET.greets
    assert said(id="oi", type="welcome") == []


@pytest.mark.parametrize("data", [None, {"instanceServers": []}, {"token": "x", "instanceServers": []}])
def test_a_reply_without_a_token_or_a_server_opens_nothing(data) -> None:
    with pytest.raises((ValueError, LookupError)):
        SOCKET.dial(SOCKET.decode(json.dumps({"code": "200000", "data": data})))


def test_the_unified_sockets_open_interest_is_left_out() -> None:
    mark = {"s": "ETHUSDTM", "mp": "1569.15", "ip": "1569.87", "oi": "50541824", "ts": 1782834987000}
    assert answered({"T": "mark-price", "P": "1782834987171570181", "d": mark}) == [
        Update("ETHUSDTM", 1782834987000, mark=1_569.15, index=1_569.87)
    ]
    fee = {"s": "ETHUSDTM", "fr": "0.000035", "ft": 1782806400000, "nt": 1782835200000, "gl": 28800000}
    assert answered({"T": "funding-fee", "d": fee}) == [Update("ETHUSDTM", funding=0.000035, funding_interval_h=8.0)]


def test_a_list_of_levels_has_the_venues_time() -> None:
    levels, *_ = FUTURES.history
    row = {"symbol": "ETHUSDTM", "openInterest": "8053960", "ts": 1774007467050}
    assert replied(levels, [row]) == [Update("ETHUSDTM", 1774007467050, 8_053_960.0, LOTS)]
    ask = levels.ask(listed(LISTED)[0], 1774000000000, 1774003600000)
    span = "symbol=XBTUSDTM&interval=5min&startAt=1774000000000&endAt=1774003600000&pageSize=200"
    assert ask.url == f"https://api.kucoin.com/api/ua/v1/market/open-interest?{span}"


def test_rates_are_named_after_their_index_and_know_their_interval() -> None:
    now = {"symbol": ".ETHUSDTMFPI8H", "nextFundingRate": -3.4e-05, "currentGranularity": 28800000}
    assert answered({"data": now}) == [Update("ETHUSDTM", funding=-3.4e-05, funding_interval_h=8.0)]
    old = {"symbol": ".ETHUSDTMFPI8H", "granularity": 14400000, "value": -3.2e-05}
    assert answered({"data": old}) == [Update("ETHUSDTM", funding=-3.2e-05, funding_interval_h=4.0)]


def test_unified_tickers_are_timed_in_nanoseconds() -> None:
    row = {"symbol": "ETHUSDTM", "lastPrice": "1573.63", "indexPrice": "1572.67", "markPrice": "1572.68"}
    frame = {"code": "200000", "data": {"tradeType": "FUTURES", "ts": 1782828116206000000, "list": [row]}}
    assert answered(frame) == [Update("ETHUSDTM", 1782828116206, mark=1_572.68, index=1_572.67)]


def test_traded_minutes_are_lots_and_the_newest_still_runs() -> None:
    rows = [[1790000040000, 1.5, 3.5, 0.5, 2.5, 67332, 1.0], [1790000100000, 2.5, 2.5, 2.5, 2.75, 0, 0]]
    assert replied(CANDLES, rows) == [
        Traded("", 1790000040000, 67_332.0, Unit.CONTRACTS, price=2.5),
        Traded("", 1790000100000, 0.0, Unit.CONTRACTS, price=2.75, final=False),
    ]
    _, past, _ = FUTURES.history
    assert [minute.final for minute in replied(past, rows)] == [True, True]
    assert isinstance(CANDLES.ask, Lately)
    url = question(CANDLES.ask, listed(LISTED)[0], 1790000400000).url
    assert url.endswith("/kline/query?symbol=XBTUSDTM&granularity=1&from=1790000100000&to=1790000400000")


def test_a_ladder_is_bounded_in_quote() -> None:
    row = {"symbol": "XBTUSDTM", "level": 2, "maxRiskLimit": 600000, "minRiskLimit": 250000, "maxLeverage": 100,
           "initialMargin": 0.01, "maintainMargin": 0.005}  # fmt: skip
    assert replied(TIERS, [row]) == [Tier("", 2, 250_000.0, 600_000.0, Unit.USD, 0.005, 100.0)]
    assert TIERS.ask(listed(LISTED)[0]).url.endswith("/contracts/risk-limit/XBTUSDTM")


def test_who_is_listed_and_who_is_live() -> None:
    assert [i.live for i in listed(LISTED, {**LISTED, "status": "Paused"})] == [True, False]
    [one] = listed({**LISTED, "symbol": "1000BONKUSDTM", "baseCurrency": "1000BONK", "fundingRateGranularity": None})
    assert (one.asset, one.base_factor, one.contract_size) == ("BONK", 1000.0, 0.001)
    assert (one.max_leverage, one.funding_interval_h) == (125.0, None)


def test_subscriptions_and_the_answers_to_them() -> None:
    [message] = SOCKET.subscribe(listed(LISTED), 7)
    assert message == {"id": 7, "type": "subscribe", "topic": TOPIC, "response": True}
    assert said(id="7", type="ack") == [Acked(7)]
    words = "topic /foo is not found"
    assert said(id="7", type="error", code=404, data=words) == [Refused(f"404 {words}", 7)]
    assert SOCKET.batch == 1


def test_what_says_nothing_of_a_market_is_ignored() -> None:
    assert SOCKET.heartbeat.message == {"id": "0", "type": "ping"}
    assert said(id="0", type="pong") == []
    candle = {"symbol": "XBTUSDTM", "candles": ["1790000040", "1", "2", "3", "4", "5", "6"], "time": 1790000040000}
    assert said(topic="/contractMarket/limitCandle:XBTUSDTM_1min", type="message", data=candle) == []
