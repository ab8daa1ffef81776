"""Bitfinex derivatives, frame by frame. Shapes from the documents; the numbers are made up."""

import json

import pytest

from collectors.board import Board
from collectors.venue import Acked, Ask, Liquidated, Notice, Poll, Refused, Remembering, Socket, Tier, Traded, Update
from collectors.venues.bitfinex import OI, VENUE
from store.records import FeedClass, Instrument, Side, Status, Unit

[SEGMENT] = VENUE.segments
LEVELS, MINUTES, DEATHS, TIERS = SEGMENT.feeds
STATED, TRADED = SEGMENT.history
MARGIN = [None, None, None, "0.00002", "100.0", None, None, None, 0.01, 0.005]
LISTED = [["BTCF0:USTF0", MARGIN], ["ETHF0:BTCF0", [*MARGIN[:8], 0.04, 0.02]], ["BTCUSD", MARGIN]]
BTC = "tBTCF0:USTF0"
ROW = [
    1790000000000, None, 60004.5, 60010, None, 37671589.7, None, 1790006400000, 0.00018, 3343, None, -0.00012, None,
    None, 60000, None, None, 5775.25, None, None, None, 0.0005, 0.0025,
]  # fmt: skip


class Talk:
    """One connection."""

    def __init__(self, *wanted: str, feed: object = LEVELS) -> None:
        assert isinstance(feed, Socket)
        assert isinstance(feed.parse, Remembering)
        self.decode, self.parse = feed.decode, feed.parse.make(listed(LISTED), set(wanted) or None)

    def hear(self, frame: object) -> list[object]:
        return list(self.parse(self.decode(json.dumps(frame))))

    def opened(self, number: int, key: str) -> list[object]:
        return self.hear({"event": "subscribed", "channel": "status", "chanId": number, "key": key})


def listed(reply: object) -> list[Instrument]:
    return list(SEGMENT.read(SEGMENT.decode(json.dumps(reply))))


def answered(place: int, reply: object) -> list[object]:
    answer = SEGMENT.answers[place]
    return list(answer.parse(answer.decode(json.dumps(reply))))


def without(place: int, value: object) -> list[object]:
    return [*ROW[:place], value, *ROW[place + 1 :]]


def test_a_channel_means_whom_it_was_handed_out_for_and_only_on_its_connection() -> None:
    first, second = Talk(), Talk()
    assert first.opened(17, f"deriv:{BTC}") == [Acked(symbol=BTC)]
    second.opened(17, "deriv:tETHF0:USTF0")
    expected = Update(BTC, 1790000000000, 5775.25, OI, 60_000.0, 60_010.0, -0.00012, 8.0)
    assert first.hear([17, ROW]) == [expected]
    assert [said.symbol for said in second.hear([17, ROW])] == ["tETHF0:USTF0"]
    with pytest.raises(ValueError, match="channel 18 is of no subscription"):
        first.hear([18, ROW])


def test_open_interest_is_coins_worth_their_mark() -> None:
    talk = Talk()
    talk.opened(17, f"deriv:{BTC}")
    record = Board(listed(LISTED)).apply(talk.hear([17, ROW])[0], 1790000000300)
    assert (record.base, record.usd, record.ts) == (5775.25, 346_515_000.0, 1790000000000)
    assert (OI.unit, OI.sides, OI.status) == (Unit.BASE, 1, Status.DISPUTED)


def test_rows_may_grow_at_their_end_and_shorter_ones_are_unreadable() -> None:
    talk = Talk()
    talk.opened(17, f"deriv:{BTC}")
    [grown] = talk.hear([17, [*ROW, "new", 7]])
    [tailed] = talk.hear([17, ROW, 2043, 1790000000400])
    assert (grown.oi, tailed.oi) == (5775.25, 5775.25)
    with pytest.raises(ValueError, match="at least length 18, got 15"):
        talk.hear([17, ROW[:15]])


@pytest.mark.parametrize("row", [without(17, "5775"), without(0, None), without(14, [1]), ["tBTCF0:USTF0", *ROW]])
def test_a_column_that_moved_is_unreadable_and_not_another_value(row: object) -> None:
    talk = Talk()
    talk.opened(17, f"deriv:{BTC}")
    with pytest.raises((TypeError, ValueError)):
        talk.hear([17, row])


def test_zero_is_zero_and_null_is_no_value() -> None:
    talk = Talk()
    talk.opened(17, f"deriv:{BTC}")
    [zero], [null] = talk.hear([17, without(17, 0)]), talk.hear([17, without(17, None)])
    assert (zero.oi, null.oi, null.mark) == (0.0, None, 60_000.0)


@pytest.mark.parametrize("frame", [[17, "hb"], [17, "hb", 2043, 1593566613422], {"event": "pong", "ts": 1, "cid": 1}])
def test_heartbeats_say_nothing(frame: object) -> None:
    talk = Talk()
    talk.opened(17, f"deriv:{BTC}")
    assert talk.hear(frame) == []


def test_executions_count_and_triggers_do_not() -> None:
    trigger = ["pos", 1, 1790000000788, None, BTC, -8, 61000.5, None, 0, 0, None, None]
    executed = ["pos", 1, 1790000000789.0, None, BTC, -3.5, 61000.5, None, 1, 1, None, 62000]
    long = ["pos", 2, 1790000000790, None, BTC, 0.25, 61000.5, None, 1, 0, None, 59000.5]
    spot = [*long[:4], "tBTCUSD", *long[5:]]
    assert Talk(feed=DEATHS).hear([91684, [trigger, executed, long, spot]]) == [
        Liquidated(BTC, 1790000000789, Side.SHORT, 3.5, Unit.BASE, 62_000.0, FeedClass.FULL),
        Liquidated(BTC, 1790000000790, Side.LONG, 0.25, Unit.BASE, 59_000.5, FeedClass.FULL),
    ]
    assert Talk("tETHF0:USTF0", feed=DEATHS).hear([91684, [executed]]) == []
    assert [d.size for d in answered(1, [[executed], [trigger], [long]])] == [3.5, 0.25]


def test_trades_make_minutes_with_the_takers_side() -> None:
    talk = Talk(feed=MINUTES)
    assert talk.hear({"event": "subscribed", "channel": "trades", "chanId": 18, "symbol": BTC}) == [Acked(symbol=BTC)]
    minute = 1790000040000

    def traded(second: int, coins: float, kind: str = "te") -> list[object]:
        return talk.hear([18, kind, [401, minute + second * 1000, coins, 60000.5]])

    assert talk.hear([18, [[399, minute - 9000, 1.5, 60000], [398, minute - 9500, -1, 60000]]]) == []
    assert talk.hear([18, []]) == []
    assert traded(30, 7.0) == []  # what came before it in its minute was not heard
    assert traded(61, 0.5) == [Traded(BTC, minute + 60_000, 0.5, Unit.BASE, 0.5, final=False)]
    assert traded(61, 0.5, "tu") == []
    assert traded(80, -0.25) == [Traded(BTC, minute + 60_000, 0.75, Unit.BASE, 0.5, final=False)]
    assert traded(125, -2) == [
        Traded(BTC, minute + 60_000, 0.75, Unit.BASE, 0.5),
        Traded(BTC, minute + 120_000, 2.0, Unit.BASE, 0.0, final=False),
    ]
    with pytest.raises(ValueError, match="channel 19"):
        talk.hear([19, "te", [401, minute, 1, 60000]])


def test_minutes_of_the_past_are_coins_with_the_close_before_the_high() -> None:
    rows = [[1790000040000, 60000, 60004, 60010, 59990, 12.5]]
    assert list(TRADED.parse(TRADED.decode(json.dumps(rows)))) == [
        Traded("", 1790000040000, 12.5, Unit.BASE, price=60_004.0)
    ]


def test_refusals_name_their_symbol_and_a_second_subscription_is_none() -> None:
    fault = {"event": "error", "msg": "subscribe: invalid", "channel": "status"}
    talk = Talk()
    assert talk.hear({**fault, "code": 10300, "key": f"deriv:{BTC}"}) == [
        Refused("10300: subscribe: invalid", symbol=BTC)
    ]
    assert talk.hear({**fault, "code": 10301, "key": f"deriv:{BTC}"}) == []
    assert talk.hear({**fault, "code": 10305, "key": "liq:global"}) == [Refused("10305: subscribe: invalid")]
    assert talk.opened(3, "liq:global") == [Acked()]


def test_the_venue_gives_warning() -> None:
    talk = Talk()
    assert [type(said) for said in talk.hear({"event": "info", "code": 20051, "msg": "Stopping."})] == [Notice]
    assert talk.hear({"event": "info", "code": 20060, "msg": "Entering maintenance."}) == []
    assert talk.hear({"event": "info", "version": 2, "platform": {"status": 1}}) == []


@pytest.mark.parametrize("reply", [LISTED, [LISTED]], ids=["rows", "rows of one question of several"])
def test_the_catalogue_names_pairs_and_margins(reply: object) -> None:
    btc, cross = listed(reply)
    assert (btc.symbol, btc.asset, btc.quote, btc.settle, btc.max_leverage) == (BTC, "BTC", "USDT", "USDT", 100.0)
    assert (cross.symbol, cross.asset, cross.quote, cross.max_leverage) == ("tETHF0:BTCF0", "ETH", "BTC", 25.0)
    assert isinstance(TIERS, Poll)
    first, _, _ = TIERS.parse(TIERS.decode(json.dumps(reply)))
    assert first == Tier(BTC, 1, 0.0, None, Unit.USD, 0.005, 100.0)


def test_a_key_in_front_moves_every_place_of_the_list_over_rest() -> None:
    assert answered(0, [[BTC, *ROW]]) == [Update(BTC, 1790000000000, 5775.25, OI, 60_000.0, 60_010.0, -0.00012, 8.0)]


def test_the_past_is_thinned_to_the_first_row_of_each_minute() -> None:
    minute = 1790000040000
    rows = [[minute + second * 1000, *ROW[1:17], oi] for second, oi in ((63, 4.0), (60, 3.0), (59, 2.0), (1, 1.0))]
    assert [(u.symbol, u.ts, u.oi) for u in STATED.parse(STATED.decode(json.dumps(rows)))] == [
        ("", minute + 1000, 1.0), ("", minute + 60_000, 3.0),
    ]  # fmt: skip
    assert STATED.ask(listed(LISTED)[0], 5, 9) == Ask(
        "https://api-pub.bitfinex.com/v2/status/deriv/tBTCF0:USTF0/hist?limit=5000&sort=-1&start=5&end=9"
    )


def test_every_symbol_has_a_channel_and_forced_closes_one_for_all() -> None:
    one = listed(LISTED)[:1]
    asked = [list(feed.subscribe(one, 7)) for feed in (LEVELS, MINUTES, DEATHS) if isinstance(feed, Socket)]
    assert asked == [
        [{"event": "subscribe", "channel": "status", "key": f"deriv:{BTC}"}],
        [{"event": "subscribe", "channel": "trades", "symbol": BTC}],
        [{"event": "subscribe", "channel": "status", "key": "liq:global"}],
    ]


def test_only_pairs_of_derivatives_are_ours() -> None:
    assert [SEGMENT.owns(s) for s in (BTC, "tBTCUSD", "BTCF0:USTF0")] == [True, False, False]
