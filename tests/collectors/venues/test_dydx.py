import json

import pytest

from collectors.board import Board
from collectors.venue import Acked, Liquidated, Refused, Tier, Traded, Update
from collectors.venues.dydx import OI, VENUE
from store.records import FeedClass, Instrument, Side, Unit

[SEGMENT] = VENUE.segments
MARKETS, TRADES, TIERS = SEGMENT.feeds
LISTED = {
    "ticker": "BTC-USD", "status": "ACTIVE", "initialMarginFraction": "0.02", "maintenanceMarginFraction": "0.012",
}  # fmt: skip
STATE = {"oraclePrice": "89919.2", "nextFundingRate": "0.0000025", "openInterest": "381.7348", "trades24H": 63065}
TRADE = {
    "id": "014f", "size": "0.39", "price": "60397", "side": "SELL", "createdAt": "2024-08-04T07:34:50.628Z",
    "type": "LIQUIDATED",
}  # fmt: skip
CANDLE = {
    "startedAt": "2026-09-15T07:29:00.000Z", "ticker": "BTC-USD", "close": "64000", "baseTokenVolume": "1.25",
    "startingOpenInterest": "381.5",
}  # fmt: skip


def listed(*rows: dict[str, object]) -> list[Instrument]:
    return list(SEGMENT.read(SEGMENT.decode(json.dumps({"markets": {str(row["ticker"]): row for row in rows}}))))


def said(feed=MARKETS, wanted=None, **frame: object) -> list[object]:
    parse = feed.parse.make(listed(LISTED, {**LISTED, "ticker": "ETH-USD"}), wanted)
    return list(parse(feed.decode(json.dumps(frame))))


def snapshot(**markets: object) -> list[object]:
    return said(type="subscribed", channel="v4_markets", contents={"markets": {"BTC-USD": STATE, **markets}})


def delta(**contents: object) -> list[object]:
    return said(type="channel_data", channel="v4_markets", contents=contents)


def test_the_snapshot_states_coins_of_one_side_and_one_price_for_mark_and_index() -> None:
    [update] = snapshot()
    assert update == Update("BTC-USD", None, 381.7348, OI, 89_919.2, 89_919.2, 0.0000025, 1.0)
    record = Board(listed(LISTED)).apply(update, 1790000000000)
    assert (record.base, record.ts, record.flags & 1) == (381.7348, 1790000000000, 1)
    assert record.usd == pytest.approx(34_325_287.86816)


def test_a_snapshot_that_leaves_out_the_open_interest_is_unreadable() -> None:
    with pytest.raises(ValueError, match="left out"):
        said(
            type="subscribed",
            channel="v4_markets",
            contents={"markets": {"BTC-USD": {"oraclePrice": "1", "nextFundingRate": "0"}}},
        )


def test_a_delta_without_the_open_interest_affirms_it() -> None:
    assert delta(trading={"ETH-USD": {"id": "1", "nextFundingRate": "-0.00001"}}) == [
        Update("ETH-USD", None, None, OI, None, None, -0.00001, 1.0, affirms=True)
    ]
    assert delta(trading={"ETH-USD": {"id": "1"}}) == [Update("ETH-USD", None, None, OI, affirms=True)]


def test_a_delta_with_the_open_interest_alone_is_priced_by_what_was_known() -> None:
    [update] = delta(trading={"BTC-USD": {"openInterest": "400"}})
    board = Board(listed(LISTED))
    board.apply(snapshot()[0], 1790000000000)
    record = board.apply(update, 1790000001000)
    assert (record.raw, record.mark, record.usd) == (400.0, 89_919.2, pytest.approx(35_967_680))


@pytest.mark.parametrize(("stated", "oi"), [("0", 0.0), ("", None), (None, None)])
def test_zero_is_zero_and_empty_is_no_value_and_neither_is_unchanged(stated: object, oi: float | None) -> None:
    [update] = delta(trading={"BTC-USD": {"openInterest": stated}})
    assert (update.oi, update.affirms) == (oi, False)


def test_the_oracle_is_mark_and_index_at_its_own_time() -> None:
    price = {"oraclePrice": "2623.3521", "effectiveAt": "2024-08-23T00:00:54.301Z", "marketId": 1}
    assert delta(oraclePrices={"ETH-USD": price}) == [
        Update("ETH-USD", 1724371254301, mark=2623.3521, index=2623.3521, affirms=True)
    ]


def test_batches_are_lists_of_the_same() -> None:
    parts = [{"trading": {"BTC-USD": {"openInterest": "1"}}}, {"trading": {"BTC-USD": {"openInterest": "2"}}}]
    got = said(type="channel_batch_data", channel="v4_markets", contents=parts)
    assert [update.oi for update in got] == [1.0, 2.0]


def test_what_nobody_asked_for_is_left_out_and_a_new_listing_is_not() -> None:
    trading = {symbol: {"openInterest": "1"} for symbol in ("BTC-USD", "ETH-USD", "NEW-USD")}
    got = said(wanted=["BTC-USD"], type="channel_data", channel="v4_markets", contents={"trading": trading})
    assert [update.symbol for update in got] == ["BTC-USD", "NEW-USD"]


@pytest.mark.parametrize(("taker", "side"), [("SELL", Side.LONG), ("BUY", Side.SHORT)])
def test_a_forced_close_is_a_trade_of_its_kind(taker: str, side: Side) -> None:
    trades = [{**TRADE, "side": taker}, {**TRADE, "type": "LIMIT"}, {**TRADE, "type": "TWAP_SUBORDER"}]
    got = said(TRADES, type="channel_data", channel="v4_trades", id="BTC-USD", contents={"trades": trades})
    assert got == [Liquidated("BTC-USD", 1722756890628, side, 0.39, Unit.BASE, 60_397.0, FeedClass.FULL)]


def test_trades_of_before_the_subscription_are_not_told_again() -> None:
    frame = {"type": "subscribed", "channel": "v4_trades", "id": "BTC-USD", "contents": {"trades": [TRADE]}}
    assert said(TRADES, **frame) == [Acked(symbol="BTC-USD")]


def test_a_refusal_names_its_market_and_one_of_all_markets_is_of_none() -> None:
    words = "Invalid subscription id for channel: (v4_trades-FOO-USD)"
    assert said(TRADES, type="error", message=words) == [Refused(words, None, "FOO-USD")]
    words = "Internal error, could not fetch data for subscription: v4_markets."
    assert said(type="error", message=words) == [Refused(words, 0)]


def test_greetings_pongs_and_other_channels_say_nothing() -> None:
    assert said(type="connected", connection_id="x", message_id=0) == []
    assert said(type="unsubscribed", channel="v4_markets", message_id=1) == []
    candle = {"startedAt": "2026-09-15T07:29:00.000Z", "ticker": "BTC-USD", "baseTokenVolume": "1"}
    assert said(type="channel_data", channel="v4_candles", id="BTC-USD/1MIN", contents=candle) == []


def test_asking_again_gives_a_snapshot_again() -> None:
    assert list(MARKETS.subscribe(listed(LISTED), 3)) == [
        {"type": "unsubscribe", "channel": "v4_markets"},
        {"type": "subscribe", "channel": "v4_markets"},
    ]
    assert list(TRADES.subscribe(listed(LISTED), 3)) == [{"type": "subscribe", "channel": "v4_trades", "id": "BTC-USD"}]
    assert (TRADES.per_socket, TRADES.batch) == (32, 1)


def test_minutes_are_summed_from_trades_of_all_kinds_and_tell_what_takers_bought() -> None:
    parse = TRADES.parse.make(listed(LISTED))

    def told(*trades: dict[str, object]) -> list[object]:
        rows = [{**TRADE, **trade, "createdAt": f"2026-09-15T07:{trade['at']}Z"} for trade in trades]
        frame = {"type": "channel_data", "channel": "v4_trades", "id": "BTC-USD", "contents": {"trades": rows}}
        return [s for s in parse(TRADES.decode(json.dumps(frame))) if isinstance(s, Traded)]

    start = 1789457400000
    assert told({"at": "29:59.900"}) == [], "of a minute that had begun before"
    newest_first = {"at": "30:01.000", "size": "0.5", "side": "BUY", "type": "LIMIT"}, {"at": "30:00.000", "size": "1"}
    first, both = told(*newest_first)
    assert first == Traded("BTC-USD", start, 1.0, Unit.BASE, 0.0, final=False)
    assert both == Traded("BTC-USD", start, 1.5, Unit.BASE, 0.5, final=False)
    ended, _ = told({"at": "31:00.000", "side": "BUY"})
    assert ended == Traded("BTC-USD", start, 1.5, Unit.BASE, 0.5)


def test_the_past_is_the_open_interest_at_each_start_and_zero_is_none() -> None:
    history, *_ = SEGMENT.history
    ask = history.ask(listed(LISTED)[0], 1789457400000, 1789461000000)
    assert ask.url.endswith(
        "/BTC-USD?resolution=5MINS&limit=1000&fromISO=2026-09-15T07:30:00.000Z&toISO=2026-09-15T08:30:00.001Z"
    )
    rows = [CANDLE, {**CANDLE, "startingOpenInterest": "0"}, {**CANDLE, "startingOpenInterest": None}]
    assert list(history.parse(history.decode(json.dumps({"candles": rows})))) == [
        Update("BTC-USD", 1789457340000, 381.5, OI)
    ]


def test_past_minutes_have_ended() -> None:
    _, history, _ = SEGMENT.history
    ask = history.ask(listed(LISTED)[0], 1789457400000, 1789461000000)
    assert ask.url.endswith(
        "resolution=1MIN&limit=1000&fromISO=2026-09-15T07:30:00.000Z&toISO=2026-09-15T08:30:00.001Z"
    )
    [minute] = history.parse(history.decode(json.dumps({"candles": [CANDLE]})))
    assert (minute.volume, minute.final) == (1.25, True)


def test_a_market_has_one_step_of_leverage() -> None:
    reply = json.dumps({"markets": {"BTC-USD": LISTED}})
    assert list(TIERS.parse(TIERS.decode(reply))) == [Tier("BTC-USD", 1, 0.0, None, Unit.USD, 0.012, 50.0)]
    assert listed({**LISTED, "initialMarginFraction": "0"})[0].max_leverage is None


def test_the_coin_is_what_stands_before_the_last_quote() -> None:
    names = ["BTC-USD", "AB-USD-USD", "BUFFI,UNISWAP_V3,0X4C1B-USD"]
    assert [i.asset for i in listed(*({**LISTED, "ticker": name} for name in names))] == [
        "BTC",
        "AB-USD",
        "BUFFI,UNISWAP_V3,0X4C1B",
    ]


def test_a_market_is_live_while_it_has_positions() -> None:
    states = ["ACTIVE", "PAUSED", "CANCEL_ONLY", "POST_ONLY", "INITIALIZING", "FINAL_SETTLEMENT"]
    rows = listed(*({**LISTED, "ticker": f"{state}-USD", "status": state} for state in states))
    assert [i.live for i in rows] == [True, True, True, True, False, False]
    assert (rows[0].quote, rows[0].settle, rows[0].max_leverage, rows[0].funding_interval_h) == ("USD", "USDC", 50, 1)


def test_what_was_paid_is_asked_for_backwards() -> None:
    *_, paid = SEGMENT.history
    i = Instrument("dydx", "linear", "BTC-USD", "BTC", "USD", "USDC")
    asked = paid.ask(i, 1753430400000, 1753441200000).url
    assert asked.endswith("/historicalFunding/BTC-USD?limit=4&effectiveBeforeOrAt=2025-07-25T11:00:00.000Z")
    row = {"ticker": "BTC-USD", "rate": "-0.0000125", "price": "116302", "effectiveAt": "2025-07-25T11:00:00.013Z"}
    assert list(paid.parse(paid.decode(json.dumps({"historicalFunding": [row]})))) == [
        Update("", 1753441200013, funding=-0.0000125)
    ]
