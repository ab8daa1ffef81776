"""Bybit, frame by frame. Values from the v5 documents of July 2026; the numbers are made up."""

import msgspec
import pytest

from collectors.board import Board
from collectors.venue import Acked, Ask, Liquidated, Poll, Ratio, Refused, Said, Socket, Tier, Traded, Update
from collectors.venues.bybit import INVERSE, LINEAR, VENUE
from store.records import FeedClass, Instrument, Kind, Payoff, Quarantined, Record, Side, Source, Unit

LINEAR_SEGMENT, INVERSE_SEGMENT, LINEAR_DATED, INVERSE_DATED = VENUE.segments
BOTH, ONE = LINEAR
SNAPSHOT = (
    '{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","markPrice":"50000.5","indexPrice":"50010",'
    '"openInterest":"2000","singleOpenInterest":"1000.25","fundingRate":"-0.0002","fundingIntervalHour":"4",'
    '"preOpenPrice":""},"cs":1,"ts":1789458600630}'
)


def said(frame: str, segment: int = 0) -> list[Said]:
    socket = VENUE.segments[segment].feeds[0]
    assert isinstance(socket, Socket)
    assert callable(socket.parse)
    return list(socket.parse(socket.decode(frame)))


def delta(data: str) -> list[Said]:
    return said(
        '{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT",' + data + '},"ts":1789458600730}'
    )


def test_a_snapshot_gives_the_field_that_counts_one_side() -> None:
    assert said(SNAPSHOT) == [
        Update("BTCUSDT", 1789458600630, 1000.25, ONE, 50000.5, 50010.0, -0.0002, 4.0),
    ]
    assert (ONE.key, ONE.unit, ONE.sides) == ("singleOpenInterest", Unit.BASE, 1)


def test_an_empty_single_field_leaves_the_two_sided_one() -> None:
    (update,) = said(SNAPSHOT.replace('"1000.25"', '""'))
    assert isinstance(update, Update)
    assert (update.oi, update.field) == (2000.0, BOTH)
    assert (BOTH.key, BOTH.sides) == ("openInterest", 2)


def test_inverse_counts_dollars() -> None:
    (update,) = said(SNAPSHOT.replace("BTCUSDT", "BTCUSD"), segment=1)
    assert isinstance(update, Update)
    assert update.field == INVERSE[1]
    assert update.field.unit is Unit.USD


def test_a_delta_without_open_interest_affirms_it() -> None:
    assert delta('"markPrice":"50001"') == [Update("BTCUSDT", 1789458600730, mark=50001.0, affirms=True)]


@pytest.mark.parametrize("data", ['"openInterest":""', '"singleOpenInterest":""', '"openInterest":null'])
def test_a_delta_whose_open_interest_is_empty_affirms_nothing(data: str) -> None:
    (update,) = delta(data)
    assert isinstance(update, Update)
    assert (update.oi, update.affirms) == (None, False)


def test_zero_is_zero_and_empty_is_nothing() -> None:
    (update,) = delta('"singleOpenInterest":"0","openInterest":"0","fundingRate":"0","indexPrice":"","markPrice":""')
    assert update == Update("BTCUSDT", 1789458600730, 0.0, ONE, None, None, 0.0)


def test_a_forced_close_names_the_position() -> None:
    frame = (
        '{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1789458603204,"data":['
        '{"T":1789458602929,"s":"BTCUSDT","S":"Buy","v":"0.25","p":"49000"},'
        '{"T":1789458602930,"s":"BTCUSDT","S":"Sell","v":"0.5","p":"51000"}]}'
    )
    assert said(frame) == [
        Liquidated("BTCUSDT", 1789458602929, Side.LONG, 0.25, Unit.BASE, 49000.0, FeedClass.FULL),
        Liquidated("BTCUSDT", 1789458602930, Side.SHORT, 0.5, Unit.BASE, 51000.0, FeedClass.FULL),
    ]


def test_control_frames() -> None:
    assert said('{"success":true,"ret_msg":"","conn_id":"a","req_id":"7","op":"subscribe"}') == [Acked(7)]
    assert said('{"success":true,"ret_msg":"pong","conn_id":"a","req_id":"1","op":"ping"}') == []
    refusal = '{"success":false,"ret_msg":"Invalid topic: tickers.NO","conn_id":"a","req_id":"8","op":"subscribe"}'
    assert said(refusal) == [Refused("Invalid topic: tickers.NO", 8)]


@pytest.mark.parametrize("frame", [SNAPSHOT[:-3], SNAPSHOT.replace('"50000.5"', '"fifty"'), "<html></html>"])
def test_unreadable_frames_raise(frame: str) -> None:
    with pytest.raises(ValueError):
        said(frame)


def test_the_catalogue_leaves_dated_contracts_out_and_undoes_multipliers() -> None:
    def listed(symbol: str, base: str, kind: str, status: str = "Trading") -> dict[str, object]:
        return {
            "symbol": symbol,
            "contractType": kind,
            "status": status,
            "baseCoin": base,
            "quoteCoin": "USDT",
            "settleCoin": "USDT",
            "launchTime": "1584230400000",
            "fundingInterval": 240,
            "leverageFilter": {"minLeverage": "1", "maxLeverage": "75.00"},
        }

    rows = [
        listed("BTCUSDT", "BTC", "LinearPerpetual"),
        listed("1000PEPEUSDT", "1000PEPE", "LinearPerpetual"),
        listed("LUNAUSDT", "LUNA", "LinearPerpetual", "Closed"),
        listed("BTCUSDT-26DEC26", "BTC", "LinearFutures"),
    ]
    reply = msgspec.json.encode({"retCode": 0, "result": {"list": rows, "nextPageCursor": "first%3D5"}})
    page = LINEAR_SEGMENT.decode(reply)
    found = list(LINEAR_SEGMENT.read(page))
    assert [i.symbol for i in found] == ["BTCUSDT", "1000PEPEUSDT", "LUNAUSDT"]
    assert [i.live for i in found] == [True, True, False]
    assert found[0] == Instrument(
        "bybit", "linear", "BTCUSDT", "BTC", "USDT", "USDT", max_leverage=75.0, funding_interval_h=4.0,
        valid_from=1584230400000,
    )  # fmt: skip
    assert (found[1].asset, found[1].base_factor) == ("PEPE", 1000.0)
    assert LINEAR_SEGMENT.more is not None
    following = LINEAR_SEGMENT.more(page)
    assert following is not None
    assert following.url == f"{LINEAR_SEGMENT.catalogue.url}&cursor=first%3D5"


@pytest.mark.parametrize(
    ("symbol", "inverse"),
    [("BTCUSD", True), ("BTCUSDZ26", True), ("BTCUSDT", False), ("BTCPERP", False), ("BTC-26DEC26", False)],
)
def test_a_symbol_tells_its_segment(symbol: str, inverse: bool) -> None:
    dated = symbol[-1].isdigit()
    owners = [segment.id for segment in VENUE.segments if segment.owns(symbol)]
    assert owners == [("inverse" if inverse else "linear") + ("-dated" if dated else "")]


def test_what_rest_says_in_usdt_too_is_held_against_ours() -> None:
    """Of linear contracts; of inverse ones the value is in coins, and with the two-sided field it is another number."""
    row = (
        '{"result":{"category":"linear","list":[{"symbol":"BTCUSDT","markPrice":"50000","openInterest":"40",'
        '"singleOpenInterest":"20","singleOpenInterestValue":"1000000","openInterestValue":"2000000"}]},"time":7}'
    )

    def answered(text: str, segment: int = 0) -> Update:
        answer = VENUE.segments[segment].answers[0]
        assert callable(answer.parse)
        (update,) = answer.parse(answer.decode(text))
        assert isinstance(update, Update)
        return update

    assert answered(row) == Update("BTCUSDT", 7, 20.0, ONE, 50_000.0, usd=1e6)
    assert answered(row.replace('"1000000"', '""')).usd is None
    assert answered(row.replace('"singleOpenInterest":"20"', '"singleOpenInterest":""')).usd is None
    assert answered(row.replace("BTCUSDT", "BTCUSD"), 1).usd is None
    aside: list[Record] = []
    board = Board([Instrument("bybit", "linear", "BTCUSDT", "BTC", "USDT", "USDT")], sink=aside.append)
    wrong = answered(row.replace('"1000000"', '"20"'))  # coins where dollars should be
    assert board.apply(wrong, 8, Source.POLL) is None
    assert [(q.check, q.words) for q in aside if isinstance(q, Quarantined)] == [
        ("implied_price", "stated as 20 USD too, which is 2e-05 of ours")
    ]
    record = board.apply(answered(row), 9, Source.POLL)
    assert record is not None
    assert (record.base, record.usd) == (20.0, 1e6)


def test_dated_contracts_are_told_by_tickers_alone() -> None:
    row = {
        "symbol": "BTCUSDT-25DEC26", "contractType": "LinearFutures", "status": "Trading", "baseCoin": "BTC",
        "quoteCoin": "USDT", "settleCoin": "USDT", "launchTime": "1584230400000", "deliveryTime": "1798185600000",
        "fundingInterval": 0, "leverageFilter": {"maxLeverage": "25.00"},
    }  # fmt: skip
    rows = [row, {**row, "symbol": "BTCUSDT", "contractType": "LinearPerpetual", "fundingInterval": 480}]
    page = LINEAR_DATED.decode(msgspec.json.encode({"result": {"list": rows, "nextPageCursor": ""}}))
    (found,) = LINEAR_DATED.read(page)
    assert (found.symbol, found.kind, found.expiry) == ("BTCUSDT-25DEC26", Kind.DATED, 1798185600000)
    assert (found.segment, found.funding_interval_h) == ("linear-dated", None)
    line = LINEAR_DATED.feeds[0]
    assert isinstance(line, Socket)
    assert [m["args"] for m in line.subscribe([found], 1)] == [["tickers.BTCUSDT-25DEC26"]]
    assert line.gives == {"oi", "mark", "index"}
    frame = (
        '{"topic":"tickers.BTC-26DEC26","type":"snapshot","data":{"symbol":"BTC-26DEC26","markPrice":"121144.63",'
        '"indexPrice":"114132.51","openInterest":"6.622","deliveryTime":"2026-12-26T08:00:00Z","basis":"-4730.84"},"ts":5}'
    )
    assert said(frame, 2) == [Update("BTC-26DEC26", 5, 6.622, BOTH, 121_144.63, 114_132.51)]
    assert LINEAR_DATED.lists is INVERSE_DATED.lists is Kind.DATED


def test_history_is_two_sided_before_june_2026_and_one_sided_after() -> None:
    history = INVERSE_SEGMENT.history[0]
    reply = (
        '{"retCode":0,"result":{"symbol":"BTCUSD","category":"inverse","list":['
        '{"openInterest":"400","singleOpenInterest":"200","timestamp":"1789458600000"},'
        '{"openInterest":"300","timestamp":"1669571400000"}]},"time":1789458700000}'
    )
    assert list(history.parse(history.decode(reply))) == [
        Update("BTCUSD", 1789458600000, 200.0, INVERSE[1]),
        Update("BTCUSD", 1669571400000, 300.0, INVERSE[0]),
    ]
    asked = Instrument("bybit", "inverse", "BTCUSD", "BTC", "USD", "BTC", payoff=Payoff.INVERSE)
    assert history.ask(asked, 1, 2).url.endswith(
        "/open-interest?category=inverse&symbol=BTCUSD&intervalTime=5min&limit=200&startTime=1&endTime=2"
    )


def test_one_message_subscribes_a_batch() -> None:
    socket = LINEAR_SEGMENT.feeds[0]
    assert isinstance(socket, Socket)
    asked = [Instrument("bybit", "linear", s, s[:3], "USDT", "USDT") for s in ("BTCUSDT", "ETHUSDT")]
    topics = ["tickers.BTCUSDT", "allLiquidation.BTCUSDT", "tickers.ETHUSDT", "allLiquidation.ETHUSDT"]
    assert list(socket.subscribe(asked, 3)) == [{"req_id": "3", "op": "subscribe", "args": topics}]


def polled(gives: str, rows: str, segment: int = 0) -> list[Said]:
    (poll,) = (f for f in VENUE.segments[segment].feeds if isinstance(f, Poll) and gives in f.gives)
    return list(poll.parse(poll.decode('{"retCode":0,"result":{"list":[' + rows + "]}}")))


@pytest.mark.parametrize(("segment", "coins"), [(0, 12.5), (1, 600_000.0)])
def test_minutes_are_coins_in_another_place_on_each_segment(segment: int, coins: float) -> None:
    row = '["%d","1","48020","1","%d","12.5","600000"]'
    rows = ",".join((row % (1789458660000, 48000), row % (1789458600000, 48010)))
    assert polled("volume", rows, segment) == [
        Traded("", 1789458600000, coins, Unit.BASE, price=48010.0),
        Traded("", 1789458660000, coins, Unit.BASE, price=48000.0, final=False),
    ]


def test_ratios_are_of_accounts_and_the_newest_is_enough() -> None:
    row = '{"symbol":"BTCUSDT","buyRatio":"%s","sellRatio":"%s","timestamp":"%s"}'
    rows = ",".join(row % said for said in (("0.6", "0.4", 1696262400000), ("0.5", "0.5", 1696262100000)))
    (ratio,) = polled("ratios", rows)
    assert isinstance(ratio, Ratio)
    assert (ratio.symbol, ratio.ts, ratio.kind, ratio.ratio) == ("", 1696262400000, "account", pytest.approx(1.5))
    assert polled("ratios", row % ("1", "0", 1)) == []


STEPS = (
    '{"id":2,"symbol":"BTCUSD","riskLimitValue":"300","maintenanceMargin":%s,"maxLeverage":"66.7","mmDeduction":"0.75"},'
    '{"id":1,"symbol":"BTCUSD","riskLimitValue":"150","maintenanceMargin":%s,"maxLeverage":"100.00","mmDeduction":""}'
)


@pytest.mark.parametrize(("higher", "lower"), [('"0.01"', '"0.005"'), ("0.01", "0.005"), ('"1"', '"0.5"')])
def test_a_ladder_may_be_told_in_fractions_or_in_percent(higher: str, lower: str) -> None:
    assert polled("tiers", STEPS % (higher, lower), segment=1) == [
        Tier("", 1, 0.0, 150.0, Unit.BASE, 0.005, 100.0, None),
        Tier("", 2, 150.0, 300.0, Unit.BASE, 0.01, 66.7, 0.75),
    ]
    (first, _) = polled("tiers", STEPS % (higher, lower))
    assert isinstance(first, Tier)
    assert first.unit is Unit.USD


def test_the_past_is_asked_from_when_to_when() -> None:
    asked = Instrument("bybit", "linear", "BTCUSDT", "BTC", "USDT", "USDT")
    rest = "https://api.bybit.com/v5/market"
    assert [history.ask(asked, 1, 2) for history in LINEAR_SEGMENT.history[1:]] == [
        Ask(f"{rest}/mark-price-kline?category=linear&symbol=BTCUSDT&interval=5&limit=1000&start=1&end=2"),
        Ask(f"{rest}/kline?category=linear&symbol=BTCUSDT&interval=1&limit=1000&start=1&end=2"),
        Ask(f"{rest}/account-ratio?category=linear&symbol=BTCUSDT&period=5min&limit=500&startTime=1&endTime=2"),
        Ask(f"{rest}/funding/history?category=linear&symbol=BTCUSDT&limit=200&startTime=1&endTime=2"),
    ]
