"""Aster, frame by frame. Shapes from its documents and from captures of 2026; the numbers are made up."""

import msgspec
import pytest

from collectors.missing import pages
from collectors.venue import Acked, Ask, Lately, Liquidated, Poll, Refused, Said, Socket, Traded, Update, question
from collectors.venues.aster import BULK, COINS, VENUE
from store.records import FeedClass, Instrument, Side, Unit

(LINEAR,) = VENUE.segments
OI, SOCKET, INTERVALS, MINUTES = LINEAR.feeds
BTC = Instrument("aster", "linear", "BTCUSDT", "BTC", "USDT", "USDT")
MARK = '{"e":"markPriceUpdate","E":5,"s":"BTCUSDT","p":"%s","i":"%s","P":"1","r":"%s","T":%s}'
DEATH = (
    '{"e":"forceOrder","E":4,"o":{"s":"BTCUSDT","S":"%s","o":"LIMIT","f":"IOC","q":"0.02","p":"49000","ap":"49005.5",'
    '"X":"%s","l":"0.001","z":"0.014","T":3}}'
)


def said(frame: str) -> list[Said]:
    assert isinstance(SOCKET, Socket)
    assert callable(SOCKET.parse)
    return list(SOCKET.parse(SOCKET.decode(frame)))


def wrapped(data: str) -> str:
    return '{"stream":"any","data":' + data + "}"


def replied(poll: object, reply: str) -> list[Said]:
    assert isinstance(poll, Poll)
    return list(poll.parse(poll.decode(reply)))


def asked(poll: object) -> Ask:
    assert isinstance(poll, Poll)
    assert callable(poll.ask)
    return poll.ask(BTC)


def test_open_interest_is_asked_for_one_symbol_a_call_in_coins_of_one_side() -> None:
    assert asked(OI) == Ask("https://fapi.asterdex.com/fapi/v3/openInterest?symbol=BTCUSDT", weight=1)
    reply = '{"symbol":"BTCUSDT","openInterest":"6196.323","time":7}'
    assert replied(OI, reply) == [Update("BTCUSDT", 7, 6196.323, COINS)]
    assert (COINS.unit, COINS.sides) == (Unit.BASE, 1)


@pytest.mark.parametrize(("text", "value"), [('""', None), ("null", None), ('"0"', 0.0)])
def test_an_empty_open_interest_is_none_and_zero_is_zero(text: str, value: float | None) -> None:
    reply = '{"symbol":"BTCUSDT","openInterest":' + text + ',"time":7}'
    assert replied(OI, reply) == [Update("BTCUSDT", 7, value, COINS)]


def test_a_reply_without_the_open_interest_is_heard() -> None:
    with pytest.raises(msgspec.ValidationError):
        replied(OI, '{"symbol":"BTCUSDT","time":7}')


def test_the_bulk_call_has_dollars_of_both_sides() -> None:
    bulk = next(answer for answer in LINEAR.answers if answer.path == "/ticker/pair")
    reply = '{"code":"000000","data":[{"symbol":"TRUTHUSDT","lastPrice":0.0126,"openInterest":85333.5}]}'
    assert list(bulk.parse(bulk.decode(reply))) == [Update("TRUTHUSDT", None, 85333.5, BULK)]
    assert (BULK.unit, BULK.sides) == (Unit.USD, 2)


def test_marks_come_with_index_and_funding() -> None:
    frame = wrapped(MARK % ("50000.5", "50010", "-0.0001", "6"))
    assert said(frame) == [Update("BTCUSDT", 5, None, None, 50000.5, 50010.0, -0.0001)]


@pytest.mark.parametrize(("rate", "following"), [("", "6"), ("0.0001", "0")])
def test_funding_without_a_rate_or_a_next_time_is_none(rate: str, following: str) -> None:
    assert said(wrapped(MARK % ("1", "", rate, following))) == [Update("BTCUSDT", 5, None, None, 1.0)]


def test_a_mark_left_out_is_heard() -> None:
    with pytest.raises((TypeError, ValueError)):
        said(wrapped('{"e":"markPriceUpdate","E":5,"s":"BTCUSDT","i":"1","r":"0","T":1}'))


@pytest.mark.parametrize(("order", "side"), [("SELL", Side.LONG), ("BUY", Side.SHORT)])
def test_a_forced_close_is_the_opposite_of_its_order_filled_at_the_average_price(order: str, side: Side) -> None:
    expected = Liquidated("BTCUSDT", 3, side, 0.014, Unit.BASE, 49005.5, FeedClass.THROTTLED)
    assert said(wrapped(DEATH % (order, "FILLED"))) == [expected]


def test_a_closing_order_that_is_not_filled_closes_nothing() -> None:
    assert said(wrapped(DEATH % ("SELL", "NEW"))) == []


def test_control_frames() -> None:
    assert said('{"result":null,"id":9}') == [Acked(9)]
    assert said('{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}') == [
        Refused("2: Invalid request: request ID must be an unsigned integer", None)
    ]


def test_streams_are_lower_case() -> None:
    assert isinstance(SOCKET, Socket)
    assert list(SOCKET.subscribe([BTC], 1)) == [
        {"method": "SUBSCRIBE", "params": ["btcusdt@markPrice@1s", "btcusdt@forceOrder"], "id": 1}
    ]


def test_the_interval_is_the_venues_own() -> None:
    reply = '[{"symbol":"BTCUSDT","fundingIntervalHours":4,"fundingFeeCap":0.02,"fundingFeeFloor":-0.02}]'
    assert replied(INTERVALS, reply) == [Update("BTCUSDT", funding_interval_h=4.0)]


def test_minutes_are_coins_with_what_takers_bought_and_the_last_one_runs() -> None:
    assert isinstance(MINUTES, Poll)
    assert isinstance(MINUTES.ask, Lately)
    span = "interval=1m&limit=6&startTime=60000&endTime=360000"
    assert question(MINUTES.ask, BTC, 360_000) == Ask(f"https://fapi.asterdex.com/fapi/v3/klines?symbol=BTCUSDT&{span}")
    row = '[%d,"1","2","0.5","1.5","%s",%d,"99",7,"%s","33","0"]'
    reply = f"[{row % (60_000, '12.5', 119_999, '4.25')},{row % (120_000, '3', 179_999, '0')}]"
    assert replied(MINUTES, reply) == [
        Traded("", 60_000, 12.5, Unit.BASE, 4.25),
        Traded("", 120_000, 3.0, Unit.BASE, 0.0, final=False),
    ]


def test_the_minutes_of_the_past_have_ended_and_a_page_of_them_costs_two() -> None:
    past, *_ = LINEAR.history
    row = '[60000,"1","2","0.5","1.5","12.5",119999,"99",7,"4.25","33","0"]'
    assert list(past.parse(past.decode(f"[{row}]"))) == [Traded("", 60_000, 12.5, Unit.BASE, 4.25)]
    span = "interval=1m&limit=499&startTime=1&endTime=29940000"
    page = Ask(f"https://fapi.asterdex.com/fapi/v3/klines?symbol=BTCUSDT&{span}", weight=2)
    assert past.ask(BTC, 1, 499 * 60_000) == page
    assert next(pages(past, (0, 1000 * 60_000))) == (1000 * 60_000 - 499 * 60_000 + 1, 1000 * 60_000)


def test_a_candle_with_another_column_is_not_read() -> None:
    with pytest.raises(msgspec.ValidationError):
        replied(MINUTES, '[[60000,"1","2","0.5","1.5","12.5",119999,"99",7,"4","33"]]')


def test_the_catalogue() -> None:
    def listed(symbol: str, base: str, kind: str, status: str) -> dict[str, object]:
        return {
            "symbol": symbol, "contractType": kind, "status": status, "baseAsset": base, "quoteAsset": "USDT",
            "marginAsset": "USDT", "underlyingType": "COIN", "onboardDate": 1627628400000,
        }  # fmt: skip

    rows = [
        listed("BTCUSDT", "BTC", "PERPETUAL", "TRADING"),
        listed("1000PEPEUSDT", "1000PEPE", "PERPETUAL", "SETTLING"),
        listed("BTCUSDT_261225", "BTC", "CURRENT_QUARTER", "TRADING"),
    ]
    assert list(LINEAR.read(LINEAR.decode(msgspec.json.encode({"symbols": rows})))) == [
        Instrument("aster", "linear", "BTCUSDT", "BTC", "USDT", "USDT", valid_from=1627628400000),
        Instrument(
            "aster", "linear", "1000PEPEUSDT", "PEPE", "USDT", "USDT", base_factor=1000.0, live=False,
            valid_from=1627628400000,
        ),
    ]  # fmt: skip


def test_fifty_symbols_every_five_seconds_stay_within_the_budget() -> None:
    assert isinstance(OI, Poll)
    assert isinstance(MINUTES, Poll)
    asked = 50 * (60 / OI.every + 60 / MINUTES.every)  # weight a minute, 1 a question
    assert asked <= VENUE.limits.weight <= 2400
    assert VENUE.limits.per == 60
