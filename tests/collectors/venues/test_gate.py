import json

import pytest

from collectors.board import Board
from collectors.venue import (
    Acked,
    Liquidated,
    Notice,
    Poll,
    Ratio,
    Refused,
    Said,
    Segment,
    Tier,
    Traded,
    Update,
    spelled,
)  # fmt: skip
from collectors.venues.gate import LONGS, STATED, TOTAL, VENUE, own, stated
from store.records import FeedClass, Kind, Payoff, Side, Source, Unit

USDT, BTC, DATED = VENUE.segments
FEED = USDT.feeds[0]
ROW = {
    "contract": "BTC_USDT", "mark_price": "60000", "index_price": "60010.5", "funding_rate": "-0.00012",
    "funding_interval": 14400, "total_size": "800000000", "t": 1790000000123,
}  # fmt: skip
LISTED = {
    "name": "BTC_USDT", "type": "direct", "quanto_multiplier": "0.0001", "leverage_max": "125",
    "funding_interval": 28800, "position_size": "400000001", "mark_price": "60000", "index_price": "60010",
    "funding_rate": "0.0001", "in_delisting": False, "status": "trading",
}  # fmt: skip
DOLLAR = {**LISTED, "name": "BTC_USD", "type": "inverse", "quanto_multiplier": "0", "position_size": 250000000}


def heard(*rows: object, channel: str = "futures.tickers", event: str = "update") -> list[object]:
    frame = {"time": 1790000000, "time_ms": 1790000000456, "channel": channel, "event": event, "result": [*rows]}
    return list(FEED.parse(FEED.decode(json.dumps(frame))))


def said(**frame: object) -> list[object]:
    return list(FEED.parse(FEED.decode(json.dumps(frame))))


def answered(parse, reply):
    readers = [a for s in VENUE.segments for a in s.answers if a.parse is parse]
    return list(parse(readers[0].decode(json.dumps(reply))))


def listed(segment, *rows):
    return list(segment.read(segment.decode(json.dumps(rows))))


def test_total_size_is_contracts_of_both_sides() -> None:
    [update] = heard(ROW)
    assert update == Update(
        "BTC_USDT", 1790000000123, 800_000_000.0, TOTAL, 60_000.0, 60_010.5, -0.00012, funding_interval_h=4.0
    )
    record = Board(listed(USDT, LISTED)).apply(update, 1790000000200)
    assert record.base == pytest.approx(40_000)  # 800 million contracts, half of them, 0.0001 BTC each
    assert record.usd == pytest.approx(2.4e9)
    assert (record.ts, record.field.sides, record.flags & 1) == (1790000000123, 2, 0)


def test_a_multiplier_of_zero_is_a_contract_of_one_dollar() -> None:
    [instrument] = listed(BTC, DOLLAR)
    assert (instrument.payoff, instrument.contract_size, instrument.settle) == (Payoff.INVERSE, 1.0, "BTC")
    [update] = heard({**ROW, "contract": "BTC_USD", "total_size": "500000000"})
    record = Board([instrument]).apply(update, 1790000000200)
    assert record.usd == 250_000_000.0
    assert record.base == pytest.approx(4_166.6666667)


def test_fractions_of_a_contract_survive() -> None:
    [update] = heard({**ROW, "total_size": "1234567.25"})
    assert update.oi == 1_234_567.25
    assert FEED.headers == {"X-Gate-Size-Decimal": "1"}
    assert USDT.catalogue.headers == {"X-Gate-Size-Decimal": "1"}


def test_zero_is_zero_and_empty_is_no_value() -> None:
    assert [
        u.oi for u in heard({**ROW, "total_size": "0"}, {**ROW, "total_size": ""}, {**ROW, "total_size": None})
    ] == [
        0.0,
        None,
        None,
    ]


def test_a_row_without_its_size_is_unreadable() -> None:
    with pytest.raises(ValueError, match="total_size"):
        heard({k: v for k, v in ROW.items() if k != "total_size"})


def test_a_row_without_a_time_has_its_frames_time() -> None:
    [update] = heard({k: v for k, v in ROW.items() if k != "t"})
    assert update.ts == 1790000000456


def test_a_negative_forced_close_is_of_a_short() -> None:
    short = {"contract": "BTC_USDT", "price": "60100", "size": "-124", "time": 1790000000, "time_ms": 1790000000454}
    long = {**short, "size": 50}
    got = heard(short, long, channel="futures.public_liquidates")
    assert got == [
        Liquidated(
            "BTC_USDT", 1790000000454, side, size, Unit.CONTRACTS, 60_100.0, FeedClass.THROTTLED
        )
        for side, size in ((Side.SHORT, 124.0), (Side.LONG, 50.0))
    ]  # fmt: skip
    record = Board(listed(USDT, LISTED)).liquidation(got[0], 1790000000500)
    assert record.base == pytest.approx(0.0124)
    assert record.usd == pytest.approx(745.24)


def test_an_accounts_own_forced_close_is_read_but_never_asked_for() -> None:
    row = {"contract": "BTC_USD", "size": -124, "fill_price": 215.5, "order_price": 215.1, "time_ms": 1790000000123}
    assert heard({**row, "user": "x"}, channel="futures.liquidates") == []
    [said] = answered(own, {"channel": "futures.liquidates", "result": [{**row, "user": "x"}]})
    assert (said.symbol, said.side, said.size, said.price) == ("BTC_USD", Side.SHORT, 124.0, 215.5)
    asked = [message["channel"] for message in FEED.subscribe(listed(USDT, LISTED), 1)]
    assert asked == ["futures.tickers", "futures.public_liquidates"]


def test_statistics_count_both_sides_at_the_second_they_name() -> None:
    row = {
        "time": "1790000100",
        "contract": "BTC_USDT",
        "open_interest": "600000000",
        "mark_price": 61000.5,
        "lsr_taker": 1,
    }
    assert answered(stated, {"channel": "futures.contract_stats", "result": [row]}) == [
        Update("BTC_USDT", 1790000100000, 600_000_000.0, STATED, 61_000.5)
    ]
    past = USDT.history[0]
    [nameless] = past.parse(past.decode(json.dumps([{k: v for k, v in row.items() if k != "contract"}])))
    assert (nameless.symbol, nameless.ts, nameless.oi) == ("", 1790000100000, 600_000_000.0)


def test_the_past_is_asked_in_seconds() -> None:
    past = USDT.history[0]
    ask = past.ask(listed(USDT, LISTED)[0], 1790000000000, 1790030000000)
    assert ask.url.endswith("/usdt/contract_stats?contract=BTC_USDT&interval=5m&from=1790000000&limit=100")


def test_the_contracts_list_states_the_long_side() -> None:
    answer = next(a for a in USDT.answers if a.path.endswith("/contracts"))
    [update] = answer.parse(answer.decode(json.dumps([LISTED])))
    record = Board(listed(USDT, LISTED)).apply(update, 1790000000200, Source.POLL)
    assert update.field is LONGS
    assert record.base == pytest.approx(40_000.0001)


def test_the_list_of_tickers_is_readable_and_says_no_interval() -> None:
    answer = next(a for a in USDT.answers if a.path.endswith("/tickers"))
    row = {k: v for k, v in ROW.items() if k not in ("t", "funding_interval")}
    [update] = answer.parse(answer.decode(json.dumps([row])))
    assert (update.ts, update.oi, update.funding_interval_h) == (None, 800_000_000.0, None)


def test_only_trading_contracts_are_live() -> None:
    rows = [
        LISTED,
        {**LISTED, "in_delisting": True},
        {**LISTED, "status": "prelaunch"},
        {**LISTED, "quanto_multiplier": "0"},
    ]
    assert [i.live for i in listed(USDT, *rows)] == [True, False, False, False]
    first = listed(USDT, LISTED)[0]
    assert (first.asset, first.quote, first.settle) == ("BTC", "USDT", "USDT")
    assert (first.contract_size, first.max_leverage, first.funding_interval_h) == (0.0001, 125.0, 8.0)


def test_each_segment_owns_its_quote() -> None:
    assert [s.owns("BTC_USDT") for s in VENUE.segments] == [True, False, False]
    assert [s.owns("BTC_USD") for s in VENUE.segments] == [False, True, False]
    assert [s.owns("BTC_USDT_20261225") for s in VENUE.segments] == [False, False, True]


def test_a_subscription_carries_the_second_it_is_sent() -> None:
    tickers, deaths = FEED.subscribe(listed(USDT, LISTED, {**LISTED, "name": "ETH_USDT"}), 7)
    assert json.loads(spelled(tickers, 1790000000999)) == {
        "time": 1790000000,
        "id": 7,
        "channel": "futures.tickers",
        "event": "subscribe",
        "payload": ["BTC_USDT", "ETH_USDT"],
    }
    assert json.loads(spelled(deaths, 1790000000999))["channel"] == "futures.public_liquidates"


def test_answers_to_subscriptions() -> None:
    reply = {"time": 1, "channel": "futures.tickers", "event": "subscribe", "id": 7}
    assert said(**reply, error=None, result={"status": "success"}) == [Acked(7)]
    fault = {"code": 2, "message": "unknown contract FOO_USDT"}
    assert said(**reply, error=fault, result={"status": "fail"}) == [Refused("2 unknown contract FOO_USDT", 7)]
    assert said(**reply, error=fault, result=None) == [Refused("2 unknown contract FOO_USDT", 7)]


def test_a_refusal_of_forced_closes_refuses_no_ticker() -> None:
    reply = {"channel": "futures.public_liquidates", "event": "subscribe", "id": 0, "result": {"status": "fail"}}
    assert said(**reply, error={"code": 3, "message": "busy"}) == [Refused("3 busy", 0)]


def test_an_upgrade_is_announced() -> None:
    [notice] = said(channel="futures.system", event="update", result={"type": "upgrade", "msg": "soon"})
    assert isinstance(notice, Notice)


def test_channels_we_never_ask_for_are_ignored() -> None:
    assert heard({"t": 1, "s": "BTC_USDT", "b": "1"}, channel="futures.book_ticker") == []
    assert said(time=1, time_ms=1000, channel="futures.pong", event="", result=None) == []


def polled(gives: str, *rows: dict[str, object], segment: Segment = USDT) -> list[Said]:
    """What the questions that give this make of a reply."""
    polls = [feed for feed in segment.feeds if isinstance(feed, Poll) and gives in feed.gives]
    return [said for poll in polls for said in poll.parse(poll.decode(json.dumps(rows)))]


def test_minutes_count_contracts_and_are_worth_their_close() -> None:
    rows = [{"t": at, "v": size, "o": "1", "h": "1", "l": "1", "c": "60100.5", "sum": "9"} for at, size in
            ((1790000040, "1234.5"), (1790000100, 7))]  # fmt: skip
    assert polled("volume", *rows) == [
        Traded("", 1790000040000, 1234.5, Unit.CONTRACTS, price=60_100.5),
        Traded("", 1790000100000, 7.0, Unit.CONTRACTS, price=60_100.5, final=False),
    ]


def test_ratios_go_by_the_names_of_their_fields() -> None:
    old = {"time": 1790000100, "lsr_account": 9, "lsr_taker": 9, "top_lsr_account": 9, "top_lsr_size": 9}
    new = {"time": 1790000400, "lsr_account": "0.95", "lsr_taker": 1.02, "top_lsr_account": 1.5, "top_lsr_size": ""}
    assert polled("ratios", old, new) == [
        Ratio("", 1790000400000, "account", 0.95),
        Ratio("", 1790000400000, "taker", 1.02),
        Ratio("", 1790000400000, "top_account", 1.5),
    ]


def test_a_ladder_is_bounded_in_quote_and_left_out_where_the_bound_is_not_established() -> None:
    row = {"tier": 1, "risk_limit": "1000000", "maintenance_rate": "0.004", "leverage_max": "125", "deduction": "0"}
    assert polled("tiers", row) == [Tier("", 1, 0.0, 1_000_000.0, Unit.USD, 0.004, 125.0, 0.0)]
    assert polled("tiers", row, segment=VENUE.segments[1]) == []


def test_minutes_of_the_past_are_asked_in_seconds() -> None:
    [minutes] = [past for past in USDT.history if "volume" in past.gives]
    ask = minutes.ask(listed(USDT, LISTED)[0], 1790000000000, 1790030000000)
    assert ask.url.endswith("/usdt/candlesticks?contract=BTC_USDT&interval=1m&from=1790000000&to=1790030000")
    assert ask.headers == {"X-Gate-Size-Decimal": "1"}


def test_dated_contracts_come_from_a_list_of_their_own_that_counts_the_long_side() -> None:
    row = {
        "name": "BTC_USDT_20261225", "underlying": "BTC_USDT", "cycle": "QUARTERLY", "type": "direct",
        "quanto_multiplier": "0.0001", "expire_time": 1798185600, "position_size": 455000, "mark_price": "90000",
        "index_price": "", "in_delisting": False, "leverage_max": "100",
    }  # fmt: skip
    reply = json.dumps([row, {**row, "name": "ETH_USDT_20261225", "in_delisting": True}, {**row, "type": "inverse"}])
    [btc, eth] = DATED.read(DATED.decode(reply))
    assert (btc.kind, btc.expiry, btc.contract_size, btc.live) == (Kind.DATED, 1798185600000, 0.0001, True)
    assert (eth.asset, eth.live, DATED.lists) == ("ETH", False, Kind.DATED)
    levels = DATED.feeds[0]
    assert isinstance(levels, Poll)
    [update, _] = levels.parse(levels.decode(reply))
    assert update == Update("BTC_USDT_20261225", None, 455_000.0, LONGS, 90_000.0)
    assert Board([btc]).apply(update, 1790000000000, Source.POLL).base == pytest.approx(45.5)
    with pytest.raises(ValueError, match="position_size"):
        levels.decode(json.dumps([{k: v for k, v in row.items() if k != "position_size"}]))
