import pytest

from collectors.board import Board
from collectors.venue import Liquidated, Segment, Socket, spelled
from collectors.venues import VENUES
from simulator.conversation import Conversation, Speech
from simulator.fixed import Fixed
from simulator.many import names, widened
from simulator.rest import Desk
from simulator.script import Script, load_all
from simulator.trickle import SHARE, Trickle
from simulator.values import Views
from store.records import Liquidation
from tests.test_venues import Play, parser, script_socket, wanted

SCRIPTS = load_all()
NOW_MS = 1_795_305_600_000
TELLING = [
    pytest.param(id, segment, feed, id=f"{id}-{segment.id}")
    for id, venue in VENUES.items()
    if venue.closed_on is None
    for segment in venue.segments
    for feed in segment.feeds
    if isinstance(feed, Socket) and "liquidations" in feed.gives
]


def wide(id: str) -> tuple[Script, Views]:
    script = widened(SCRIPTS[id], names(2))
    return script, Views(script, Fixed({id: script}))


@pytest.mark.parametrize(("id", "segment", "feed"), TELLING)
def test_every_contract_has_its_turn_on_either_side_in_the_venues_own_frames(
    id: str, segment: Segment, feed: Socket
) -> None:
    """The scripted ones and the made-up ones; read by the collectors, in coins."""
    script, views = wide(id)
    quotes = script.expect.quotes
    listing = Play(VENUES[id], script, views, Desk(views)).catalogue(segment)
    instruments = [i for i in wanted(listing) if i.symbol in quotes]
    talk = Conversation(Speech(script_socket(script, feed), views))
    talk.open(0.0, NOW_MS)
    for message in feed.subscribe(instruments, 1):
        talk.hear(spelled(message, NOW_MS), 0.0, NOW_MS)
    assert talk.unheard == []
    board, parse, found = Board(instruments), parser(feed, listing), list[Liquidation]()
    trickle = Trickle(talk, 0.0, NOW_MS, every_s=1.0)
    assert trickle.tells
    for second in range(1, 1 + 2 * 3 * len(script.instruments)):
        now_ms = NOW_MS + 1000 * second
        for frame in trickle.due(float(second), now_ms):
            for said in parse(feed.decode(frame)):
                if isinstance(said, Liquidated) and (record := board.liquidation(said, now_ms)) is not None:
                    assert abs(now_ms - record.ts) < 1000
                    found.append(record)
    assert {(r.instrument.symbol, r.side) for r in found} == {
        (i.symbol, s) for i in instruments for s in ("long", "short")
    }
    for record in found:
        quote = quotes[record.instrument.symbol]
        assert record.base == pytest.approx(SHARE * quote.oi_base, rel=0.05), "whole contracts are left of it"
        assert record.price == pytest.approx(quote.mark, rel=1e-3)


def test_one_at_a_time_and_none_is_made_up_for() -> None:
    script, views = wide("bybit")
    talk = Conversation(Speech(script.sockets[0], views))
    assert Trickle(talk, 0.0, NOW_MS).due(1e9, NOW_MS) == [], "nothing was subscribed"
    feed = next(f for f in VENUES["bybit"].segments[0].feeds if isinstance(f, Socket) and "liquidations" in f.gives)
    listing = Play(VENUES["bybit"], script, views, Desk(views)).catalogue(VENUES["bybit"].segments[0])
    talk = Conversation(Speech(script_socket(script, feed), views))
    for message in feed.subscribe(wanted(listing), 1):
        talk.hear(spelled(message, NOW_MS), 0.0, NOW_MS)
    trickle = Trickle(talk, 100.0, NOW_MS, every_s=2.0)
    told = [(at, len(trickle.due(at, NOW_MS))) for at in (99.0, 102.0, 103.9, 104.0, 204.0, 204.1, 206.0)]
    assert told == [(99.0, 0), (102.0, 1), (103.9, 0), (104.0, 1), (204.0, 1), (204.1, 0), (206.0, 1)]
