"""Phemex perpetuals, frame by frame. Shapes from the documents; the numbers are made up."""

import json

import pytest

from collectors.board import Board
from collectors.venue import (
    Acked,
    Ask,
    Lately,
    Poll,
    Refused,
    Remembering,
    Socket,
    Tier,
    Traded,
    Update,
    question,
)
from collectors.venues.phemex import COINS, CONTRACTS, VENUE
from store.records import Instrument, Payoff, Status, Unit

LINEAR, INVERSE = VENUE.segments
FIELDS = ["symbol", "volumeRq", "openInterestRv", "indexRp", "markRp", "fundingRateRr"]
ROW = ["BTCUSDT", "3388.5", "1848.125", "60010", "60000", "-0.0001"]
NS = 1790000000123456789
SCALED = {
    "symbol": "BTCUSD", "openInterest": 10113855, "volume": 186213143, "markPrice": 58958348, "indexPrice": 58981349,
    "fundingRate": -39075,
}  # fmt: skip
V2 = {
    "symbol": "BTCUSDT", "type": "PerpetualV2", "status": "Listed", "contractUnderlyingAssets": "BTC",
    "settleCurrency": "USDT", "quoteCurrency": "USDT", "baseCurrency": "BTC", "fundingInterval": 14400,
    "maxLeverage": 100, "listTime": "1668225600000",
}  # fmt: skip
V1 = {
    "symbol": "BTCUSD", "type": "Perpetual", "status": "Listed", "settleCurrency": "BTC", "quoteCurrency": "USD",
    "contractSize": "1 USD", "priceScale": 4,
}  # fmt: skip
SPOT = {"symbol": "sBTCUSDT", "type": "Spot", "status": "Listed", "quoteCurrency": "USDT", "priceScale": 8}
STEPS = [
    {"limit": 100, "initialMargin": "1.0%", "initialMarginEr": 1000000, "maintenanceMarginEr": 500000},
    {"limit": 150, "initialMargin": "2.0%", "initialMarginEr": 2000000, "maintenanceMarginEr": 1000000},
]
STEPS_V2 = [{"limit": 2000000, "initialMarginRr": "0.01", "maintenanceMarginRr": "0.005"}]


def products(v1: object = (), v2: object = ()) -> str:
    ladders = {
        "riskLimits": [{"symbol": "BTCUSD", "steps": "50", "riskLimits": STEPS}],
        "riskLimitsV2": [{"symbol": "BTCUSDT", "steps": "2000K", "riskLimits": STEPS_V2}],
    }
    return json.dumps({"code": 0, "data": {"products": v1, "perpProductsV2": v2, **ladders}})


def listed(segment, v1: object = (), v2: object = ()) -> list[Instrument]:
    return list(segment.read(segment.decode(products(v1, v2))))


class Talk:
    """One connection of the packed channel."""

    def __init__(self, instruments: list[Instrument] | None = None, wanted: set[str] | None = None) -> None:
        feed = LINEAR.feeds[0]
        assert isinstance(feed, Socket)
        assert isinstance(feed.parse, Remembering)
        self.decode, self.parse = feed.decode, feed.parse.make(instruments or [], wanted)

    def hear(self, *rows: object, fields: object = None, **more: object) -> list[object]:
        frame = {"method": "perp_market24h_pack_p.update", "timestamp": NS, "type": "x", "data": rows, **more}
        return list(self.parse(self.decode(json.dumps(frame if fields is None else {**frame, "fields": fields}))))


def scaled(**frame: object) -> list[object]:
    feed = INVERSE.feeds[0]
    assert isinstance(feed, Socket)
    assert callable(feed.parse)
    return list(feed.parse(feed.decode(json.dumps(frame))))


def test_columns_are_named_once_and_rows_follow_them() -> None:
    talk = Talk()
    expected = Update("BTCUSDT", 1790000000123, 1848.125, COINS, 60_000.0, 60_010.0, -0.0001)
    assert talk.hear(ROW, fields=FIELDS) == [expected]
    assert talk.hear(ROW) == [expected]
    assert (COINS.unit, COINS.sides, COINS.status) == (Unit.BASE, 1, Status.DISPUTED)


def test_columns_may_be_added_and_may_change_places() -> None:
    talk = Talk()
    [before] = talk.hear(ROW, fields=FIELDS)
    [after] = talk.hear([*ROW[::-1], None], fields=[*FIELDS[::-1], "askRp"])
    assert after == before


def test_rows_without_a_header_or_of_another_length_are_unreadable() -> None:
    with pytest.raises(ValueError, match="before the frame that names"):
        Talk().hear(ROW)
    for row in (ROW[:-1], [*ROW, "1"]):
        with pytest.raises(ValueError, match="length 6"):
            Talk().hear(row, fields=FIELDS)
    with pytest.raises(KeyError, match="openInterestRv"):
        Talk().hear(["BTCUSDT"], fields=["symbol"])
    with pytest.raises(ValueError, match="'BTC'"):
        Talk().hear(["BTCUSDT", "1", "BTC", "1", "1", "1"], fields=FIELDS)
    with pytest.raises(ValueError, match="without their time"):
        Talk().hear(ROW, fields=FIELDS, timestamp=None)


def test_a_header_belongs_to_its_connection() -> None:
    Talk().hear(ROW, fields=FIELDS)
    with pytest.raises(ValueError, match="before the frame"):
        Talk().hear(ROW)


def test_zero_is_no_value_where_contracts_changed_hands_and_zero_where_none_did() -> None:
    talk = Talk()
    [held] = talk.hear([*ROW[:2], "0", *ROW[3:]], fields=FIELDS)
    [idle] = talk.hear(["BTCUSDT", "0", "0", *ROW[3:]])
    [empty] = talk.hear([*ROW[:2], "", *ROW[3:]])
    assert (held.oi, idle.oi, empty.oi, held.mark) == (None, 0.0, None, 60_000.0)


def test_what_nobody_asked_for_is_skipped_and_a_new_listing_is_not() -> None:
    instruments = listed(LINEAR, v2=[V2, {**V2, "symbol": "ETHUSDT"}])
    talk = Talk(instruments, {"BTCUSDT"})
    said = talk.hear(ROW, ["ETHUSDT", *ROW[1:]], ["NEWUSDT", *ROW[1:]], fields=FIELDS)
    assert [update.symbol for update in said] == ["BTCUSDT", "NEWUSDT"]


def test_scaled_prices_and_rates_are_divided_and_contracts_are_not() -> None:
    [update] = scaled(market24h=SCALED, timestamp=NS)
    assert update == Update("BTCUSD", 1790000000123, 10_113_855.0, CONTRACTS, 5895.8348, 5898.1349, -0.00039075)
    record = Board(listed(INVERSE, v1=[V1])).apply(update, 1790000000200)
    assert record.usd == 10_113_855.0
    assert record.base == pytest.approx(1715.4237496)


def test_a_scaled_field_left_out_is_unreadable_and_null_is_no_value() -> None:
    with pytest.raises(ValueError, match="markPrice"):
        scaled(market24h={k: v for k, v in SCALED.items() if k != "markPrice"}, timestamp=NS)
    [update] = scaled(market24h={**SCALED, "fundingRate": None, "openInterest": 0}, timestamp=NS)
    assert (update.funding, update.oi, update.mark) == (None, None, 5895.8348)


def test_answers_of_rest_name_the_scale_and_write_their_time_as_a_text() -> None:
    row = {
        "symbol": "ETHUSD", "openInterest": 1298050, "volume": 4053863, "markEp": 2329232, "indexEp": 2329057,
        "fundingRateEr": 10000, "timestamp": "1592474241582701416",
    }  # fmt: skip
    [answer] = INVERSE.answers
    assert list(answer.parse(answer.decode(json.dumps({"error": None, "id": 0, "result": row})))) == [
        Update("ETHUSD", 1592474241582, 1_298_050.0, CONTRACTS, 232.9232, 232.9057, 0.0001)
    ]
    [answer] = LINEAR.answers
    row = {**dict(zip(FIELDS, ROW, strict=True)), "timestamp": str(NS)}
    [update] = answer.parse(answer.decode(json.dumps({"result": row})))
    assert (update.ts, update.oi, update.field) == (1790000000123, 1848.125, COINS)


def test_the_catalogue_of_dollars() -> None:
    btc, pepe, gone = listed(
        LINEAR,
        v2=[V2, {**V2, "symbol": "u1000PEPEUSDT", "baseCurrency": "u1000PEPE"}, {**V2, "status": "Delisted"}],
    )
    assert btc == Instrument(
        "phemex", "linear", "BTCUSDT", "BTC", "USDT", "USDT", max_leverage=100.0, funding_interval_h=4.0,
        valid_from=1668225600000,
    )  # fmt: skip
    assert (pepe.asset, pepe.base_factor) == ("PEPE", 1000.0)
    assert not gone.live


def test_the_catalogue_of_coins() -> None:
    number, odd = {**V1, "symbol": "ETHUSD", "settleCurrency": "ETH", "contractSize": 5}, {**V1, "priceScale": 6}
    btc, eth, unscaled = listed(INVERSE, v1=[V1, SPOT, number, odd])
    assert (btc.asset, btc.settle, btc.payoff, btc.contract_size, btc.live) == ("BTC", "BTC", Payoff.INVERSE, 1, True)
    assert (eth.asset, eth.contract_size, eth.funding_interval_h) == ("ETH", 5.0, 8.0)
    assert not unscaled.live  # its prices would be read a hundredfold
    with pytest.raises(ValueError, match="float"):
        listed(INVERSE, v1=[{**V1, "contractSize": "1 LTC"}])


def test_ladders_bound_dollars_and_coins() -> None:
    def told(segment) -> list[object]:
        poll = segment.feeds[2]
        assert isinstance(poll, Poll)
        return list(poll.parse(poll.decode(products())))

    assert told(LINEAR) == [Tier("BTCUSDT", 1, 0.0, 2e6, Unit.USD, 0.005, 100.0)]
    assert told(INVERSE) == [
        Tier("BTCUSD", 1, 0.0, 100.0, Unit.BASE, 0.005, 100.0),
        Tier("BTCUSD", 2, 100.0, 150.0, Unit.BASE, 0.01, 50.0),
    ]


def test_minutes_are_coins_or_contracts_and_the_newest_runs() -> None:
    def told(segment, *rows: object) -> list[object]:
        poll = segment.feeds[1]
        assert isinstance(poll, Poll)
        return list(poll.parse(poll.decode(json.dumps({"code": 0, "data": {"total": -1, "rows": rows}}))))

    new = [1790000040, 60, "1", "1", "1", "1", "60004", "34.25", "813910.5"]
    old = [1789999980, 60, "1", "1", "1", "1", "60001", "0", "0"]
    assert told(LINEAR, new, old) == [
        Traded("", 1789999980000, 0.0, Unit.BASE, price=60_001.0),
        Traded("", 1790000040000, 34.25, Unit.BASE, price=60_004.0, final=False),
    ]
    assert told(INVERSE, [1790000040, 60, 1, 1, 1, 1, 600040000, 12500, 7]) == [
        Traded("", 1790000040000, 12_500.0, Unit.CONTRACTS, price=60_004.0, final=False)
    ]


def test_minutes_asked_for_more_seldom_are_more_of_them_in_numbers_that_the_venue_hears() -> None:
    btc, coin = listed(LINEAR, v2=[V2])[0], listed(INVERSE, v1=[V1])[0]
    for segment, instrument, path in ((LINEAR, btc, "kline/last"), (INVERSE, coin, "kline")):
        poll = segment.feeds[1]
        assert isinstance(poll, Poll)
        assert isinstance(poll.ask, Lately)
        url = f"https://api.phemex.com/exchange/public/md/v2/{path}?symbol={instrument.symbol}&resolution=60&limit="
        for every, limit in ((60, 10), (299, 10), (310, 50), (1500, 100), (3000, 500), (30_000, 1000), (90_000, 1000)):
            assert question(poll.ask, instrument, 1_800_000_000_000, every) == Ask(f"{url}{limit}")


def test_minutes_of_the_past_have_a_span_where_the_venue_hears_one() -> None:
    (past, _), (newest, _) = LINEAR.history, INVERSE.history
    asked = past.ask(listed(LINEAR, v2=[V2])[0], 1789999980001, 1790000040000)
    assert asked.url.endswith("/v2/kline/list?symbol=BTCUSDT&resolution=60&from=1789999981&to=1790000041")
    assert newest.ask(listed(INVERSE, v1=[V1])[0], 1, 2).url.endswith(
        "/v2/kline?symbol=BTCUSD&resolution=60&limit=1000"
    )
    assert (past.bounded, newest.bounded) == (True, False)
    rows = [[1790000040, 60, 1, 1, 1, 1, 600040000, 12500, 7]]
    assert list(newest.parse(newest.decode(json.dumps({"code": 0, "data": {"total": -1, "rows": rows}})))) == [
        Traded("", 1790000040000, 12_500.0, Unit.CONTRACTS, price=60_004.0)
    ]


def test_control_frames() -> None:
    assert scaled(error=None, id=7, result={"status": "success"}) == [Acked(7)]
    assert scaled(error={"code": 6001, "message": "invalid argument"}, id=7, result=None) == [
        Refused("6001: invalid argument", 7)
    ]
    assert scaled(error=None, id=0, result="pong") == []
    assert scaled(sequence=1, symbol="BTCUSD", trades=[[1, "Buy", 2, 3]], type="snapshot") == []


def test_one_subscription_is_for_all_and_the_ping_comes_every_five_seconds() -> None:
    feeds = [segment.feeds[0] for segment in VENUE.segments]
    assert [list(feed.subscribe(listed(LINEAR, v2=[V2]), 3)) for feed in feeds if isinstance(feed, Socket)] == [
        [{"id": 3, "method": "perp_market24h_pack_p.subscribe", "params": []}],
        [{"id": 3, "method": "market24h.subscribe", "params": []}],
    ]
    assert isinstance(feeds[0], Socket)
    assert feeds[0].heartbeat is not None
    assert feeds[0].heartbeat.every == 5


@pytest.mark.parametrize(
    ("symbol", "owners"),
    [("BTCUSDT", [0]), ("SOLUSDC", [0]), ("BTCUSD", [1]), ("sBTCUSDT", []), ("sBTCUSD", []), (".MBTCUSDT", [])],
)
def test_each_segment_owns_its_quote_and_none_owns_spot(symbol: str, owners: list[int]) -> None:
    assert [n for n, segment in enumerate(VENUE.segments) if segment.owns(symbol)] == owners


def test_what_was_paid_has_a_name_of_its_own_and_says_its_interval() -> None:
    names: list[str] = []
    for segment, symbol in ((LINEAR, "BTCUSDT"), (INVERSE, "BTCUSD")):
        _, paid = segment.history
        i = Instrument("phemex", segment.id, symbol, "BTC", "USDT", "USDT")
        names.append(paid.ask(i, 10, 20).url.partition("symbol=")[2])
        row = {"symbol": "x", "fundingRate": "0.0001", "fundingTime": "1682064000000", "intervalSeconds": "28800"}
        reply = {"code": "0", "msg": "OK", "data": {"rows": [row]}}
        assert list(paid.parse(paid.decode(json.dumps(reply)))) == [
            Update("", 1682064000000, funding=1e-4, funding_interval_h=8.0)
        ]
    assert names == [".BTCUSDTFR8H&start=10&end=20&limit=100", ".BTCFR8H&start=10&end=20&limit=100"]
