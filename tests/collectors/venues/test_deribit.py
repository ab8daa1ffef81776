import json

import pytest

from collectors.besides import Besides
from collectors.board import Board
from collectors.venue import Acked, Liquidated, Refused, Traded, Update
from collectors.venues.deribit import COINS, DOLLARS, VENUE
from store.records import FeedClass, Kind, Payoff, Side, Source, Unit

INVERSE, LINEAR, INVERSE_DATED, LINEAR_DATED = VENUE.segments
TICK = {
    "timestamp": 1790000000111, "instrument_name": "BTC-PERPETUAL", "open_interest": 900000000, "mark_price": 60000.0,
    "index_price": 60010.25, "current_funding": 0.00004, "funding_8h": 0.0001, "last_price": None, "state": "open",
}  # fmt: skip
TRADE = {
    "timestamp": 1790000000222, "instrument_name": "BTC-PERPETUAL", "price": 59000.0, "amount": 118000.0,
    "direction": "sell", "contracts": 11800.0, "trade_id": "1",
}  # fmt: skip
BTC = {
    "instrument_name": "BTC-PERPETUAL", "settlement_period": "perpetual", "is_active": True, "base_currency": "BTC",
    "quote_currency": "USD", "settlement_currency": "BTC", "contract_size": 10, "max_leverage": 50,
    "instrument_type": "reversed", "future_type": "reversed", "creation_timestamp": 1534167754000,
}  # fmt: skip
USDC = {
    **BTC, "instrument_name": "BTC_USDC-PERPETUAL", "quote_currency": "USDC", "settlement_currency": "USDC",
    "contract_size": 0.0001, "instrument_type": "linear", "future_type": "linear",
}  # fmt: skip
DATED = {
    **BTC, "instrument_name": "BTC-25DEC26", "settlement_period": "month", "expiration_timestamp": 1798185600000,
}  # fmt: skip
DATED_USDC = {**USDC, "instrument_name": "BTC_USDC-25DEC26", "settlement_period": "month"}


def said(segment, **frame):
    feed = segment.feeds[0]
    return list(feed.parse.make([])(feed.decode(json.dumps({"jsonrpc": "2.0", **frame}))))


def pushed(segment, channel, data):
    return said(segment, method="subscription", params={"channel": channel, "data": data})


def listed(segment, *rows):
    return list(segment.read(segment.decode(json.dumps({"jsonrpc": "2.0", "result": rows}))))


def answered(segment, path, result):
    answer = next(a for a in segment.answers if a.path.endswith(path))
    return list(answer.parse(answer.decode(json.dumps({"jsonrpc": "2.0", "result": result}))))


def test_inverse_open_interest_is_dollars_and_not_contracts_of_ten() -> None:
    [update] = pushed(INVERSE, "ticker.BTC-PERPETUAL.100ms", TICK)
    assert update == Update(
        "BTC-PERPETUAL", 1790000000111, 9e8, DOLLARS, 60_000.0, 60_010.25, 0.00004, funding_interval_h=8.0
    )
    record = Board(listed(INVERSE, BTC)).apply(update, 1790000000200)
    assert (record.usd, record.base, record.ts) == (9e8, 15_000.0, 1790000000111)


def test_linear_open_interest_is_coins() -> None:
    tick = {**TICK, "instrument_name": "BTC_USDC-PERPETUAL", "open_interest": 1250.5}
    [update] = pushed(LINEAR, "ticker.BTC_USDC-PERPETUAL.100ms", tick)
    record = Board(listed(LINEAR, USDC)).apply(update, 1790000000200)
    assert (record.field, record.base, record.usd) == (COINS, 1_250.5, 75_030_000.0)


def test_zero_is_zero_null_is_no_value_and_a_missing_field_is_unreadable() -> None:
    assert pushed(INVERSE, "ticker.BTC-PERPETUAL.100ms", {**TICK, "open_interest": 0})[0].oi == 0.0
    assert pushed(INVERSE, "ticker.BTC-PERPETUAL.100ms", {**TICK, "open_interest": None})[0].oi is None
    with pytest.raises(ValueError, match="open_interest"):
        pushed(INVERSE, "ticker.BTC-PERPETUAL.100ms", {k: v for k, v in TICK.items() if k != "open_interest"})


def test_a_dated_contract_has_no_funding() -> None:
    tick = {k: v for k, v in TICK.items() if k != "current_funding"}
    [update] = pushed(INVERSE_DATED, "ticker.BTC-25DEC26.100ms", {**tick, "instrument_name": "BTC-25DEC26"})
    assert (update.oi, update.funding, update.funding_interval_h) == (9e8, None, None)
    assert "funding" not in INVERSE_DATED.feeds[0].gives


@pytest.mark.parametrize(
    ("flag", "direction", "died"),
    [
        ("T", "sell", [Side.LONG]),
        ("T", "buy", [Side.SHORT]),
        ("M", "sell", [Side.SHORT]),
        ("M", "buy", [Side.LONG]),
        ("MT", "sell", [Side.SHORT, Side.LONG]),
        ("MT", "buy", [Side.LONG, Side.SHORT]),
    ],
)
def test_whose_position_died(flag: str, direction: str, died: list[Side]) -> None:
    got = pushed(INVERSE, "trades.BTC-PERPETUAL.100ms", [{**TRADE, "liquidation": flag, "direction": direction}])
    assert got == [
        Liquidated("BTC-PERPETUAL", 1790000000222, side, 118_000.0, Unit.USD, 59_000.0, FeedClass.FULL) for side in died
    ]


def test_an_ordinary_trade_closes_nobody_by_force() -> None:
    assert pushed(INVERSE, "trades.BTC-PERPETUAL.100ms", [TRADE]) == []


def test_a_forced_close_is_worth_what_it_traded_at() -> None:
    [said] = pushed(INVERSE, "trades.BTC-PERPETUAL.100ms", [{**TRADE, "liquidation": "T"}])
    record = Board(listed(INVERSE, BTC)).liquidation(said, 1790000000300)
    assert (record.usd, record.base) == (118_000.0, 2.0)
    trade = {**TRADE, "instrument_name": "BTC_USDC-PERPETUAL", "amount": 0.5, "liquidation": "T"}
    [said] = pushed(LINEAR, "trades.BTC_USDC-PERPETUAL.100ms", [trade])
    record = Board(listed(LINEAR, USDC)).liquidation(said, 1790000000300)
    assert (record.base, record.usd, record.unit) == (0.5, 29_500.0, Unit.BASE)


def test_each_segment_lists_its_own_perpetuals() -> None:
    rows = (BTC, USDC, DATED, DATED_USDC)
    [inverse], [linear] = listed(INVERSE, *rows), listed(LINEAR, *rows)
    assert (inverse.symbol, inverse.payoff, inverse.settle) == ("BTC-PERPETUAL", Payoff.INVERSE, "BTC")
    assert (linear.symbol, linear.payoff, linear.quote) == ("BTC_USDC-PERPETUAL", Payoff.LINEAR, "USDC")
    assert (inverse.asset, inverse.max_leverage, inverse.funding_interval_h) == ("BTC", 50.0, 8.0)
    assert inverse.valid_from == 1534167754000


def test_dated_contracts_stand_apart_and_say_when_they_end() -> None:
    rows = (BTC, USDC, DATED, DATED_USDC)
    [inverse], [linear] = listed(INVERSE_DATED, *rows), listed(LINEAR_DATED, *rows)
    assert (inverse.symbol, inverse.kind, inverse.expiry) == ("BTC-25DEC26", Kind.DATED, 1798185600000)
    assert (inverse.payoff, inverse.settle, inverse.funding_interval_h) == (Payoff.INVERSE, "BTC", None)
    assert (linear.symbol, linear.kind, linear.payoff) == ("BTC_USDC-25DEC26", Kind.DATED, Payoff.LINEAR)
    assert [s.lists for s in VENUE.segments] == [None, None, Kind.DATED, Kind.DATED]


def test_the_older_name_of_the_type_will_do() -> None:
    [instrument] = listed(INVERSE, {k: v for k, v in {**BTC, "is_active": False}.items() if k != "instrument_type"})
    assert instrument.live is False


def test_which_symbols_a_segment_owns() -> None:
    symbols = [
        "BTC-PERPETUAL", "BTC-25DEC26", "SOL_USDC-PERPETUAL", "BTC_USDC-25DEC26", "BTC-25DEC26-50000-C",
        "BTC-FS-25DEC26_PERP",
    ]  # fmt: skip
    owners = [[n for n, segment in enumerate(VENUE.segments) if segment.owns(s)] for s in symbols]
    assert owners == [[0], [2], [1], [3], [], []]


def test_a_summary_of_all_futures_gives_each_segment_its_own() -> None:
    row = {
        "instrument_name": "BTC-PERPETUAL", "creation_timestamp": 1790000000333, "open_interest": 900000000,
        "mark_price": 60000.0, "current_funding": 0.0001,
    }  # fmt: skip
    rows = [row, {**row, "instrument_name": "BTC_USDC-PERPETUAL", "open_interest": 1250.5}]
    [update] = answered(LINEAR, "get_book_summary_by", rows)
    record = Board(listed(LINEAR, USDC)).apply(update, 1790000000400, Source.POLL)
    assert (record.ts, record.base) == (1790000000333, 1_250.5)
    assert [u.symbol for u in answered(INVERSE, "get_book_summary_by", rows)] == ["BTC-PERPETUAL"]
    assert answered(INVERSE, "ticker", TICK)[0].oi == 9e8
    assert answered(LINEAR, "ticker", TICK) == []


def test_the_ack_lists_what_was_taken() -> None:
    feed = INVERSE.feeds[0]
    heartbeat, ask = feed.subscribe(listed(INVERSE, BTC), 3)
    channels = ["ticker.BTC-PERPETUAL.100ms", "trades.BTC-PERPETUAL.100ms"]
    assert ask == {"jsonrpc": "2.0", "id": 3, "method": "public/subscribe", "params": {"channels": channels}}
    assert said(INVERSE, id=3, result=channels) == [Acked(3, only=frozenset({"BTC-PERPETUAL"}))]
    assert said(INVERSE, id=3, result=[]) == [Acked(3, only=frozenset())]
    assert (heartbeat["method"], heartbeat["params"]) == ("public/set_heartbeat", {"interval": 30})
    assert said(INVERSE, id=heartbeat["id"], result="ok") == []


def test_a_refusal_in_the_venues_words() -> None:
    fault = {"code": 10028, "message": "too_many_requests", "data": None}
    assert said(INVERSE, id=3, error=fault) == [Refused("10028 too_many_requests", 3)]


def test_a_test_request_is_answered_and_a_heartbeat_is_not() -> None:
    feed = INVERSE.feeds[0]
    test, beat = ({"method": "heartbeat", "params": {"type": kind}} for kind in ("test_request", "heartbeat"))
    assert feed.answer(feed.decode(json.dumps(test))) == {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "public/test",
        "params": {},
    }
    assert feed.answer(feed.decode(json.dumps(beat))) is None
    assert said(INVERSE, id=0, result={"version": "1.2.26"}) == []


def test_channels_we_never_ask_for_are_ignored() -> None:
    assert pushed(INVERSE, "perpetual.BTC-PERPETUAL.100ms", {"interest": 0.01, "timestamp": 1}) == []
    assert pushed(INVERSE, "book.BTC-PERPETUAL.100ms", {"bids": [["new", 1, 2]], "timestamp": 1}) == []


def test_minutes_are_summed_from_trades_and_tell_what_takers_bought() -> None:
    """Dollars, at the price at which their coins add up: 118,000 at 59,000 and 120,000 at 60,000 are 4 coins."""
    [feed], start = INVERSE.feeds, 1790000040000
    parse = feed.parse.make([])

    def told(*trades):
        params = {"channel": "trades.BTC-PERPETUAL.100ms", "data": [{**TRADE, **trade} for trade in trades]}
        frame = feed.decode(json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params}))
        return [said for said in parse(frame) if isinstance(said, Traded)]

    assert told({"timestamp": start - 1}) == [], "of a minute that had begun before"
    buy = {"timestamp": start + 9, "direction": "buy", "amount": 120_000.0, "price": 60_000.0, "liquidation": "T"}
    first, both = told(buy, {"timestamp": start})
    assert first == Traded("BTC-PERPETUAL", start, 118_000.0, Unit.USD, 0.0, 59_000.0, final=False)
    assert both == Traded("BTC-PERPETUAL", start, 238_000.0, Unit.USD, 120_000.0, 59_500.0, final=False)
    ended, _ = told({"timestamp": start + 60_000})
    [volume] = Besides(Board(listed(INVERSE, BTC))).take(ended, start + 60_100, Source.STREAM)
    assert (volume.base, volume.ts) == (4.0, start)
    assert volume.taker_buy == pytest.approx(2.0, rel=0.01)
    assert "volume" in feed.gives


@pytest.mark.parametrize("segment", [INVERSE, LINEAR])
def test_past_minutes_are_coins_on_both_kinds_of_contract(segment) -> None:
    past, *_ = segment.history
    columns = {"ticks": [1790000040000, 1790000100000], "open": [1, 1], "high": [1, 1], "low": [1, 1],
               "close": [7834.0, 7835], "volume": [3.668, 0], "cost": [28740.0, 0], "status": "ok"}  # fmt: skip
    reply = past.decode(json.dumps({"jsonrpc": "2.0", "result": columns}))
    assert list(past.parse(reply)) == [
        Traded("", 1790000040000, 3.668, Unit.BASE, price=7834.0),
        Traded("", 1790000100000, 0.0, Unit.BASE, price=7835.0),
    ]
    [instrument] = listed(segment, BTC if segment is INVERSE else USDC)
    assert past.ask(instrument, 1, 2).url == (
        "https://www.deribit.com/api/v2/public/get_tradingview_chart_data"
        f"?instrument_name={instrument.symbol}&start_timestamp=1&end_timestamp=2&resolution=1"
    )


def test_no_minutes_are_no_fault() -> None:
    past, *_ = INVERSE.history
    columns = {"ticks": [], "open": [], "high": [], "low": [], "close": [], "volume": [], "cost": []}
    assert list(past.parse(past.decode(json.dumps({"result": {**columns, "status": "no_data"}})))) == []


def test_what_was_paid_is_what_accrued_in_an_hour() -> None:
    _, paid = LINEAR.history
    row = {"timestamp": 1569891600000, "index_price": 8222.87, "interest_8h": -9.2e-05, "interest_1h": -4.7e-07}
    assert list(paid.parse(paid.decode(json.dumps({"result": [row]})))) == [Update("", 1569891600000, funding=-4.7e-07)]
    assert [len(segment.history) for segment in (INVERSE_DATED, LINEAR_DATED)] == [1, 1], "they pay nothing"
