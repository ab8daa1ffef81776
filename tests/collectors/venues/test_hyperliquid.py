import json

import pytest

from collectors.board import Board
from collectors.public import Dealt, Held
from collectors.venue import Acked, Ask, CatalogueError, Refused, Tier, Traded, Update
from collectors.venues.hyperliquid import OI, VENUE
from store.records import Flag, Side, Status, Unit

[SEGMENT] = VENUE.segments
FEED, MINUTES, LADDERS = SEGMENT.feeds
UNIVERSE = [
    {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
    {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True},
    {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10},
]


def context(oi: object, mark: object, index: object = "10", funding: object = "0.0000125") -> dict[str, object]:
    return {"funding": funding, "openInterest": oi, "markPx": mark, "oraclePx": index, "premium": None, "midPx": None}


CONTEXTS = [context("30000.5", "60000.0", "60010.0"), context("0.0", "0.5"), context("8000000.0", "0.012", "0.0121")]
INSTRUMENTS = list(SEGMENT.read(SEGMENT.decode(json.dumps({"universe": UNIVERSE, "marginTables": []}))))


def said(channel: str, data: object, wanted: set[str] | None = None, instruments=INSTRUMENTS) -> list[object]:
    return list(FEED.parse.make(instruments, wanted)(FEED.decode(json.dumps({"channel": channel, "data": data}))))


def everywhere(contexts: object, **how):
    return said("allDexsAssetCtxs", {"ctxs": [["hyna", [context("9", "9")]], ["", contexts], ["xyz", []]]}, **how)


def test_the_universe_keeps_its_order_and_its_dead() -> None:
    assert [(i.symbol, i.live, i.max_leverage) for i in INSTRUMENTS] == [
        ("BTC", True, 40.0),
        ("MATIC", False, 20.0),
        ("kPEPE", True, 10.0),
    ]
    assert [(i.asset, i.base_factor, i.settle, i.funding_interval_h) for i in INSTRUMENTS] == [
        ("BTC", 1.0, "USDC", 1.0),
        ("MATIC", 1.0, "USDC", 1.0),
        ("PEPE", 1000.0, "USDC", 1.0),
    ]
    assert (SEGMENT.catalogue.method, SEGMENT.catalogue.body) == ("POST", {"type": "meta", "dex": ""})


def test_contexts_are_joined_by_place_and_the_delisted_keep_theirs() -> None:
    assert everywhere(CONTEXTS) == [
        Update("BTC", None, 30_000.5, OI, 60_000.0, 60_010.0, 0.0000125, 1.0),
        Update("kPEPE", None, 8_000_000.0, OI, 0.012, 0.0121, 0.0000125, 1.0),
    ]


def test_both_sides_are_halved_and_thousands_multiplied() -> None:
    board = Board(INSTRUMENTS)
    btc, pepe = (board.apply(update, 1790000000000) for update in everywhere(CONTEXTS))
    assert (btc.base, btc.usd) == (15_000.25, 900_015_000.0)
    assert (pepe.base, pepe.mark) == (4e9, 0.000012)
    assert pepe.usd == pytest.approx(48_000)
    assert (OI.sides, OI.status) == (2, Status.DISPUTED)


def test_the_venue_states_no_time_and_the_record_says_so() -> None:
    record = Board(INSTRUMENTS).apply(everywhere(CONTEXTS)[0], 1790000000000)
    assert record.ts == 1790000000000
    assert record.flags & Flag.RECEIVE_TIME


def test_what_was_not_asked_for_is_left_out() -> None:
    assert [(u.symbol, u.mark) for u in everywhere(CONTEXTS, wanted={"kPEPE"})] == [("kPEPE", 0.012)]


@pytest.mark.parametrize("contexts", [CONTEXTS[:2], [*CONTEXTS, CONTEXTS[0]], []])
def test_another_number_of_contexts_is_an_error_and_not_a_guess(contexts: object) -> None:
    with pytest.raises(CatalogueError, match="universe of 3"):
        everywhere(contexts)


def test_without_the_main_dex_there_is_nothing_to_join() -> None:
    with pytest.raises(CatalogueError):
        said("allDexsAssetCtxs", {"ctxs": [["xyz", CONTEXTS]]})


def test_a_coins_own_context_says_the_same() -> None:
    assert said("activeAssetCtx", {"coin": "kPEPE", "ctx": CONTEXTS[2]}) == [
        Update("kPEPE", None, 8_000_000.0, OI, 0.012, 0.0121, 0.0000125, 1.0)
    ]


def test_zero_is_zero_null_is_no_value_and_a_missing_field_is_unreadable() -> None:
    [zero] = said("activeAssetCtx", {"coin": "BTC", "ctx": context("0.0", "1")})
    [null] = said("activeAssetCtx", {"coin": "BTC", "ctx": context(None, "1", None, "")})
    assert (zero.oi, null.oi, null.index, null.funding) == (0.0, None, None, None)
    with pytest.raises(ValueError, match="openInterest"):
        said("activeAssetCtx", {"coin": "BTC", "ctx": {"markPx": "1", "oraclePx": "1", "funding": "0"}})


def test_all_coins_are_asked_for_once_and_the_first_by_name() -> None:
    messages = list(FEED.subscribe(INSTRUMENTS[:1], 1))
    assert messages == [
        {"method": "subscribe", "subscription": {"type": "allDexsAssetCtxs"}},
        {"method": "subscribe", "subscription": {"type": "activeAssetCtx", "coin": "BTC"}},
    ]


def test_the_echo_of_a_subscription_is_its_ack() -> None:
    def echo(**subscription: str) -> list[object]:
        return said(
            "subscriptionResponse", {"method": "subscribe", "subscription": subscription}, wanted={"BTC", "kPEPE"}
        )

    assert echo(type="activeAssetCtx", coin="BTC") == [Acked(symbol="BTC")]
    assert echo(type="allDexsAssetCtxs") == [Acked(symbol="BTC"), Acked(symbol="kPEPE")]


def test_an_error_is_a_refusal_unless_we_have_it_already() -> None:
    assert said("error", "Invalid subscription") == [Refused("Invalid subscription")]
    assert said("error", "Already subscribed: {...}") == []


def test_the_greeting_and_the_pong_say_nothing() -> None:
    parse = FEED.parse.make(INSTRUMENTS)
    for frame in ("Websocket connection established.", '{"channel":"pong"}', '{"channel":"trades","data":[]}'):
        assert list(parse(FEED.decode(frame))) == []
    assert (FEED.heartbeat.message, FEED.heartbeat.every) == ({"method": "ping"}, 30)


def test_the_whole_dex_can_be_read_from_one_reply() -> None:
    snapshot, paid = SEGMENT.answers
    got = list(snapshot.parse(snapshot.decode(json.dumps([{"universe": UNIVERSE}, CONTEXTS]))))
    assert [(u.symbol, u.oi) for u in got] == [("BTC", 30_000.5), ("MATIC", 0.0), ("kPEPE", 8_000_000.0)]
    with pytest.raises(ValueError, match="argument"):
        list(snapshot.parse(snapshot.decode(json.dumps([{"universe": UNIVERSE}, CONTEXTS[:2]]))))
    [past] = paid.parse(paid.decode('[{"coin":"BTC","fundingRate":"-0.00002","time":1790000000000}]'))
    assert past == Update("BTC", 1790000000000, funding=-0.00002, funding_interval_h=1.0)


def test_only_coins_of_the_main_dex_are_ours() -> None:
    assert [SEGMENT.owns(s) for s in ("BTC", "kPEPE", "xyz:TSLA", "@107", "PURR/USDC", "#250")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_traders_are_met_in_the_trades_and_their_positions_are_public() -> None:
    public = SEGMENT.positions
    assert list(public.subscribe(INSTRUMENTS[:1])) == [
        {"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}}
    ]
    trade = {"coin": "BTC", "side": "A", "px": "77550.0", "sz": "0.01", "time": 1, "tid": 2, "users": ["0xb", "0xs"]}
    frame = public.decode(json.dumps({"channel": "trades", "data": [trade]}))
    assert list(public.learn(frame)) == [Dealt("0xb", "BTC", 0.01, 77_550.0), Dealt("0xs", "BTC", 0.01, 77_550.0)]
    for other in ('{"channel":"pong"}', "Websocket connection established.", '{"channel":"error","data":"no"}'):
        assert list(public.learn(public.decode(other))) == []
    ask = public.ask("0xb")
    assert (ask.method, ask.weight) == ("POST", 2)
    assert ask.body == {"type": "clearinghouseState", "user": "0xb", "dex": ""}


def test_a_position_has_its_side_in_its_sign_and_may_have_no_liquidation_price() -> None:
    def row(coin: str, size: str, price: str | None) -> dict[str, object]:
        position = {"coin": coin, "szi": size, "entryPx": "70000.5", "leverage": {"type": "cross", "value": 20}}
        return {"type": "oneWay", "position": position | {"liquidationPx": price, "positionValue": "1"}}

    rows = [row("BTC", "-1.5", None), row("kPEPE", "8.0", "60000.0"), row("ETH", "0.0", None)]
    public = SEGMENT.positions
    got = list(public.held(public.read(json.dumps({"assetPositions": rows, "withdrawable": "1.0", "time": 3}))))
    assert got == [
        Held("BTC", Side.SHORT, 1.5, Unit.BASE, 70_000.5, None, 20.0),
        Held("kPEPE", Side.LONG, 8.0, Unit.BASE, 70_000.5, 60_000.0, 20.0),
    ]
    with pytest.raises(ValueError, match="assetPositions"):
        public.read('{"time":3}')


def test_a_minute_has_ended_when_the_next_begins() -> None:
    parse = MINUTES.parse.make(INSTRUMENTS, None)

    def told(start: int, coins: str) -> list[object]:
        data = {"t": start, "T": start + 59_999, "s": "BTC", "i": "1m", "o": "1", "c": "60000.5", "h": "1", "l": "1",
                "v": coins, "n": 189}  # fmt: skip
        return list(parse(MINUTES.decode(json.dumps({"channel": "candle", "data": data}))))

    running = Traded("BTC", 1790000040000, 2.5, Unit.BASE, price=60000.5, final=False)
    assert told(1790000040000, "2.5") == [running]
    assert told(1790000100000, "0.25") == [
        Traded("BTC", 1790000040000, 2.5, Unit.BASE, price=60000.5),
        Traded("BTC", 1790000100000, 0.25, Unit.BASE, price=60000.5, final=False),
    ]


def test_minutes_are_subscribed_for_each_coin() -> None:
    assert list(MINUTES.subscribe(INSTRUMENTS[:1], 1)) == [
        {"method": "subscribe", "subscription": {"type": "candle", "interval": "1m", "coin": "BTC"}}
    ]
    ack = {"method": "subscribe", "subscription": {"type": "candle", "coin": "BTC", "interval": "1m"}}
    assert said("subscriptionResponse", ack) == [Acked(symbol="BTC")]


def test_the_newest_minutes_of_the_past_can_be_asked_for() -> None:
    past, *_ = SEGMENT.history
    req = {"coin": "BTC", "interval": "1m", "startTime": 60_000, "endTime": 120_000}
    assert past.ask(INSTRUMENTS[0], 60_000, 120_000) == Ask(
        "https://api.hyperliquid.xyz/info", "POST", {"type": "candleSnapshot", "req": req}, weight=104
    )
    row = {"t": 60_000, "T": 119_999, "s": "BTC", "i": "1m", "o": "1", "c": "9.5", "h": "1", "l": "1", "v": "3", "n": 1}
    assert list(past.parse(past.decode(json.dumps([row])))) == [Traded("BTC", 60_000, 3.0, Unit.BASE, price=9.5)]


def test_a_ladder_keeps_half_the_margin_and_deducts_what_makes_it_continuous() -> None:
    steps = [{"lowerBound": "0.0", "maxLeverage": 40}, {"lowerBound": "150000000.0", "maxLeverage": 20}]
    tables = [[56, {"description": "tiered 40x", "marginTiers": steps}]]
    universe = [
        {"name": "BTC", "maxLeverage": 40, "marginTableId": 56},
        {"name": "SOL", "maxLeverage": 20, "marginTableId": 20},
        {"name": "ODD", "maxLeverage": 20, "marginTableId": 99},
        {"name": "OLD", "maxLeverage": 20},
    ]
    reply = LADDERS.decode(json.dumps({"universe": universe, "marginTables": tables, "collateralToken": 0}))
    assert list(LADDERS.parse(reply)) == [
        Tier("BTC", 1, 0.0, 150_000_000.0, Unit.USD, 0.0125, 40.0, 0.0),
        Tier("BTC", 2, 150_000_000.0, None, Unit.USD, 0.025, 20.0, 1_875_000.0),
        Tier("SOL", 1, 0.0, None, Unit.USD, 0.025, 20.0, 0.0),
    ]
