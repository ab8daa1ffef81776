"""OKX swaps, frame by frame. Values from the v5 documents; the numbers are made up."""

import msgspec
import pytest

from collectors.board import Board
from collectors.venue import (
    Acked,
    Ask,
    Ignored,
    Liquidated,
    Notice,
    Poll,
    Ratio,
    Refused,
    Said,
    Socket,
    Tier,
    Traded,
    Update,
    question,
)  # fmt: skip
from collectors.venues.okx import OI, VENUE
from store.records import FeedClass, Instrument, Kind, Payoff, Quarantined, Record, Side, Unit

LINEAR, INVERSE, LINEAR_DATED, INVERSE_DATED = VENUE.segments


def said(frame: str, segment: int = 0) -> list[Said]:
    socket = VENUE.segments[segment].feeds[0]
    assert isinstance(socket, Socket)
    assert callable(socket.parse)
    return list(socket.parse(socket.decode(frame)))


def pushed(channel: str, row: str, segment: int = 0) -> list[Said]:
    return said('{"arg":{"channel":"' + channel + '","instId":"X"},"data":[{' + row + "}]}", segment)


def test_open_interest_is_taken_in_contracts() -> None:
    row = '"instId":"BTC-USDT-SWAP","oi":"2000.5","oiCcy":"20.005","oiUsd":"1000250","ts":"1743041250440"'
    assert pushed("open-interest", row) == [Update("BTC-USDT-SWAP", 1743041250440, 2000.5, OI, usd=1_000_250.0)]
    assert pushed("open-interest", row.replace(',"oiUsd":"1000250"', "")) == [
        Update("BTC-USDT-SWAP", 1743041250440, 2000.5, OI)
    ]
    assert (OI.unit, OI.sides) == (Unit.CONTRACTS, 1)


def test_dollars_that_contradict_the_contracts_set_a_reading_aside() -> None:
    aside: list[Record] = []
    btc = Instrument("okx", "linear", "BTC-USDT-SWAP", "BTC", "USDT", "USDT", contract_size=0.01)
    board = Board([btc], sink=aside.append)
    board.apply(Update("BTC-USDT-SWAP", mark=50_000.0), 1)
    row = '"instId":"BTC-USDT-SWAP","oi":"2000","oiCcy":"20","oiUsd":"{}","ts":"2"'
    for dollars, passes in ((1_010_000, True), (2_000_000, False), (1_000_000, True)):
        (update,) = pushed("open-interest", row.replace("{}", str(dollars)))
        assert isinstance(update, Update)
        record = board.apply(update, 2)
        assert (record is not None) == passes
    (kept,) = aside
    assert isinstance(kept, Quarantined)
    assert (kept.check, kept.symbol) == ("implied_price", "BTC-USDT-SWAP")


def test_the_other_channels_say_one_thing_each() -> None:
    assert pushed("mark-price", '"instId":"BTC-USD-SWAP","markPx":"50000.1","ts":"7"', 1) == [
        Update("BTC-USD-SWAP", 7, mark=50000.1)
    ]
    assert pushed("index-tickers", '"instId":"BTC-USDT","idxPx":"50010","high24h":"1","ts":"8"') == [
        Update("BTC-USDT-SWAP", 8, index=50010.0)
    ]
    row = (
        '"instId":"BTC-USDT-SWAP","fundingRate":"-0.0001","fundingTime":"1743062400000",'
        '"nextFundingTime":"1743076800000","nextFundingRate":"","ts":"9"'
    )
    assert pushed("funding-rate", row) == [Update("BTC-USDT-SWAP", 9, funding=-0.0001, funding_interval_h=4.0)]


def test_an_empty_field_is_no_value_and_zero_is_one() -> None:
    assert pushed("open-interest", '"instId":"A","oi":"","ts":"1"') == [Update("A", 1, None, OI)]
    assert pushed("open-interest", '"instId":"A","oi":"0","ts":"1"') == [Update("A", 1, 0.0, OI)]
    assert pushed("funding-rate", '"instId":"A","fundingRate":"0","fundingTime":"1","nextFundingTime":"","ts":"1"') == [
        Update("A", 1, funding=0.0)
    ]


@pytest.mark.parametrize("channel", ["open-interest", "mark-price", "index-tickers", "funding-rate"])
def test_a_field_left_out_is_heard(channel: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        pushed(channel, '"instId":"BTC-USDT-SWAP","ts":"1"')


@pytest.mark.parametrize(
    ("position", "order", "side"),
    [("short", "buy", Side.SHORT), ("long", "sell", Side.LONG), ("net", "sell", Side.LONG), ("net", "buy", Side.SHORT)],
)
def test_a_forced_close_names_the_position_or_its_closing_order(position: str, order: str, side: Side) -> None:
    frame = (
        '{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"instId":"BTC-USDT-SWAP","details":['
        f'{{"bkPx":"49000","posSide":"{position}","side":"{order}","sz":"13","ts":"5"}},'
        '{"bkPx":"48000","posSide":"long","side":"sell","sz":"2","ts":"6"}]}]}'
    )
    assert said(frame) == [
        Liquidated("BTC-USDT-SWAP", 5, side, 13.0, Unit.CONTRACTS, 49000.0, FeedClass.THROTTLED),
        Liquidated("BTC-USDT-SWAP", 6, Side.LONG, 2.0, Unit.CONTRACTS, 48000.0, FeedClass.THROTTLED),
    ]
    assert said(frame, segment=1) == []  # one subscription brings all swaps to both segments


def test_control_frames() -> None:
    ack = '{"id":"4","event":"subscribe","arg":{"channel":"%s","instId":"%s"},"connId":"a"}'
    assert said(ack % ("open-interest", "BTC-USDT-SWAP")) == [Acked(4, "BTC-USDT-SWAP")]
    assert said(ack % ("index-tickers", "BTC-USDT")) == [Acked(4, "BTC-USDT-SWAP")]
    assert said('{"id":"4","event":"error","code":"60018","msg":"no such","connId":"a"}') == [
        Refused("60018: no such", 4)
    ]
    assert said('{"event":"notice","code":"64008","msg":"soon","connId":"a"}') == [Notice("soon")]
    counted = '{"event":"channel-conn-count","channel":"open-interest","connCount":"1","connId":"a"}'
    assert said(counted) == [Ignored("channel-conn-count")]
    assert said('{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"data":[]}') == [Ignored("books")]
    assert said("pong") == []


def test_subscriptions() -> None:
    levels, deaths = LINEAR.feeds[:2]
    assert isinstance(levels, Socket)
    assert isinstance(deaths, Socket)
    asked = [Instrument("okx", "linear", "BTC-USDT-SWAP", "BTC", "USDT", "USDT")]
    (message,) = levels.subscribe(asked, 2)
    assert message["id"] == "2"
    assert {"channel": "index-tickers", "instId": "BTC-USDT"} in message["args"]
    assert {"channel": "open-interest", "instId": "BTC-USDT-SWAP"} in message["args"]
    assert list(deaths.subscribe(asked, 3)) == [
        {"id": "3", "op": "subscribe", "args": [{"channel": "liquidation-orders", "instType": "SWAP"}]}
    ]
    assert levels.heartbeat is not None
    assert levels.heartbeat.message == "ping"


def test_the_catalogue_says_the_size_of_a_contract() -> None:
    def listed(symbol: str, kind: str, size: str, mult: str, state: str) -> dict[str, str]:
        return {
            "instId": symbol, "instFamily": symbol.removesuffix("-SWAP"), "ctType": kind, "ctVal": size, "ctMult": mult,
            "settleCcy": "BTC", "lever": "100", "state": state, "listTime": "1611916828000",
        }  # fmt: skip

    rows = [
        listed("BTC-USDT-SWAP", "linear", "0.01", "1", "live"),
        listed("ETH-USDT-SWAP", "linear", "0.1", "2", "suspend"),
        listed("BTC-USD-SWAP", "inverse", "100", "1", "live"),
    ]
    reply = LINEAR.decode(msgspec.json.encode({"code": "0", "data": rows}))
    btc, eth = LINEAR.read(reply)
    assert (btc.contract_size, btc.asset, btc.quote, btc.max_leverage, btc.live) == (0.01, "BTC", "USDT", 100.0, True)
    assert (eth.contract_size, eth.live) == (0.2, False)
    assert list(INVERSE.read(reply)) == [
        Instrument(
            "okx", "inverse", "BTC-USD-SWAP", "BTC", "USD", "BTC", payoff=Payoff.INVERSE, contract_size=100.0,
            max_leverage=100.0, valid_from=1611916828000,
        )
    ]  # fmt: skip


def test_dated_futures_have_a_catalogue_of_their_own_two_channels_and_a_past() -> None:
    def listed(symbol: str, family: str, kind: str, size: str, rule: str = "normal") -> dict[str, str]:
        return {
            "instId": symbol, "instFamily": family, "ctType": kind, "ctVal": size, "ctMult": "1", "settleCcy": "BTC",
            "lever": "20", "state": "live", "listTime": "1733472600725", "expTime": "1798185600000", "ruleType": rule,
        }  # fmt: skip

    rows = [
        listed("BTC-USDT-261225", "BTC-USDT", "linear", "0.01"), listed("BTC-USD-261225", "BTC-USD", "inverse", "100"),
        listed("BTC-USD_UM_XPERP-310404", "BTC-USD_UM_XPERP", "linear", "0.0001", "xperp"),
    ]  # fmt: skip
    reply = LINEAR_DATED.decode(msgspec.json.encode({"code": "0", "data": rows}))
    (linear,), (inverse,) = LINEAR_DATED.read(reply), INVERSE_DATED.read(reply)
    assert (linear.symbol, linear.kind, linear.expiry) == ("BTC-USDT-261225", Kind.DATED, 1798185600000)
    assert (inverse.payoff, inverse.contract_size, inverse.quote) == (Payoff.INVERSE, 100.0, "USD")
    assert LINEAR_DATED.catalogue.url.endswith("instruments?instType=FUTURES")
    assert LINEAR_DATED.lists is INVERSE_DATED.lists is Kind.DATED
    levels, minutes = LINEAR_DATED.feeds
    assert isinstance(levels, Socket)
    assert minutes.gives == {"volume"}
    gives = [sorted(history.gives) for history in LINEAR_DATED.history]
    assert gives == [["oi"], ["mark"], ["volume"]]  # no crowd, and nothing is paid
    asked = LINEAR_DATED.history[0].ask(linear, 300_000, 600_000).url
    assert "/open-interest-history?instId=BTC-USDT-261225&period=5m" in asked
    (message,) = levels.subscribe([linear], 2)
    assert [(a["channel"], a["instId"]) for a in message["args"]] == [
        ("open-interest", "BTC-USDT-261225"), ("mark-price", "BTC-USDT-261225"),
    ]  # fmt: skip
    ack = '{"id":"4","event":"subscribe","arg":{"channel":"mark-price","instId":"BTC-USDT-261225"},"connId":"a"}'
    assert said(ack, 2) == [Acked(4, "BTC-USDT-261225")]
    row = '"instId":"BTC-USDT-261225","oi":"2000.5","oiCcy":"20.005","oiUsd":"1000250","ts":"1743041250440"'
    assert pushed("open-interest", row, 2) == [Update("BTC-USDT-261225", 1743041250440, 2000.5, OI, usd=1_000_250.0)]


def test_a_contract_whose_open_interest_does_not_change_is_silent_and_well() -> None:
    lines = [feed for segment in VENUE.segments for feed in segment.feeds if isinstance(feed, Socket)]
    found = [(line.cadence, line.line) for line in lines if "oi" in line.gives]
    assert found == [(30, 10), (30, 10), (30, None), (30, None)], "the major coins of dated lines may be quiet too"


@pytest.mark.parametrize(
    ("symbol", "inverse"),
    [("BTC-USD-SWAP", True), ("BTC-USD", True), ("BTC-USDT-SWAP", False), ("BTC-USDC-SWAP", False)],
)
def test_a_symbol_tells_its_segment(symbol: str, inverse: bool) -> None:
    assert (LINEAR.owns(symbol), INVERSE.owns(symbol)) == (not inverse, inverse)
    assert not LINEAR_DATED.owns(symbol)
    assert not INVERSE_DATED.owns(symbol)


@pytest.mark.parametrize(("symbol", "inverse"), [("BTC-USD-261225", True), ("BTC-USDT-261225", False)])
def test_a_dated_symbol_is_of_a_dated_segment(symbol: str, inverse: bool) -> None:
    owners = [segment.id for segment in VENUE.segments if segment.owns(symbol)]
    assert owners == ["inverse-dated" if inverse else "linear-dated"]


def test_history_rows_name_no_instrument_and_the_span_is_exclusive() -> None:
    history = LINEAR.history[0]
    rows = '{"code":"0","data":[["1790550000000","2800.5","28.005","2360916"]]}'
    assert list(history.parse(history.decode(rows))) == [Update("", 1790550000000, 2800.5, OI)]
    url = history.ask(Instrument("okx", "linear", "BTC-USDT-SWAP", "BTC", "USDT", "USDT"), 300_000, 600_000).url
    assert url.endswith("?instId=BTC-USDT-SWAP&period=5m&limit=100&begin=299999&end=600001")


BTC = Instrument("okx", "linear", "BTC-USDT-SWAP", "BTC", "USDT", "USDT")


def polled(gives: str, rows: str) -> list[list[Said]]:
    """What each question that gives this makes of a reply."""
    polls = [feed for feed in LINEAR.feeds if isinstance(feed, Poll) and gives in feed.gives]
    return [list(poll.parse(poll.decode('{"code":"0","data":[' + rows + "]}"))) for poll in polls]


def test_minutes_are_coins_whatever_a_contract_is() -> None:
    row = '["%s","1","49000","1","48000.5","%s","%s","5432000","%s"]'
    rows = ",".join([row % (1790550060000, "100", "1", "0"), row % (1790550000000, "11316.08", "113.1608", "1")])
    assert polled("volume", rows) == [
        [
            Traded("", 1790550000000, 113.1608, Unit.BASE, price=48000.5),
            Traded("", 1790550060000, 1.0, Unit.BASE, price=48000.5, final=False),
        ]
    ]


def test_ratios_are_of_accounts_and_of_the_largest_traders() -> None:
    found = polled("ratios", '["1701417600000","1.1739"],["1701417300000","1.2"]')
    kinds = ("account", "top_account", "top_position")
    assert found == [[Ratio("", 1701417600000, kind, 1.1739)] for kind in kinds]


def test_the_past_has_all_three_kinds_of_ratios() -> None:
    past = [history for history in LINEAR.history if "ratios" in history.gives]
    said = [list(history.parse(history.decode('{"code":"0","data":[["1701417600000","1.5"]]}'))) for history in past]
    kinds = ("account", "top_account", "top_position")
    assert said == [[Ratio("", 1701417600000, kind, 1.5)] for kind in kinds]
    assert [history.ask(BTC, 1, 2).url.partition("?")[0].rpartition("/")[2] for history in past] == [
        "long-short-account-ratio-contract", "long-short-account-ratio-contract-top-trader",
        "long-short-position-ratio-contract-top-trader",
    ]  # fmt: skip


def test_a_ladder_counts_contracts() -> None:
    row = '{"tier":"%s","minSz":"%s","maxSz":"%s","mmr":"%s","imr":"0.01","maxLever":"%s","instFamily":"BTC-USDT"}'
    rows = ",".join([row % (1, 0, 1000, "0.004", 100), row % (2, 1001, 5000, "0.005", "66.67")])
    assert polled("tiers", rows) == [
        [
            Tier("", 1, 0.0, 1000.0, Unit.CONTRACTS, 0.004, 100.0),
            Tier("", 2, 1000.0, 5000.0, Unit.CONTRACTS, 0.005, 66.67),
        ]
    ]
    (poll,) = (feed for feed in LINEAR.feeds if isinstance(feed, Poll) and "tiers" in feed.gives)
    assert callable(poll.ask)
    assert poll.ask(BTC) == Ask(
        "https://openapi.okx.com/api/v5/public/position-tiers?instType=SWAP&tdMode=cross&instFamily=BTC-USDT", weight=4
    )


def test_ratios_of_each_kind_and_minutes_have_limits_of_their_own() -> None:
    asked = [question(feed.ask, BTC, 1_800_000_000_000) for feed in LINEAR.feeds
             if isinstance(feed, Poll) and not isinstance(feed.ask, Ask)]  # fmt: skip
    rates = {ask.url.partition("?")[0].rpartition("/")[2]: VENUE.limits.rate(ask.budget) / ask.weight for ask in asked}
    assert rates == {
        "candles": 20.0, "long-short-account-ratio-contract": 2.5, "long-short-account-ratio-contract-top-trader": 2.5,
        "long-short-position-ratio-contract-top-trader": 2.5, "position-tiers": 5.0,
    }  # fmt: skip
    assert len({ask.budget for ask in asked}) == 5, "none takes of another"


def test_the_past_of_marks_and_minutes_is_asked_between_two_ends() -> None:
    market = "https://openapi.okx.com/api/v5/market"
    assert [history.ask(BTC, 300_000, 600_000) for history in LINEAR.history[1:3]] == [
        Ask(
            f"{market}/history-mark-price-candles?instId=BTC-USDT-SWAP&bar=5m&limit=100&before=299999&after=600001",
            weight=4,
        ),
        Ask(f"{market}/history-candles?instId=BTC-USDT-SWAP&bar=1m&limit=300&before=299999&after=600001", weight=2),
    ]
    assert list(LINEAR.history[1].parse([[600_000, 1, 3, 1, 2.5, 1]])) == [Update("", 900_000, mark=2.5)]


def test_what_was_paid_is_the_realized_rate_of_its_history() -> None:
    (history,) = [h for h in LINEAR.history if "funding" in h.gives]
    row = {"instId": "BTC-USDT-SWAP", "fundingRate": "0.018", "realizedRate": "0.017", "fundingTime": "1597026383085"}
    reply = history.decode(msgspec.json.encode({"code": "0", "data": [row]}))
    assert list(history.parse(reply)) == [Update("BTC-USDT-SWAP", 1597026383085, funding=0.017)]
    i = Instrument("okx", "linear", "BTC-USDT-SWAP", "BTC", "USDT", "USDT")
    assert history.ask(i, 10, 20).url.endswith("funding-rate-history?instId=BTC-USDT-SWAP&limit=100&before=9&after=21")
