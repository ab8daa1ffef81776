import json

import pytest
from msgspec.structs import replace

from collectors.besides import Besides
from collectors.board import Board
from collectors.venue import Acked, Lately, Liquidated, Ratio, Refused, Remembering, Tier, Traded, Update
from collectors.venues.kraken import OI, VENUE
from store.records import FeedClass, Instrument, Kind, Payoff, Side, Source, Unit

LINEAR, INVERSE, LINEAR_DATED, INVERSE_DATED = VENUE.segments
TICKERS, TRADES, RATIOS, TIERS = LINEAR.feeds
TICKER = {
    "time": 1676393235406, "product_id": "PI_XBTUSD", "feed": "ticker", "funding_rate": -6.2604214e-11,
    "relative_funding_rate": -1.380384722222e-06, "relative_funding_rate_prediction": -8.047e-06,
    "index": 21984.54, "openInterest": 30072580.0, "markPrice": 21979.5, "premium": -0.0, "leverage": "50x",
}  # fmt: skip
TRADE = {
    "feed": "trade", "product_id": "PI_XRPUSD", "side": "sell", "type": "liquidation", "time": 1593561965283,
    "qty": 12000, "price": 0.1736,
}  # fmt: skip
COIN = {
    "symbol": "PI_XBTUSD", "type": "futures_inverse", "tradeable": True, "contractSize": 1, "base": "XBT",
    "quote": "USD",
    "marginLevels": [
        {"contracts": 0, "initialMargin": 0.02, "maintenanceMargin": 0.01},
        {"contracts": 500000, "initialMargin": 0.04, "maintenanceMargin": 0.02},
    ],
}  # fmt: skip
DOLLAR = {
    **COIN, "symbol": "PF_XBTUSD", "type": "flexible_futures",
    "marginLevels": [{"numNonContractUnits": 0.0, "initialMargin": 0.02, "maintenanceMargin": 0.01}],
}  # fmt: skip


def listed(segment, *rows: object) -> list[Instrument]:
    return list(segment.read(segment.decode(json.dumps({"result": "success", "instruments": rows}))))


def said(frame: dict[str, object], **more: object) -> list[object]:
    return list(TICKERS.parse(TICKERS.decode(json.dumps({**frame, **more}))))


def replied(feed, reply: object) -> list[object]:
    return list(feed.parse(feed.decode(json.dumps(reply))))


def asked(feed, instrument: Instrument) -> str:
    assert isinstance(feed.ask, Lately)
    return feed.ask.ask(instrument, 1789458000000, 1789458300000).url


def test_an_inverse_contract_is_a_dollar() -> None:
    [update] = said(TICKER)
    assert update == Update(
        "PI_XBTUSD", 1676393235406, 30_072_580.0, OI, 21_979.5, 21_984.54, -1.380384722222e-06, funding_interval_h=1.0
    )
    [instrument] = listed(INVERSE, COIN)
    assert (instrument.payoff, instrument.asset, instrument.settle) == (Payoff.INVERSE, "BTC", "BTC")
    record = Board([instrument]).apply(update, 1676393235500)
    assert record.usd == 30_072_580.0
    assert record.base == pytest.approx(1_368.20992288)


def test_a_linear_contract_is_a_coin_under_the_same_field() -> None:
    [update] = said(TICKER, product_id="PF_XBTUSD", openInterest=1950.5966, markPrice=77343.5)
    record = Board(listed(LINEAR, DOLLAR)).apply(update, 1676393235500)
    assert record.base == 1950.5966
    assert record.usd == pytest.approx(150_865_968.1321)


def test_the_size_of_a_contract_is_what_the_list_says() -> None:
    [update] = said(TICKER, product_id="PF_XBTUSD", openInterest=100, markPrice=50)
    record = Board(listed(LINEAR, {**DOLLAR, "contractSize": 2})).apply(update, 1676393235500)
    assert (record.raw, record.base, record.usd) == (100, 200, 10_000)


def test_the_absolute_rate_is_never_taken_for_the_relative_one() -> None:
    frame = {k: v for k, v in TICKER.items() if k != "relative_funding_rate"}
    [update] = said(frame)
    assert (update.funding, update.funding_interval_h) == (None, None)


def test_no_rate_at_all_is_documented_as_zero() -> None:
    frame = {k: v for k, v in TICKER.items() if not k.startswith(("funding_rate", "relative"))}
    [update] = said(frame)
    assert (update.funding, update.funding_interval_h) == (0.0, 1.0)


@pytest.mark.parametrize(("stated", "oi"), [(0, 0.0), ("", None), (None, None)])
def test_zero_is_zero_and_empty_is_no_value(stated: object, oi: float | None) -> None:
    [update] = said(TICKER, openInterest=stated)
    assert update.oi == oi


@pytest.mark.parametrize("key", ["openInterest", "markPrice", "index", "time", "product_id"])
def test_a_ticker_that_leaves_out_what_every_push_carries_is_unreadable(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        said({k: v for k, v in TICKER.items() if k != key})


@pytest.mark.parametrize(("taker", "side"), [("sell", Side.LONG), ("buy", Side.SHORT)])
def test_the_side_of_a_forced_close_is_the_takers(taker: str, side: Side) -> None:
    assert said(TRADE, side=taker) == [
        Liquidated("PI_XRPUSD", 1593561965283, side, 12_000.0, Unit.CONTRACTS, 0.1736, FeedClass.FULL)
    ]


@pytest.mark.parametrize("kind", ["fill", "assignment", "termination", "block"])
def test_other_trades_are_no_forced_closes(kind: str) -> None:
    assert said(TRADE, type=kind) == [Update("PI_XRPUSD")]  # nothing but that the line is heard


def test_trades_of_before_the_subscription_are_not_told_again() -> None:
    assert said({"feed": "trade_snapshot", "product_id": "PI_XRPUSD", "trades": [TRADE]}) == []


def test_acks_come_one_by_one_or_together() -> None:
    ack = {"event": "subscribed", "feed": "ticker"}
    assert said(ack, product_ids=["PF_XBTUSD"]) == [Acked(symbol="PF_XBTUSD")]
    assert said(ack, product_ids=["PF_XBTUSD", "PI_XBTUSD"]) == [Acked(symbol="PF_XBTUSD"), Acked(symbol="PI_XBTUSD")]


def test_refusals_come_in_the_venues_words() -> None:
    assert said({"event": "error", "message": "Invalid product id"}) == [Refused("Invalid product id")]
    assert said({"event": "alert", "message": "Bad request"}) == [Refused("Bad request")]
    failed = {"event": "subscribed_failed", "feed": "ticker", "product_ids": ["PF_FOOUSD"]}
    assert said(failed) == [Refused("subscribed_failed", symbol="PF_FOOUSD")]


def test_greetings_heartbeats_and_light_tickers_say_nothing() -> None:
    assert said({"event": "info", "version": 1}) == []
    assert said({"feed": "heartbeat", "time": 1534262350627}) == []
    assert said({"feed": "ticker_lite", "product_id": "PI_XBTUSD", "bid": 1.0, "volume": 2.0}) == []


def test_what_is_no_object_is_unreadable() -> None:
    with pytest.raises(ValueError, match="object"):
        TICKERS.decode("[]")


def test_one_message_subscribes_many() -> None:
    [instrument] = listed(LINEAR, DOLLAR)
    assert list(TICKERS.subscribe([instrument], 7)) == [
        {"event": "subscribe", "feed": "ticker", "product_ids": ["PF_XBTUSD"]}
    ]
    assert list(TRADES.subscribe([instrument], 7)) == [
        {"event": "subscribe", "feed": "trade", "product_ids": ["PF_XBTUSD"]}
    ]


def test_rest_tickers_give_no_rate_and_no_index_is_an_instrument() -> None:
    row = {
        "symbol": "pf_xbtusd", "markPrice": 77343.5, "openInterest": 1950.5, "indexPrice": 77340.25, "fundingRate": 0.5,
    }  # fmt: skip
    reply = {"tickers": [row, {"symbol": "in_xbtusd", "last": 1}], "serverTime": "2025-11-17T00:34:37.524Z"}
    [reader] = LINEAR.answers
    want = Update("PF_XBTUSD", 1763339677524, 1950.5, OI, 77_343.5, 77_340.25)
    assert replied(reader, reply) == [want]
    assert replied(reader, {"ticker": row, "serverTime": "2025-11-17T00:34:37.524Z"}) == [want]


def test_the_past_is_the_close_of_each_bar_at_its_end() -> None:
    oi, _, _, _, funding = LINEAR.history
    [instrument] = listed(LINEAR, DOLLAR)
    ask = oi.ask(instrument, 1789458000000, 1789458600000)
    assert ask.url.endswith("/analytics/PF_XBTUSD/open-interest?since=1789457700&interval=300&to=1789458300")
    result = {"timestamp": [1789457700, 1789458000], "data": [["1", "3", "1", "2"], [2.0, 4.0, 2.0, 2346.5]]}
    assert replied(oi, {"result": result, "errors": []}) == [
        Update("", 1789458000000, 2.0, OI),
        Update("", 1789458300000, 2346.5, OI),
    ]
    rates = [{"timestamp": "2025-07-11T08:00:00.000Z", "relativeFundingRate": 0.0001, "fundingRate": 0.00005}]
    assert replied(funding, {"rates": rates}) == [Update("", 1752220800000, funding=0.0001)]


def test_minutes_are_summed_from_trades_and_tell_what_takers_bought() -> None:
    """In contracts, at the price at which their coins add up: 12,000 at 0.16 and 8,000 at 0.2 are 115,000 coins."""
    assert isinstance(TRADES.parse, Remembering)
    parse, start = TRADES.parse.make([]), 1593561960000
    fill = {**TRADE, "type": "fill"}

    def told(**more: object) -> list[object]:
        return [s for s in parse(TRADES.decode(json.dumps({**fill, **more}))) if isinstance(s, Traded)]

    assert told(time=start - 1) == [], "of a minute that had begun before"
    first = Traded("PI_XRPUSD", start, 12_000.0, Unit.CONTRACTS, 0.0, 0.16, final=False)
    assert told(time=start, price=0.16) == [first]
    both = Traded("PI_XRPUSD", start, 20_000.0, Unit.CONTRACTS, 8_000.0, pytest.approx(20_000 / 115_000), final=False)
    assert told(time=start + 1, qty=8_000, price=0.2, side="buy", type="liquidation") == [both]
    for kind in ("assignment", "termination"):
        assert told(time=start + 2, type=kind) == [], "nobody took what was handed over"
    ended, following = told(time=start + 60_000, qty=1)
    assert ended == replace(both, final=True)
    assert following.volume == 1.0
    [instrument] = listed(INVERSE, {**COIN, "symbol": "PI_XRPUSD", "base": "XRP"})
    [volume] = Besides(Board([instrument])).take(ended, start + 60_100, Source.STREAM)
    assert (volume.base, volume.taker_buy) == (pytest.approx(115_000), pytest.approx(46_000))


def test_the_minutes_of_dated_contracts_are_in_contracts_and_the_newest_runs() -> None:
    minutes = LINEAR_DATED.feeds[-1]
    url = asked(minutes, listed(LINEAR, DOLLAR)[0])
    assert url.endswith("/charts/v1/trade/PF_XBTUSD/1m?from=1789458000&to=1789458300")
    rows = [
        {"time": 1789458240000, "close": "64000", "volume": "5.5"},
        {"time": 1789458300000, "close": "1", "volume": 1},
    ]
    assert replied(minutes, {"candles": rows, "more_candles": False}) == [
        Traded("", 1789458240000, 5.5, Unit.CONTRACTS, price=64_000.0),
        Traded("", 1789458300000, 1.0, Unit.CONTRACTS, price=1.0, final=False),
    ]


def test_the_past_has_marks_minutes_that_ended_and_ratios() -> None:
    _, marks, volume, ratios, _ = LINEAR.history
    [instrument] = listed(LINEAR, DOLLAR)
    urls = [h.ask(instrument, 1789458000000, 1789458300000).url.partition("/v1/")[2] for h in (marks, volume, ratios)]
    assert urls == [
        "mark/PF_XBTUSD/5m?from=1789458000&to=1789458300",
        "trade/PF_XBTUSD/1m?from=1789458000&to=1789458300",
        "analytics/PF_XBTUSD/long-short-info?since=1789457700&interval=300&to=1789458000",
    ]
    reply = {"candles": [{"time": 1789458000000, "close": "64000", "volume": "0"}]}
    assert replied(marks, reply) == [Update("", 1789458300000, mark=64_000.0)]
    assert replied(volume, reply) == [Traded("", 1789458000000, 0.0, Unit.CONTRACTS, price=64_000.0)]
    data = {"longCount": [3, 1, 4], "shortCount": [2, 0, 1]}
    assert replied(ratios, {"result": {"timestamp": [1, 2, 3], "data": data}}) == [
        Ratio("", 1000, "account", 1.5),
        Ratio("", 3000, "account", 4.0),
    ]


def test_the_ratio_is_of_counts_because_the_venues_own_is_a_share() -> None:
    url = asked(RATIOS, listed(LINEAR, DOLLAR)[0])
    assert "/analytics/PF_XBTUSD/long-short-info?since=" in url
    data = {"longCount": [1, 3663], "shortCount": [1, 1829], "ratio": [0.5, 0.66]}
    assert replied(RATIOS, {"result": {"timestamp": [1789457700, 1789458000], "data": data}}) == [
        Ratio("", 1789458000000, "account", pytest.approx(2.00273373))
    ]
    data = {"longCount": [3], "shortCount": [0]}
    assert replied(RATIOS, {"result": {"timestamp": [1789457700], "data": data}}) == []


def test_steps_are_bounded_in_contracts_or_in_dollars() -> None:
    reply = {"instruments": [COIN, DOLLAR]}
    assert replied(TIERS, reply) == [Tier("PF_XBTUSD", 1, 0.0, None, Unit.USD, 0.01, 50.0)]
    assert replied(INVERSE.feeds[-1], reply) == [
        Tier("PI_XBTUSD", 1, 0.0, 500_000.0, Unit.CONTRACTS, 0.01, 50.0),
        Tier("PI_XBTUSD", 2, 500_000.0, None, Unit.CONTRACTS, 0.02, 25.0),
    ]


def test_a_margin_of_zero_is_no_leverage() -> None:
    row = {**DOLLAR, "marginLevels": [{**DOLLAR["marginLevels"][0], "initialMargin": 0}]}
    assert listed(LINEAR, row)[0].max_leverage is None
    assert replied(TIERS, {"instruments": [row]}) == [Tier("PF_XBTUSD", 1, 0.0, None, Unit.USD, 0.01, None)]


def test_only_perpetuals_are_listed_and_small_letters_are_raised() -> None:
    dated = {**DOLLAR, "symbol": "FF_XBTUSD_261225", "lastTradingTime": "2026-12-25T15:00:00.000Z"}
    index = {"symbol": "in_xbtusd", "type": "spot index", "tradeable": False}
    stock = {**DOLLAR, "symbol": "PF_AAPLxUSD", "base": "AAPLx", "tradeable": False}
    rows = [{**DOLLAR, "symbol": "pf_xbtusd"}, dated, index, COIN, stock]
    assert [(i.symbol, i.live) for i in listed(LINEAR, *rows)] == [("PF_XBTUSD", True), ("PF_AAPLxUSD", False)]
    assert [i.symbol for i in listed(INVERSE, *rows)] == ["PI_XBTUSD"]
    [perpetual] = listed(LINEAR, {**DOLLAR, "openingDate": "2022-03-22T13:18:45Z"})
    assert perpetual.valid_from == 1647955125000
    assert (perpetual.quote, perpetual.settle, perpetual.max_leverage) == ("USD", "USD", 50.0)


def test_each_segment_owns_its_prefix() -> None:
    symbols = ["PF_XBTUSD", "PI_XBTUSD", "FF_XBTUSD_261225", "FI_XBTUSD_210730", "in_xbtusd"]
    owners = [[n for n, segment in enumerate(VENUE.segments) if segment.owns(symbol)] for symbol in symbols]
    assert owners == [[0], [1], [2], [3], []]


def test_dated_contracts_end_and_have_no_rate() -> None:
    last = "2026-12-25T15:00:00.000Z"
    rows = [COIN, DOLLAR, {**COIN, "symbol": "FI_XBTUSD_261225", "lastTradingTime": last}]
    [found] = listed(INVERSE_DATED, *rows)
    assert listed(LINEAR_DATED, *rows) == []
    assert (found.symbol, found.kind, found.expiry) == ("FI_XBTUSD_261225", Kind.DATED, 1798210800000)
    assert (found.contract_size, found.settle, found.funding_interval_h) == (1.0, "BTC", None)
    frame = {k: v for k, v in TICKER.items() if "funding" not in k}
    [update] = said(frame, product_id="FI_XBTUSD_261225", maturityTime=1798210800000)
    assert (update.oi, update.funding, update.funding_interval_h) == (30_072_580.0, None, None)
    assert {gives for feed in LINEAR_DATED.feeds for gives in feed.gives} == {
        "oi", "mark", "index", "liquidations", "volume",
    }  # fmt: skip
