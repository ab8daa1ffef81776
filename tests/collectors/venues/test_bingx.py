"""BingX perpetuals, frame by frame. Shapes from the documents; the numbers are made up."""

import gzip
import json

import pytest

from collectors.board import Board
from collectors.venue import Acked, Ask, Poll, Refused, Remembering, Socket, Traded, Update
from collectors.venues.bingx import COINS, DOLLARS, VENUE
from store.records import Flag, Instrument, Payoff, Source, Status, Unit

LINEAR, INVERSE = VENUE.segments
BTC = {"symbol": "BTC-USDT", "asset": "BTC", "currency": "USDT", "status": 1, "maxLongLeverage": "125"}
COIN = {"symbol": "BTC-USD", "minTickSize": "100", "status": 1}
PREMIUM = {
    "symbol": "BTC-USDT", "markPrice": "60000", "indexPrice": "60010.5", "lastFundingRate": "-0.0001",
    "nextFundingTime": 1790006400000,
}  # fmt: skip


def listed(segment, *rows: object) -> list[Instrument]:
    return list(segment.read(segment.decode(json.dumps({"code": 0, "msg": "", "data": rows}))))


def polled(segment, place: int, reply: object) -> list[object]:
    poll = segment.feeds[place]
    assert isinstance(poll, Poll)
    return list(poll.parse(poll.decode(json.dumps(reply))))


def socket(segment) -> Socket:
    [feed] = [feed for feed in segment.feeds if isinstance(feed, Socket)]
    return feed


class Talk:
    """One connection, whose frames are packed."""

    def __init__(self, segment) -> None:
        self.socket = socket(segment)
        assert isinstance(self.socket.parse, Remembering)
        self.parse = self.socket.parse.make([])

    def read(self, frame: object) -> object:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        return self.socket.decode(gzip.compress(text.encode()))

    def hear(self, frame: object) -> list[object]:
        return list(self.parse(self.read(frame)))

    def answer(self, frame: object) -> object:
        assert self.socket.answer is not None
        return self.socket.answer(self.read(frame))


def test_linear_open_interest_is_dollars_and_is_not_multiplied() -> None:
    reply = {
        "code": 0,
        "msg": "",
        "data": {"openInterest": "789630000.50", "symbol": "BTC-USDT", "time": 1790000000364},
    }
    [update] = polled(LINEAR, 1, reply)
    assert update == Update("BTC-USDT", 1790000000364, 789_630_000.5, DOLLARS)
    board = Board(listed(LINEAR, BTC))
    board.apply(Update("BTC-USDT", mark=60_000.0), 1790000000300, Source.POLL)
    record = board.apply(update, 1790000000400, Source.POLL)
    assert record.usd == 789_630_000.5
    assert record.base == pytest.approx(13_160.5)
    assert (DOLLARS.unit, DOLLARS.sides, DOLLARS.status) == (Unit.USD, 1, Status.DISPUTED)


def test_coin_margined_open_interest_is_coins_and_keeps_its_old_time() -> None:
    row = {"symbol": "BTC-USD", "openInterest": "749.1160", "timestamp": 1720310400000}
    [update] = polled(INVERSE, 1, {"code": 0, "msg": "", "timestamp": 1720328247986, "data": [row]})
    assert update == Update("BTC-USD", 1720310400000, 749.116, COINS)
    board = Board(listed(INVERSE, COIN))
    board.apply(Update("BTC-USD", mark=50_000.0), 1720328248000, Source.POLL)
    record = board.apply(update, 1720328248000, Source.POLL)
    assert (record.ts, record.base, record.flags & Flag.SKEWED) == (1720310400000, 749.116, 0)
    assert record.usd == pytest.approx(37_455_800)
    assert COINS.unit is Unit.BASE


@pytest.mark.parametrize(("stated", "oi"), [("0", 0.0), ("", None), (None, None)])
def test_zero_is_zero_and_empty_is_no_value(stated: object, oi: float | None) -> None:
    [update] = polled(LINEAR, 1, {"data": {"openInterest": stated, "symbol": "BTC-USDT", "time": 7}})
    assert update.oi == oi


@pytest.mark.parametrize(
    "reply",
    [
        {"code": 100410, "msg": "frequency limit", "data": {}},
        {"code": 0, "data": {"symbol": "BTC-USDT", "time": 7}},
        {"code": 0, "data": [{"openInterest": "1", "symbol": "BTC-USDT", "time": 7}]},
    ],
)
def test_a_reply_without_its_number_is_unreadable(reply: object) -> None:
    with pytest.raises(ValueError, match=r"symbol|openInterest|Expected `object`"):
        polled(LINEAR, 1, reply)


def test_each_symbol_is_asked_for_and_marks_come_all_at_once() -> None:
    premium, level, _ = LINEAR.feeds
    assert isinstance(level, Poll)
    assert isinstance(premium, Poll)
    assert callable(level.ask)
    host = "https://open-api.bingx.com/openApi/swap/v2/quote"
    assert level.ask(listed(LINEAR, BTC)[0]) == Ask(f"{host}/openInterest?symbol=BTC-USDT")
    assert premium.ask == Ask(f"{host}/premiumIndex")


def test_marks_say_the_interval_of_their_funding_where_they_know_it() -> None:
    rows = [{**PREMIUM, "fundingIntervalHours": 4}, PREMIUM]
    hourly, silent = polled(LINEAR, 0, {"code": 0, "msg": "", "data": rows})
    assert hourly == Update("BTC-USDT", None, None, None, 60_000.0, 60_010.5, -0.0001, 4.0)
    assert silent.funding_interval_h is None
    [coin] = polled(INVERSE, 0, {"code": 0, "timestamp": 1728577213289, "data": [{**PREMIUM, "symbol": "BTC-USD"}]})
    assert (coin.symbol, coin.ts, coin.mark) == ("BTC-USD", 1728577213289, 60_000.0)


@pytest.mark.parametrize(("place", "reply"), [(0, {"code": 0, "data": PREMIUM}), (1, PREMIUM)])
def test_the_mark_of_one_symbol_can_be_read_too(place: int, reply: object) -> None:
    answer = LINEAR.answers[place]
    assert list(answer.parse(answer.decode(json.dumps(reply)))) == [
        Update("BTC-USDT", None, None, None, 60_000.0, 60_010.5, -0.0001)
    ]


def test_packed_pings_of_either_style_are_answered_in_theirs() -> None:
    talk = Talk(LINEAR)
    assert talk.answer("Ping") == "Pong"
    ping = {"ping": "2177c68e", "time": "2026-10-02T18:51:55.089+0800"}
    assert talk.answer(ping) == {"pong": "2177c68e", "time": "2026-10-02T18:51:55.089+0800"}
    assert talk.answer({"id": "3", "code": 0, "msg": ""}) is None
    assert (talk.hear("Ping"), talk.hear(ping)) == ([], [])


def test_minutes_of_linear_contracts_are_coins_of_the_minute_that_opened() -> None:
    talk = Talk(LINEAR)

    def pushed(start: int, volume: str) -> list[object]:
        candle = {"c": "60004.5", "o": "1", "h": "1", "l": "1", "v": volume, "T": start}
        return talk.hear({"code": 0, "dataType": "BTC-USDT@kline_1m", "s": "BTC-USDT", "data": [candle]})

    first = Traded("BTC-USDT", 1790000040000, 12.5, Unit.BASE, price=60_004.5, final=False)
    assert pushed(1790000040000, "12.5") == [first]
    assert pushed(1790000100000, "0.25") == [
        Traded("BTC-USDT", 1790000040000, 12.5, Unit.BASE, price=60_004.5),
        Traded("BTC-USDT", 1790000100000, 0.25, Unit.BASE, price=60_004.5, final=False),
    ]


def test_minutes_of_coin_margined_contracts_are_coins_and_not_contracts() -> None:
    candle = {"t": 1790000040000, "o": 1, "c": 57485, "l": 1, "h": 1, "v": 109, "a": 0.1897, "u": 10900, "s": "BTC-USD"}
    assert Talk(INVERSE).hear({"code": 0, "dataType": "BTC-USD@kline_1m", "data": candle}) == [
        Traded("BTC-USD", 1790000040000, 0.1897, Unit.BASE, price=57_485.0, final=False)
    ]


def test_the_minutes_of_the_past_have_ended() -> None:
    history, *_ = LINEAR.history
    row = {"open": "1", "close": "60004.5", "high": "1", "low": "1", "volume": "12.5", "time": 1790000040000}
    assert list(history.parse(history.decode(json.dumps({"code": 0, "msg": "", "data": [row]})))) == [
        Traded("", 1790000040000, 12.5, Unit.BASE, price=60_004.5)
    ]


def test_the_past_of_coin_margined_contracts_is_in_contracts() -> None:
    history, *_ = INVERSE.history
    asked = history.ask(listed(INVERSE, COIN)[0], 1790000040000, 1790000100000)
    span = "interval=1m&limit=1000&startTime=1790000040000&endTime=1790000100001"
    assert asked == Ask(f"https://open-api.bingx.com/openApi/cswap/v1/market/klines?symbol=BTC-USD&{span}")
    row = {"open": "1", "close": "57485", "high": "1", "low": "1", "volume": "109.00", "time": 1790000040000}
    reply = json.dumps({"code": 0, "msg": "", "timestamp": 1790000160000, "data": [row]})
    assert list(history.parse(history.decode(reply))) == [
        Traded("", 1790000040000, 109.0, Unit.CONTRACTS, price=57_485.0)
    ]


def test_a_minute_without_its_volume_is_unreadable_and_other_channels_are_ignored() -> None:
    talk = Talk(LINEAR)
    with pytest.raises(ValueError, match="v"):
        talk.hear({"code": 0, "dataType": "BTC-USDT@kline_1m", "data": [{"c": "1", "T": 1}]})
    ticker = {"e": "24hTicker", "E": 1, "s": "BTC-USDT", "c": "42432.5", "v": "64310.9754"}
    assert talk.hear({"code": 0, "dataType": "BTC-USDT@ticker", "data": ticker}) == []


def test_answers_to_subscriptions_name_our_number() -> None:
    talk = Talk(LINEAR)
    assert talk.hear({"id": "7", "code": 0, "msg": ""}) == [Acked(7)]
    assert talk.hear({"id": "7", "code": 0, "msg": "", "dataType": "", "data": None}) == [Acked(7)]
    assert talk.hear({"id": "7", "code": 100400, "msg": "illegal argument"}) == [Refused("100400: illegal argument", 7)]
    one = listed(LINEAR, BTC)
    assert list(talk.socket.subscribe(one, 7)) == [{"id": "7", "reqType": "sub", "dataType": "BTC-USDT@kline_1m"}]
    assert talk.socket.batch == 1


def test_the_catalogues() -> None:
    btc, pepe, gone = listed(LINEAR, BTC, {**BTC, "symbol": "1000PEPE-USDT"}, {**BTC, "status": "0"})
    assert btc == Instrument(
        "bingx", "linear", "BTC-USDT", "BTC", "USDT", "USDT", max_leverage=125.0, funding_interval_h=8.0
    )
    assert (pepe.asset, pepe.base_factor, gone.live) == ("PEPE", 1000.0, False)
    coin, empty = listed(INVERSE, COIN, {**COIN, "minTickSize": ""})
    assert (coin.payoff, coin.contract_size, coin.quote, coin.settle) == (Payoff.INVERSE, 100.0, "USD", "BTC")
    assert not empty.live
    with pytest.raises(ValueError, match="left out"):
        listed(INVERSE, {"symbol": "BTC-USD", "status": 1})


@pytest.mark.parametrize(("symbol", "owners"), [("BTC-USDT", [0]), ("BTC-USDC", [0]), ("BTC-USD", [1]), ("BTCUSD", [])])
def test_each_segment_owns_its_quote(symbol: str, owners: list[int]) -> None:
    assert [n for n, segment in enumerate(VENUE.segments) if segment.owns(symbol)] == owners
