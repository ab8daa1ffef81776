"""Lighter, frame by frame. Shapes from captures of 2026; most numbers are made up."""

import json
from collections.abc import Sequence

import msgspec
import pytest

from collectors.venue import (
    Acked,
    Answer,
    CatalogueError,
    Liquidated,
    Poll,
    Refused,
    Remembering,
    Said,
    Socket,
    Tier,
    Traded,
    Update,
)
from collectors.venues.lighter import COINS, DOLLARS, VENUE
from store.records import FeedClass, Instrument, Side, Unit

(LINEAR,) = VENUE.segments
STATS, TRADES, TIERS = LINEAR.feeds
BTC, ETH = (
    Instrument("lighter", "linear", asset, asset, "USDC", "USDC", funding_interval_h=1.0, code=code)
    for asset, code in (("BTC", "1"), ("ETH", "0"))
)
ROW: dict[str, object] = {
    "symbol": "BTC", "market_id": 1, "index_price": "75281.9", "mark_price": "75241.1",
    "open_interest": "124496030.810800", "current_funding_rate": "-0.0028", "funding_rate": "0.0008",
    "funding_timestamp": 1776693600000,
}  # fmt: skip
NOON = 1790000040000


def parsed(reader: object, frame: object, listed: Sequence[Instrument], wanted: Sequence[str] | None) -> list[Said]:
    assert isinstance(reader, Socket | Answer)
    assert isinstance(reader.parse, Remembering)
    return list(reader.parse.make(listed, wanted)(reader.decode(json.dumps(frame))))


def said(frame: object, listed: Sequence[Instrument] = (BTC, ETH), wanted: Sequence[str] | None = None) -> list[Said]:
    return parsed(STATS, frame, listed, wanted)


def stats(*rows: dict[str, object]) -> dict[str, object]:
    market_stats = {str(row["market_id"]): row for row in rows}
    return {
        "type": "update/market_stats", "channel": "market_stats:all", "timestamp": 7, "market_stats": market_stats,
    }  # fmt: skip


def trade(market: int, kind: str, size: str, ask: bool, ts: int) -> dict[str, object]:
    return {
        "trade_id": ts, "type": kind, "market_id": market, "size": size, "price": "75602.8", "usd_amount": "1258.03",
        "is_maker_ask": ask, "timestamp": ts,
    }  # fmt: skip


def trades(
    *rows: dict[str, object], deaths: list[dict[str, object]] | None = None, type: str = "update/trade"
) -> dict[str, object]:
    return {"type": type, "channel": "trade:1", "nonce": 1, "trades": rows, "liquidation_trades": deaths}


def test_the_socket_counts_dollars_and_percent_an_hour() -> None:
    assert said(stats(ROW)) == [Update("BTC", 7, 124496030.8108, DOLLARS, 75241.1, 75281.9, -0.0028 / 100, 1.0)]
    assert (DOLLARS.unit, DOLLARS.sides) == (Unit.USD, 1)


def test_a_row_without_a_name_is_known_by_its_number() -> None:
    row = {name: value for name, value in ROW.items() if name != "symbol"} | {"market_id": 0}
    (update,) = said(stats(row))
    assert isinstance(update, Update)
    assert update.symbol == "ETH"
    with pytest.raises(CatalogueError):
        said(stats({**row, "market_id": 96}))


def test_listed_markets_that_nobody_asked_for_are_left_out_and_new_ones_are_not() -> None:
    frame = stats(ROW, {**ROW, "symbol": "ETH", "market_id": 0}, {**ROW, "symbol": "NEW", "market_id": 9})
    assert [one.symbol for one in said(frame, wanted=["BTC"]) if isinstance(one, Update)] == ["BTC", "NEW"]


def test_what_is_empty_is_none_and_zero_is_zero() -> None:
    row = {**ROW, "open_interest": "0", "index_price": "", "current_funding_rate": None, "mark_price": "1"}
    assert said(stats(row)) == [Update("BTC", 7, 0.0, DOLLARS, 1.0, None, None, 1.0)]


@pytest.mark.parametrize("field", ["open_interest", "mark_price", "current_funding_rate", "market_id"])
def test_a_field_left_out_is_heard(field: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        said({"market_stats": {"1": {name: value for name, value in ROW.items() if name != field}}})


def test_a_markets_own_channel_has_its_row_bare() -> None:
    single = LINEAR.answers[0]
    frame = {"type": "update/market_stats", "channel": "market_stats:1", "timestamp": 7, "market_stats": ROW}
    (update,) = parsed(single, frame, (), None)
    assert isinstance(update, Update)
    assert (update.symbol, update.ts, update.oi) == ("BTC", 7, 124496030.8108)


@pytest.mark.parametrize(("ask", "side"), [(True, Side.SHORT), (False, Side.LONG)])
def test_the_taker_of_a_forced_close_is_who_died(ask: bool, side: Side) -> None:
    died = trade(1, "liquidation", "0.01664", ask, NOON)
    assert said(trades(deaths=[died])) == [Liquidated("BTC", NOON, side, 0.01664, Unit.BASE, 75602.8, FeedClass.FULL)]


def test_a_settlement_and_a_deleveraging_are_no_forced_closes() -> None:
    others = [trade(1, kind, "1", True, NOON) for kind in ("deleverage", "market-settlement")]
    assert said(trades(deaths=others)) == []


def test_what_the_first_frame_replays_is_of_the_past() -> None:
    replay = trades(
        trade(1, "trade", "1", True, 5), deaths=[trade(1, "liquidation", "9", True, 5)], type="subscribed/trade"
    )
    assert said(replay) == [Acked(symbol="BTC")]


@pytest.mark.parametrize("deaths", [None, []])
def test_no_forced_closes_are_no_news(deaths: list[dict[str, object]] | None) -> None:
    assert said(trades(deaths=deaths)) == []


def test_minutes_are_summed_from_trades_and_forced_closes_with_the_takers_side() -> None:
    assert isinstance(TRADES, Socket)
    assert isinstance(TRADES.parse, Remembering)
    parse = TRADES.parse.make([BTC, ETH], None)
    frames = [
        trades(trade(1, "trade", "5", True, NOON)),  # of a minute that was not heard from its start
        trades(trade(1, "trade", "2", True, NOON + 60_000)),
        trades(
            trade(1, "trade", "0.5", False, NOON + 61_000), deaths=[trade(1, "liquidation", "1", True, NOON + 60_500)]
        ),
    ]
    minutes = [
        one for frame in frames for one in parse(TRADES.decode(json.dumps(frame))) if isinstance(one, Traded)
    ]  # fmt: skip
    assert minutes == [
        Traded("BTC", NOON + 60_000, volume, Unit.BASE, bought, final=False)
        for volume, bought in ((2.0, 2.0), (3.0, 3.0), (3.5, 3.0))
    ]


def test_the_minutes_of_the_past_are_asked_for_by_number_and_do_not_tell_who_took() -> None:
    past, *_ = LINEAR.history
    span = f"start_timestamp={NOON}&end_timestamp={NOON + 60_000}&count_back=500"
    assert past.ask(BTC, NOON, NOON + 60_000).url.endswith(f"/api/v1/candles?market_id=1&resolution=1m&{span}")
    candle = {"t": NOON, "o": 1.0, "h": 1.0, "l": 1.0, "c": 75602.8, "v": 1.25, "V": 94503.5, "i": 9}
    replies = (json.dumps({"code": 200, "r": "1m", "c": rows}) for rows in ([candle], None))
    assert [list(past.parse(past.decode(reply))) for reply in replies] == [
        [Traded("", NOON, 1.25, Unit.BASE, price=75602.8)],
        [],
    ]


def test_all_markets_in_one_channel_and_trades_by_number() -> None:
    assert isinstance(STATS, Socket)
    assert isinstance(TRADES, Socket)
    assert list(STATS.subscribe([BTC, ETH], 1)) == [{"type": "subscribe", "channel": "market_stats/all"}]
    assert list(TRADES.subscribe([BTC, ETH], 1)) == [
        {"type": "subscribe", "channel": "trade/1"}, {"type": "subscribe", "channel": "trade/0"},
    ]  # fmt: skip
    assert 60 / TRADES.pace <= 200, "messages a minute"
    assert TRADES.per_socket <= 500


def test_pings_go_both_ways() -> None:
    assert isinstance(STATS, Socket)
    assert STATS.heartbeat is not None
    assert (STATS.heartbeat.message, STATS.heartbeat.every) == ({"type": "ping"}, 30)
    assert STATS.answer is not None
    assert STATS.answer(STATS.decode('{"type":"ping"}')) == {"type": "pong"}
    assert STATS.answer(STATS.decode('{"type":"pong"}')) is None


def test_control_frames() -> None:
    assert said({"type": "connected", "session_id": "x"}) == []
    assert said({"type": "unsubscribed", "channel": "market_stats:all"}) == []
    assert said({"error": {"code": 30005, "message": "Invalid Channel:  (marketId)"}}) == [
        Refused("30005: Invalid Channel:  (marketId)")
    ]
    assert said({"type": "error", "code": 30009, "message": "Too many"}) == [Refused("30009: Too many")]
    assert said({"error": {"code": 30003, "message": "Already Subscribed to : market_stats:all"}}) == []


def details(**more: object) -> str:
    row = {
        "symbol": "1000PEPE", "market_id": 4, "market_type": "perp", "status": "active", "open_interest": 27350.8981,
        "last_trade_price": 2361.31, "min_initial_margin_fraction": 200, "maintenance_margin_fraction": 120, **more,
    }  # fmt: skip
    return json.dumps({"code": 200, "order_book_details": [row], "spot_order_book_details": []})


def test_the_catalogue_knows_numbers_and_leverage() -> None:
    (found,) = LINEAR.read(LINEAR.decode(details()))
    assert found == Instrument(
        "lighter", "linear", "1000PEPE", "PEPE", "USDC", "USDC", base_factor=1000.0, max_leverage=50.0,
        funding_interval_h=1.0,
    )  # fmt: skip
    assert found.code == "4"
    assert list(LINEAR.read(LINEAR.decode(details(market_type="spot")))) == []
    (gone,) = LINEAR.read(LINEAR.decode(details(status="inactive", min_initial_margin_fraction=0)))
    assert (gone.live, gone.max_leverage) == (False, None)


def test_margins_are_one_step_whatever_the_size() -> None:
    assert isinstance(TIERS, Poll)
    assert list(TIERS.parse(TIERS.decode(details()))) == [Tier("1000PEPE", 1, 0.0, None, Unit.USD, 0.012, 50.0)]


def test_rest_counts_coins_and_eight_hours() -> None:
    coins, rates = LINEAR.answers[2:]
    assert not isinstance(coins.parse, Remembering)
    assert not isinstance(rates.parse, Remembering)
    assert list(coins.parse(coins.decode(details()))) == [Update("1000PEPE", None, 27350.8981, COINS)]
    assert (COINS.unit, COINS.sides) == (Unit.BASE, 1)
    rows = [{"market_id": 0, "exchange": name, "symbol": "ETH", "rate": 9.6e-05} for name in ("lighter", "another")]
    reply = json.dumps({"code": 200, "funding_rates": rows})
    assert list(rates.parse(rates.decode(reply))) == [Update("ETH", funding=9.6e-05, funding_interval_h=8.0)]


def test_what_was_paid_is_a_percentage_that_says_who_paid() -> None:
    _, paid = VENUE.segments[0].history
    i = Instrument("lighter", "linear", "ETH", "ETH", "USDC", "USDC", code="0")
    assert paid.ask(i, 1000, 2000).url.endswith(
        "/fundings?market_id=0&resolution=1h&start_timestamp=1000&end_timestamp=2000&count_back=100"
    )
    rows = [{"timestamp": 1776693600 + k, "value": "0.027", "rate": "0.0012", "direction": who}
            for k, who in enumerate(("long", "short"))]  # fmt: skip
    assert list(paid.parse(paid.decode(json.dumps({"code": 200, "fundings": rows})))) == [
        Update("", 1776693600000, funding=pytest.approx(1.2e-05)),
        Update("", 1776693601000, funding=pytest.approx(-1.2e-05)),
    ]
