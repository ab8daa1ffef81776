import json

import pytest

from collectors.board import Board
from collectors.venue import Acked, Liquidated, Poll, Ratio, Refused, Tier, Traded, Update
from collectors.venues.bitget import HOLDING, SIZE, STATED, VENUE
from store.records import FeedClass, Kind, Payoff, Side, Status, Unit

USDT, USDC, COIN, DATED = VENUE.segments
LEVELS, DEATHS, CANDLES, ACCOUNTS, TIERS = USDT.feeds
ARG = {"instType": "USDT-FUTURES", "channel": "ticker", "instId": "BTCUSDT"}
ROW = {
    "instId": "BTCUSDT", "symbol": "BTCUSDT", "lastPr": "76631.3", "fundingRate": "0.0001", "markPrice": "76630.1",
    "indexPrice": "76671.43", "holdingAmount": "29539.3825", "ts": "1777358880082",
}  # fmt: skip
ROW3 = {"lastPrice": "76631.3", "indexPrice": "76671.5", "markPrice": "76631", "fundingRate": "-0.00003",
        "openInterest": "29539.3825"}  # fmt: skip
DEATH = {"symbol": "APEUSDT", "side": "buy", "price": "0.1649", "amount": "13.70319", "ts": "1777358886549"}
LISTED = {
    "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "symbolType": "perpetual", "symbolStatus": "normal",
    "fundInterval": "8", "maxLever": "125", "sizeMultiplier": "0.0001",
}  # fmt: skip


def heard(feed, arg, *rows, **more):
    frame = {"action": "snapshot", "arg": arg, "data": rows, "ts": 1777358880084, **more}
    return list(feed.parse(feed.decode(json.dumps(frame))))


def said(feed, **frame):
    return list(feed.parse(feed.decode(json.dumps(frame))))


def replied(feed, data):
    return list(feed.parse(feed.decode(json.dumps({"code": "00000", "data": data}))))


def answered(segment, data):
    for answer in segment.answers:
        try:
            return list(answer.parse(answer.decode(json.dumps({"code": "00000", "data": data}))))
        except ValueError:
            continue
    raise AssertionError("no answer reads it")


def listed(segment, *rows):
    return list(segment.read(segment.decode(json.dumps({"code": "00000", "data": rows}))))


def test_open_interest_is_coins_of_one_side_at_the_rows_time() -> None:
    [update] = heard(LEVELS, ARG, ROW)
    assert update == Update("BTCUSDT", 1777358880082, 29_539.3825, HOLDING, 76_630.1, 76_671.43, 0.0001)
    record = Board(listed(USDT, LISTED)).apply(update, 1777358880200)
    assert record.base == 29_539.3825
    assert record.usd == pytest.approx(2_263_605_834.91, abs=0.01)  # 29,539.3825 x 76,630.1
    assert record.funding_interval_h == 8.0
    assert all(field.status is Status.DISPUTED and field.sides == 1 for field in VENUE.fields)


def test_contracts_settled_in_coins_count_coins_too() -> None:
    arg = {**ARG, "instType": "COIN-FUTURES", "instId": "BTCUSD"}
    [instrument] = listed(COIN, {**LISTED, "symbol": "BTCUSD", "quoteCoin": "USD"})
    assert (instrument.payoff, instrument.settle, instrument.segment) == (Payoff.INVERSE, "BTC", "coin")
    row = {**ROW, "instId": "BTCUSD", "holdingAmount": "57.714", "markPrice": "80000"}
    [update] = heard(COIN.feeds[0], arg, row)
    record = Board([instrument]).apply(update, 1777358880200)
    assert (record.base, record.usd) == (57.714, 57.714 * 80_000)


def test_zero_is_zero_and_empty_is_no_value() -> None:
    values = [heard(LEVELS, ARG, {**ROW, "holdingAmount": text})[0].oi for text in ("0", "", None)]
    assert values == [0.0, None, None]
    [update] = heard(LEVELS, ARG, {**ROW, "fundingRate": "", "markPrice": "", "indexPrice": ""})
    assert (update.mark, update.index, update.funding) == (None, None, None)


def test_a_ticker_without_its_open_interest_is_unreadable() -> None:
    with pytest.raises(ValueError, match="left out"):
        heard(LEVELS, ARG, {k: v for k, v in ROW.items() if k != "holdingAmount"})


def test_a_ticker_of_v3_is_named_by_its_frame_and_has_its_time() -> None:
    arg = {"instType": "usdt-futures", "topic": "ticker", "symbol": "BTCUSDT"}
    assert heard(DEATHS, arg, ROW3) == [
        Update("BTCUSDT", 1777358880084, 29_539.3825, STATED, 76_631.0, 76_671.5, -0.00003)
    ]


def test_the_unit_of_v3_is_not_known_where_contracts_are_settled_in_coins() -> None:
    arg = {"instType": "coin-futures", "topic": "ticker", "symbol": "BTCUSD_CM"}
    assert heard(COIN.feeds[0], arg, ROW3) == [
        Update("BTCUSD_CM", 1777358880084, None, None, 76_631.0, 76_671.5, -0.00003)
    ]
    [asked] = COIN.feeds
    assert asked.gives == {"oi", "mark", "index", "funding"}
    assert [history.gives for history in COIN.history] == [{"funding"}]


def test_the_size_of_a_forced_close_is_its_value_and_its_side_the_positions() -> None:
    arg = {"instType": "usdt-futures", "topic": "liquidation"}
    got = heard(DEATHS, arg, DEATH, {**DEATH, "side": "sell"})
    assert got == [
        Liquidated("APEUSDT", 1777358886549, side, 13.70319, Unit.USD, 0.1649, FeedClass.THROTTLED)
        for side in (Side.LONG, Side.SHORT)
    ]
    ape = listed(USDT, {**LISTED, "symbol": "APEUSDT", "baseCoin": "APE"})
    record = Board(ape).liquidation(got[0], 1777358887000)
    assert record.base == pytest.approx(83.1)
    assert record.usd == 13.70319


@pytest.mark.parametrize("spoilt", ["price", "amount"])
def test_a_forced_close_without_its_price_or_size_is_unreadable(spoilt: str) -> None:
    arg = {"instType": "usdt-futures", "topic": "liquidation"}
    for row in ({**DEATH, spoilt: ""}, {k: v for k, v in DEATH.items() if k != spoilt}):
        with pytest.raises(ValueError, match="could not convert"):
            heard(DEATHS, arg, row)


def test_frames_of_another_product_are_not_ours() -> None:
    assert heard(USDC.feeds[0], ARG, ROW) == []
    assert heard(LEVELS, {**ARG, "instType": "usdt-futures"}, ROW) != []


def test_the_newest_minute_of_a_reply_still_runs() -> None:
    row = ["1777358880000", "76600", "76700", "76500", "76650.5", "12.5", "957500"]
    late = ["1777358940000", "76650", "76660", "76640", "76655", "0", "0"]
    assert replied(CANDLES, [late, row]) == [
        Traded("", 1777358880000, 12.5, Unit.BASE, price=76_650.5),
        Traded("", 1777358940000, 0.0, Unit.BASE, price=76_655.0, final=False),
    ]
    past, *_ = USDT.history
    assert [minute.final for minute in replied(past, [row, late])] == [True, True]
    url = past.ask(listed(USDT, LISTED)[0], 1777358880000, 1777359000000).url
    assert url.endswith("granularity=1m&limit=1000&startTime=1777358880000&endTime=1777359000000")


def test_ratios_are_of_accounts() -> None:
    row = {"longAccountRatio": "0.6", "shortAccountRatio": "0.4", "longShortAccountRatio": "1.5", "ts": "1777358700000"}
    assert replied(ACCOUNTS, [row]) == [Ratio("", 1777358700000, "account", 1.5)]
    assert isinstance(ACCOUNTS, Poll)
    ask = ACCOUNTS.ask(listed(USDT, LISTED)[0])
    assert ask.weight / VENUE.limits.rate(ask.budget) == 1.0  # one a second, and nothing else waits for it
    assert ask.budget


def test_a_ladder_is_bounded_in_quote() -> None:
    row = {"symbol": "BTCUSDT", "level": "1", "startUnit": "0", "endUnit": "150000", "leverage": "125",
           "keepMarginRate": "0.004"}  # fmt: skip
    assert replied(TIERS, [row]) == [Tier("", 1, 0.0, 150_000.0, Unit.USD, 0.004, 125.0)]


def test_rest_rows_of_both_versions_are_readable() -> None:
    [two] = answered(USDT, [{k: v for k, v in ROW.items() if k != "instId"}])
    assert (two.symbol, two.ts, two.oi, two.field) == ("BTCUSDT", 1777358880082, 29_539.3825, HOLDING)
    [three] = answered(USDT, [{**ROW3, "symbol": "BTCUSDT", "ts": "1777358880082"}])
    assert (three.symbol, three.ts, three.oi, three.field) == ("BTCUSDT", 1777358880082, 29_539.3825, STATED)
    [rate] = answered(USDT, [{"symbol": "BTCUSDT", "fundingRate": "0.00001", "fundingRateInterval": "4"}])
    assert rate == Update("BTCUSDT", funding=0.00001, funding_interval_h=4.0)


def test_the_questions_for_open_interest_are_readable() -> None:
    old = {"openInterestList": [{"symbol": "BTCUSDT", "size": "34278.06"}], "ts": "1730332823155"}
    assert answered(USDT, old) == [Update("BTCUSDT", 1730332823155, 34_278.06, SIZE)]
    new = {"list": [{"symbol": "BTCUSDT", "openInterest": "34278.06"}], "ts": "1730332823155"}
    assert answered(USDT, new) == [Update("BTCUSDT", 1730332823155, 34_278.06, STATED)]


def test_who_is_listed_and_who_is_live() -> None:
    statuses = ("normal", "limit_open", "maintain", "restrictedAPI", "listed", "off")
    rows = [{**LISTED, "symbolStatus": status} for status in statuses]
    assert [i.live for i in listed(USDT, *rows)] == [True, True, True, True, False, False]
    assert listed(USDT, {**LISTED, "symbolType": "delivery"}) == []
    [one] = listed(USDT, {**LISTED, "fundInterval": "", "maxLever": "50"})
    assert (one.contract_size, one.funding_interval_h, one.max_leverage) == (1.0, None, 50.0)
    [perp] = listed(USDC, {**LISTED, "symbol": "BTCPERP", "quoteCoin": "USDC"})
    assert (perp.segment, perp.quote, perp.settle, perp.payoff) == ("usdc", "USDC", "USDC", Payoff.LINEAR)


def test_subscriptions_and_the_answers_to_them() -> None:
    [message] = LEVELS.subscribe(listed(USDT, LISTED, {**LISTED, "symbol": "ETHUSDT"}), 3)
    assert message == {"op": "subscribe", "args": [ARG, {**ARG, "instId": "ETHUSDT"}]}
    assert said(LEVELS, event="subscribe", arg=ARG) == [Acked(symbol="BTCUSDT")]
    words = "instType:USDT-FUTURES,channel:ticker,instId:FOOUSDT doesn't exist"
    fault = {"event": "error", "code": 30001, "msg": words}
    assert said(LEVELS, **fault, arg={**ARG, "instId": "FOOUSDT"}) == [Refused(f"30001 {words}", symbol="FOOUSDT")]
    assert said(LEVELS, **fault) == [Refused(f"30001 {words}")]


def test_forced_closes_are_asked_for_once_for_all() -> None:
    [message] = DEATHS.subscribe(listed(USDT, LISTED, {**LISTED, "symbol": "ETHUSDT"}), 1)
    assert message == {"op": "subscribe", "args": [{"instType": "usdt-futures", "topic": "liquidation"}]}
    assert DEATHS.url == "wss://ws.bitget.com/v3/ws/public"
    assert DEATHS.cadence is None


def test_pings_and_pongs_are_plain_texts() -> None:
    for feed in (LEVELS, DEATHS):
        assert (feed.heartbeat.message, feed.heartbeat.every) == ("ping", 30)
        assert list(feed.parse(feed.decode("pong"))) == []


def test_channels_that_we_never_ask_for_are_ignored() -> None:
    arg = {**ARG, "channel": "candle1m"}
    assert heard(LEVELS, arg, ["1777358880000", "1", "2", "3", "4", "5", "6", "7"]) == []
    assert heard(LEVELS, {**ARG, "channel": "trade"}, {"ts": "1777358880000", "price": "1", "size": "2"}) == []


def test_coin_settled_delivery_contracts_stand_apart_without_funding() -> None:
    rows = [
        {**LISTED, "symbol": "BTCUSD", "quoteCoin": "USD", "deliveryTime": ""},
        {
            **LISTED,
            "symbol": "BTCUSDZ26",
            "quoteCoin": "USD",
            "symbolType": "delivery",
            "deliveryTime": "1798185600000",
        },
    ]
    [found] = listed(DATED, *rows)
    assert (found.symbol, found.kind, found.expiry) == ("BTCUSDZ26", Kind.DATED, 1798185600000)
    assert (found.segment, found.settle, found.payoff) == ("coin-dated", "BTC", Payoff.INVERSE)
    assert found.funding_interval_h is None
    [line] = DATED.feeds
    assert line.gives == {"oi", "mark", "index"}
    arg = {"instType": "COIN-FUTURES", "channel": "ticker", "instId": "BTCUSDZ26"}
    [update] = heard(line, arg, {**ROW, "symbol": "BTCUSDZ26", "holdingAmount": "57.714", "fundingRate": "0"})
    assert (update.symbol, update.oi, update.field, update.funding) == ("BTCUSDZ26", 57.714, HOLDING, None)
    assert [segment.id for segment in VENUE.segments if segment.owns("BTCUSDZ26")] == ["coin-dated"]
