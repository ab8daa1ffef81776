"""Binance futures, frame by frame. Values from the documents and connectors of July 2026; the numbers are made up."""

import msgspec
import pytest

from collectors.venue import (
    Acked,
    Ask,
    Lately,
    Liquidated,
    Poll,
    Ratio,
    Refused,
    Said,
    Socket,
    Traded,
    Update,
    question,
)  # fmt: skip
from collectors.venues.binance import OI_CM, OI_UM, PAST_CM, PAST_UM, VENUE
from store.records import FeedClass, Instrument, Kind, Payoff, Side, Unit

LINEAR, INVERSE, LINEAR_DATED, INVERSE_DATED = VENUE.segments
BTC = Instrument("binance", "linear", "BTCUSDT", "BTC", "USDT", "USDT")
COIN = Instrument("binance", "inverse", "BTCUSD_PERP", "BTC", "USD", "BTC", payoff=Payoff.INVERSE)
ORDER = '{"s":"%s","S":"%s","o":"LIMIT","f":"IOC","q":"0.02","p":"49000","ap":"49005.5","X":"FILLED","z":"0.014","T":3}'


def socket(segment: int) -> Socket:
    (found,) = (feed for feed in VENUE.segments[segment].feeds if isinstance(feed, Socket))
    return found


def said(frame: str, segment: int = 0) -> list[Said]:
    feed = socket(segment)
    assert callable(feed.parse)
    return list(feed.parse(feed.decode(frame)))


def wrapped(data: str) -> str:
    return '{"stream":"any","data":' + data + "}"


def closed(symbol: str, side: str) -> str:
    return wrapped('{"e":"forceOrder","E":4,"o":' + ORDER % (symbol, side) + "}")


def test_open_interest_is_asked_for_one_symbol_a_call() -> None:
    for segment, instrument, host, field, reply in (
        (LINEAR, BTC, "https://fapi.binance.com/fapi/v1", OI_UM, '{"openInterest":"10.5","symbol":"BTCUSDT","time":7}'),
        (
            INVERSE, COIN, "https://dapi.binance.com/dapi/v1", OI_CM,
            '{"symbol":"BTCUSD_PERP","pair":"BTCUSD","openInterest":"10.5","contractType":"PERPETUAL","time":7}',
        ),
    ):  # fmt: skip
        poll = segment.feeds[0]
        assert isinstance(poll, Poll)
        assert callable(poll.ask)
        assert poll.ask(instrument) == Ask(f"{host}/openInterest?symbol={instrument.symbol}", weight=1)
        assert list(poll.parse(poll.decode(reply))) == [Update(instrument.symbol, 7, 10.5, field)]
    assert (OI_UM.unit, OI_CM.unit) == (Unit.BASE, Unit.CONTRACTS)


def test_marks_come_with_index_and_funding_but_no_interval() -> None:
    mark = '{"e":"markPriceUpdate","E":5,"s":"BTCUSDT","p":"50000.5","i":"50010","P":"1","r":"-0.0001","T":6,"st":1}'
    expected = Update("BTCUSDT", 5, None, None, 50000.5, 50010.0, -0.0001)
    assert said(wrapped(mark)) == [expected]


def test_a_delivery_contract_has_no_funding_and_zero_is_zero() -> None:
    frame = '{"e":"markPriceUpdate","E":5,"s":"BTCUSD_261225","p":"0","i":"","r":"","T":0,"st":2}'
    assert said(wrapped(frame), 1) == [Update("BTCUSD_261225", 5, None, None, 0.0)]


def test_a_mark_left_out_is_heard() -> None:
    with pytest.raises((TypeError, ValueError)):
        said(wrapped('{"e":"markPriceUpdate","E":5,"s":"BTCUSDT","i":"1","r":"0"}'))


def test_a_forced_close_is_the_opposite_of_its_order_filled_at_the_average_price() -> None:
    assert said(closed("BTCUSDT", "SELL")) == [
        Liquidated("BTCUSDT", 3, Side.LONG, 0.014, Unit.BASE, 49005.5, FeedClass.THROTTLED)
    ]
    assert said(closed("BTCUSD_PERP", "BUY"), 1) == [
        Liquidated("BTCUSD_PERP", 3, Side.SHORT, 0.014, Unit.CONTRACTS, 49005.5, FeedClass.THROTTLED)
    ]


def test_a_merged_stream_is_counted_once() -> None:
    assert said(closed("BTCUSD_PERP", "SELL"), 0) == []
    assert said(closed("BTCUSDT", "SELL"), 1) == []


def test_control_frames() -> None:
    assert said('{"result":null,"id":9}') == [Acked(9)]
    assert said('{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":9}') == [
        Refused("2: Invalid request: invalid stream", 9)
    ]
    assert said('{"code":3,"msg":"Invalid JSON"}') == [Refused("3: Invalid JSON", None)]


def test_streams_are_lower_case_on_the_path_that_still_carries_marks() -> None:
    assert socket(0).url == "wss://fstream.binance.com/market/stream"
    assert list(socket(0).subscribe([BTC], 1)) == [
        {"method": "SUBSCRIBE", "params": ["btcusdt@markPrice@1s", "btcusdt@forceOrder"], "id": 1}
    ]


def test_the_catalogue() -> None:
    def listed(symbol: str, base: str, kind: str, **more: object) -> dict[str, object]:
        return {
            "symbol": symbol, "contractType": kind, "baseAsset": base, "quoteAsset": "USDT", "marginAsset": "USDT",
            "onboardDate": 1569398400000, **more,
        }  # fmt: skip

    rows = [
        listed("BTCUSDT", "BTC", "PERPETUAL", status="TRADING"),
        listed("1000PEPEUSDT", "1000PEPE", "PERPETUAL", status="SETTLING"),
        listed("BTCUSDT_261225", "BTC", "CURRENT_QUARTER", status="TRADING"),
        listed("XAUUSDT", "XAU", "TRADIFI_PERPETUAL", status="TRADING"),
    ]
    found = list(LINEAR.read(LINEAR.decode(msgspec.json.encode({"symbols": rows}))))
    assert found == [
        Instrument(
            "binance", "linear", "BTCUSDT", "BTC", "USDT", "USDT", funding_interval_h=8.0, valid_from=1569398400000
        ),
        Instrument(
            "binance", "linear", "1000PEPEUSDT", "PEPE", "USDT", "USDT", base_factor=1000.0, live=False,
            funding_interval_h=8.0, valid_from=1569398400000,
        ),
        Instrument(
            "binance", "linear", "XAUUSDT", "XAU", "USDT", "USDT", funding_interval_h=8.0, valid_from=1569398400000
        ),
    ]  # fmt: skip
    coin = listed("BTCUSD_PERP", "BTC", "PERPETUAL", contractStatus="TRADING", contractSize=100)
    (inverse,) = INVERSE.read(INVERSE.decode(msgspec.json.encode({"symbols": [coin]})))
    assert (inverse.payoff, inverse.contract_size, inverse.live) == (Payoff.INVERSE, 100.0, True)
    del coin["contractSize"]
    with pytest.raises(LookupError):
        list(INVERSE.read(INVERSE.decode(msgspec.json.encode({"symbols": [coin]}))))


def test_the_interval_is_eight_hours_unless_the_venue_lists_another() -> None:
    poll = LINEAR.feeds[2]
    assert isinstance(poll, Poll)
    reply = '[{"symbol":"BLZUSDT","adjustedFundingRateCap":"0.025","fundingIntervalHours":4}]'
    assert list(poll.parse(poll.decode(reply))) == [Update("BLZUSDT", funding_interval_h=4.0)]


def test_history_counts_coins_on_one_side_and_contracts_on_the_other() -> None:
    linear, inverse = LINEAR.history[0], INVERSE.history[0]
    row = '{"symbol":"BTCUSDT","sumOpenInterest":"20403.5","sumOpenInterestValue":"1","timestamp":"1583127900000"}'
    assert list(linear.parse(linear.decode(f"[{row}]"))) == [Update("BTCUSDT", 1583127900000, 20403.5, PAST_UM)]
    row = (
        '{"pair":"BTCUSD","contractType":"PERPETUAL","sumOpenInterest":"130","sumOpenInterestValue":"1","timestamp":9}'
    )
    assert list(inverse.parse(inverse.decode(f"[{row}]"))) == [Update("BTCUSD_PERP", 9, 130.0, PAST_CM)]
    assert inverse.ask(COIN, 1, 2).url == (
        "https://dapi.binance.com/futures/data/openInterestHist"
        "?pair=BTCUSD&contractType=PERPETUAL&period=5m&limit=500&startTime=1&endTime=2"
    )


@pytest.mark.parametrize(
    ("symbol", "inverse"),
    [("BTCUSD_PERP", True), ("BTCUSD_261225", True), ("BTCUSDT", False), ("ETHUSDT_230331", False), ("BTCUSDC", False)],
)
def test_a_symbol_tells_its_segment(symbol: str, inverse: bool) -> None:
    dated = symbol[-1].isdigit()
    owners = [segment.id for segment in VENUE.segments if segment.owns(symbol)]
    assert owners == [("inverse" if inverse else "linear") + ("-dated" if dated else "")]


def test_quarterly_contracts_stand_apart_without_funding() -> None:
    row = {
        "symbol": "BTCUSD_261225", "contractType": "NEXT_QUARTER", "baseAsset": "BTC", "quoteAsset": "USD",
        "marginAsset": "BTC", "onboardDate": 1, "deliveryDate": 1798185600000, "contractStatus": "TRADING",
        "contractSize": 100,
    }  # fmt: skip
    rows = [
        row,
        {**row, "symbol": "BTCUSD_PERP", "contractType": "PERPETUAL"},
        {**row, "contractType": "PERPETUAL DELIVERING"},
    ]
    (found,) = INVERSE_DATED.read(INVERSE_DATED.decode(msgspec.json.encode({"symbols": rows})))
    assert (found.symbol, found.kind, found.expiry) == ("BTCUSD_261225", Kind.DATED, 1798185600000)
    assert (found.payoff, found.contract_size, found.funding_interval_h) == (Payoff.INVERSE, 100.0, None)
    poll, line = INVERSE_DATED.feeds[:2]
    assert isinstance(poll, Poll)
    assert question(poll.ask, found, 0).url == "https://dapi.binance.com/dapi/v1/openInterest?symbol=BTCUSD_261225"  # type: ignore[arg-type]
    reply = (
        '{"symbol":"BTCUSD_261225","pair":"BTCUSD","openInterest":"15004","contractType":"CURRENT_QUARTER","time":7}'
    )
    assert list(poll.parse(poll.decode(reply))) == [Update("BTCUSD_261225", 7, 15_004.0, OI_CM)]
    frame = '{"e":"markPriceUpdate","E":5,"s":"BTCUSD_261225","p":"61000.5","i":"60900","P":"1","r":"","T":0}'
    assert said(wrapped(frame), 3) == [Update("BTCUSD_261225", 5, None, None, 61_000.5, 60_900.0)]
    assert "funding" not in line.gives
    assert {gives for feed in LINEAR_DATED.feeds for gives in feed.gives} == {
        "oi", "mark", "index", "liquidations", "volume",
    }  # fmt: skip


def polls(gives: str, segment: int = 0) -> list[Poll]:
    return [feed for feed in VENUE.segments[segment].feeds if isinstance(feed, Poll) and gives in feed.gives]


@pytest.mark.parametrize(("segment", "coins", "bought"), [(0, 148976.125, 80.5), (1, 12.5, 6.25)])
def test_minutes_are_coins_and_tell_what_takers_bought(segment: int, coins: float, bought: float) -> None:
    (poll,) = polls("volume", segment)
    row = '[%d,"1","49000","1","48000.5","148976.125",1,"12.5",308,"80.5","6.25","0"]'
    assert list(poll.parse(poll.decode(f"[{row % 1499040000000},{row % 1499040060000}]"))) == [
        Traded("", 1499040000000, coins, Unit.BASE, bought, 48000.5),
        Traded("", 1499040060000, coins, Unit.BASE, bought, 48000.5, final=False),
    ]


def test_a_question_for_few_candles_is_cheap() -> None:
    (poll,) = polls("volume")
    assert isinstance(poll.ask, Lately)
    base = "https://fapi.binance.com/fapi/v1/klines?symbol=BTCUSDT&interval=1m"
    assert poll.ask.ask(BTC, 0, 300_000) == Ask(f"{base}&limit=6&startTime=0&endTime=300000", weight=1)
    assert poll.ask.ask(BTC, 0, 86_400_000) == Ask(f"{base}&limit=1000&startTime=0&endTime=86400000", weight=5)


def test_the_past_has_the_kinds_of_ratios_that_the_present_has() -> None:
    reply = '[{"longShortRatio":"1.5","buySellRatio":"1.2","timestamp":"1783000200000"}]'
    for segment, kinds in ((LINEAR, ["account", "top_account", "top_position", "taker"]),
                           (INVERSE, ["account", "top_account", "top_position"])):  # fmt: skip
        past = [history for history in segment.history if "ratios" in history.gives]
        said = [word for history in past for word in history.parse(history.decode(reply))]
        assert [(word.kind, word.ratio) for word in said] == [(k, 1.2 if k == "taker" else 1.5) for k in kinds]


def test_ratios_are_of_accounts_of_the_largest_and_of_takers_but_for_coins() -> None:
    reply = '[{"symbol":"BTCUSDT","longShortRatio":"1.9603","buySellRatio":"0.75","timestamp":%s}]'
    kinds = {"account": 1.9603, "top_account": 1.9603, "top_position": 1.9603, "taker": 0.75}
    for segment, stamp in ((0, "1783000200000"), (1, '"1783000200000"')):
        found = [list(poll.parse(poll.decode(reply % stamp))) for poll in polls("ratios", segment)]
        told = [kind for kind in kinds if segment == 0 or kind != "taker"]
        assert found == [[Ratio("", 1783000200000, kind, kinds[kind])] for kind in told]  # type: ignore[arg-type]
    ask = polls("ratios", 1)[0].ask
    assert isinstance(ask, Lately)
    assert ask.ask(COIN, 1, 2) == Ask(
        "https://dapi.binance.com/futures/data/globalLongShortAccountRatio"
        "?pair=BTCUSD&contractType=PERPETUAL&period=5m&limit=500&startTime=1&endTime=2",
    )


def test_statistics_of_usd_m_are_counted_apart_and_those_of_coin_m_in_the_weight() -> None:
    """1,000 questions and 500 in five minutes; what they cost is taken from no open interest."""
    for place, instrument, budget, rate in ((0, BTC, "data", 1000 / 300), (1, COIN, "", 30.0)):
        now = [p.ask.ask(instrument, 1, 2) for p in polls("ratios", place) if isinstance(p.ask, Lately)]
        past = [history.ask(instrument, 1, 2) for history in VENUE.segments[place].history]
        stats = [ask for ask in (*now, *past) if "/futures/data/" in ask.url]
        assert len(stats) == (9, 7)[place], "every kind of ratio now and then, and past open interest"
        assert {(ask.budget, ask.weight) for ask in stats} == {(budget, 1.0)}
        assert VENUE.limits.rate(budget) == pytest.approx(rate)
    (paid,) = (h.ask(BTC, 1, 2) for h in LINEAR.history if h.gives == {"funding"})
    (intervals,) = (p.ask for p in LINEAR.feeds if isinstance(p, Poll) and p.gives == {"funding"})
    assert isinstance(intervals, Ask)
    assert (paid.budget, intervals.budget, VENUE.limits.rate("funding")) == ("funding", "funding", 500 / 300)


def test_the_past_of_marks_is_the_close_of_each_bar_at_its_end() -> None:
    (marks,) = (history for history in INVERSE.history if "mark" in history.gives)
    row = '[[600000,"1","3","1","2.5","0",899999,"0",300,"0","0","0"]]'
    assert list(marks.parse(marks.decode(row))) == [Update("", 900_000, mark=2.5)]
    assert marks.ask(COIN, 0, 300_000).url == (
        "https://dapi.binance.com/dapi/v1/markPriceKlines?symbol=BTCUSD_PERP&interval=5m&limit=2&startTime=0&endTime=300000"
    )
