"""Frames go in and out without a socket."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from simulator.conversation import Conversation, Speech
from simulator.fixed import Fixed
from simulator.script import load
from simulator.values import Views
from tests.simulator.acme import NOW_MS, acme, loaded, written


@pytest.fixture
def talk(tmp_path: Path) -> Conversation:
    script = loaded(tmp_path)
    return Conversation(Speech(script.sockets[0], Views(script, Fixed({"acme": script}))))


def said(talk: Conversation, message: Any, now: float = 0.0, now_ms: int = NOW_MS) -> list[Any]:
    frame = message if isinstance(message, str) else json.dumps(message)
    return [json.loads(reply) if reply.startswith("{") else reply for reply in talk.hear(frame, now, now_ms)]


def pushed(talk: Conversation, now: float, now_ms: int = NOW_MS) -> list[Any]:
    return [json.loads(f) if f[0] in "{[0123456789" else f for f in talk.due(now, now_ms)]


def test_the_venue_speaks_first_where_it_greets(talk: Conversation) -> None:
    assert talk.open(0.0, NOW_MS) == ["hello"]


def test_a_socket_that_packs_sends_every_frame_as_gzip(tmp_path: Path) -> None:
    spelled = acme()
    spelled["sockets"][0]["packed"] = "gzip"
    script = load(written(tmp_path, spelled))
    talk = Conversation(Speech(script.sockets[0], Views(script, Fixed({"acme": script}))))
    frames = [*talk.open(0.0, NOW_MS), *talk.hear('{"op":"sub","args":["book.btc-p"],"id":7}', 0.0, NOW_MS)]
    frames += talk.due(0.0, NOW_MS)
    assert [gzip.decompress(frame) for frame in frames] == [
        b"hello",
        b'{"ok":["book.btc-p"],"id":7}',
        b'{"full":"BTC-P","oi":100.0}',
    ]


def test_an_answer_that_must_echo_the_ping_is_taken_only_if_it_does(tmp_path: Path) -> None:
    spelled = acme()
    spelled["sockets"][0]["asks"] = {
        "theirs": {"ping": {"$": "now_ms"}},
        "every_s": 5,
        "ours": {"pong": {"$": "asked.ping"}},
    }
    script = load(written(tmp_path, spelled))
    talk = Conversation(Speech(script.sockets[0], Views(script, Fixed({"acme": script}))))
    talk.open(0.0, NOW_MS)
    assert talk.ask(5.0, NOW_MS) == [json.dumps({"ping": NOW_MS}, separators=(",", ":"))]
    said(talk, {"pong": NOW_MS - 1})
    assert (talk.answers, talk.over(10.0)) == (0, "no answer")
    said(talk, {"pong": NOW_MS})
    assert (talk.answers, talk.over(10.0)) == (1, None)


def test_our_heartbeat_is_answered_and_counted(talk: Conversation) -> None:
    assert said(talk, "ping") == ["pong"]
    assert talk.beats == 1


def test_a_snapshot_comes_first_and_deltas_follow_in_turn(talk: Conversation) -> None:
    assert said(talk, {"op": "sub", "args": ["book.btc-p"], "id": 7}) == [{"ok": ["book.btc-p"], "id": 7}]
    frames = [pushed(talk, now) for now in (0.0, 0.5, 1.0, 2.0, 3.0)]
    assert frames == [[{"full": "BTC-P", "oi": 100.0}], [], [{"delta": 1}], [{"delta": 2}], [{"delta": 1}]]


def test_subscribing_again_gives_the_snapshot_again(talk: Conversation) -> None:
    said(talk, {"op": "sub", "args": ["book.btc-p"]})
    pushed(talk, 0.0)
    said(talk, {"op": "sub", "args": ["book.btc-p"]}, 1.0)
    assert pushed(talk, 1.0) == [{"full": "BTC-P", "oi": 100.0}]


def test_one_bad_topic_refuses_the_whole_request(talk: Conversation) -> None:
    assert said(talk, {"op": "sub", "args": ["book.btc-p", "book.nope"]}) == [{"bad": "book.nope"}]
    assert pushed(talk, 0.0) == []


def test_a_topic_of_another_channel_than_the_message_is_for_is_bad(talk: Conversation) -> None:
    assert said(talk, {"op": "sub", "args": ["all"]}) == [{"bad": "all"}]


def test_a_delisted_contract_cannot_be_subscribed(talk: Conversation) -> None:
    assert said(talk, {"op": "sub", "args": ["book.old-p"]}) == [{"bad": "book.old-p"}]


def test_topics_may_be_answered_one_by_one(talk: Conversation) -> None:
    topics = [{"ch": "index", "of": "BTC"}, {"ch": "index", "of": "XXX"}]
    assert said(talk, {"op": "each", "args": topics}) == [{"ok": topics[0]}, {"bad": topics[1]}]
    assert pushed(talk, 0.0) == [90_000.0]


def test_a_whole_list_may_be_one_topic(talk: Conversation) -> None:
    assert said(talk, {"op": "pair", "args": ["BTC-P", "1m"]}) == [{"ok": True}]
    assert pushed(talk, 0.0) == ["BTC-P 1m"]


def test_a_topic_without_a_symbol_means_all_that_are_quoted(talk: Conversation) -> None:
    said(talk, {"op": "each", "args": ["all"]})
    assert pushed(talk, 0.0) == [["BTC-P", "kPEPE-P", "BTC-I"]]


def test_one_topic_may_give_a_frame_for_each_instrument(talk: Conversation) -> None:
    said(talk, {"op": "each", "args": ["apart"]})
    assert pushed(talk, 0.0) == [{"of": "BTC-P"}, {"of": "BTC-I"}]


def test_unsubscribing_ends_the_pushes(talk: Conversation) -> None:
    said(talk, {"op": "each", "args": ["all"]})
    assert said(talk, {"op": "unsub", "args": ["all"]}) == [{"bye": True}]
    assert pushed(talk, 5.0) == []


def test_forced_closes_are_told_once_and_in_the_venues_units(talk: Conversation) -> None:
    said(talk, {"op": "each", "args": ["deaths", "death.kPEPE-P"]}, now_ms=NOW_MS - 1000)
    frames = pushed(talk, 0.0)
    # 30,000 PEPE are 30 kPEPE, 3 contracts of 10; 0.5 BTC at 50,000 are 250 inverse contracts of 100 USD.
    assert frames == [
        [["kPEPE-P", "long", 3.0], ["kPEPE-P", "long", 1.0], ["BTC-I", "short", 250.0]],
        {"died": 30.0, "at": NOW_MS - 500},
        {"died": 10.0, "at": NOW_MS - 300},
    ]
    assert pushed(talk, 1.0) == []


def test_forced_closes_of_before_the_subscription_are_not_told(talk: Conversation) -> None:
    said(talk, {"op": "each", "args": ["deaths"]})
    assert pushed(talk, 0.0) == []


def test_what_no_script_understands_is_remembered(talk: Conversation) -> None:
    assert said(talk, {"op": "subscribe"}) == []
    assert talk.unheard == ['{"op":"subscribe"}']


def test_a_line_that_sends_no_heartbeat_is_closed(talk: Conversation) -> None:
    talk.open(0.0, NOW_MS)
    said(talk, "ping", now=20.0)
    assert (talk.over(49.0), talk.over(50.0)) == (None, "no heartbeat")


def test_the_venues_own_ping_begins_when_asked_for_and_wants_its_answer(talk: Conversation) -> None:
    assert talk.next_due() is None
    assert said(talk, {"op": "watch"}) == [{"watching": True}]
    assert talk.ask(19.0, NOW_MS) == []
    assert [json.loads(f) for f in talk.ask(20.0, NOW_MS)] == [{"are": "you there"}]
    assert said(talk, {"i": "am"}, now=21.0) == []
    assert talk.answers == 1
    assert talk.over(40.0) is None
    talk.ask(40.0, NOW_MS)
    said(talk, "ping", now=59.0)
    assert talk.over(60.0) == "no answer"


def test_haste_shortens_every_period(tmp_path: Path) -> None:
    script = loaded(tmp_path)
    talk = Conversation(Speech(script.sockets[0], Views(script, Fixed({"acme": script}))), haste=10)
    said(talk, {"op": "sub", "args": ["book.btc-p"]})
    assert [len(pushed(talk, now)) for now in (0.0, 0.05, 0.1, 0.2)] == [1, 0, 1, 1]


def test_silence_lets_the_time_of_a_frame_pass(talk: Conversation) -> None:
    said(talk, {"op": "sub", "args": ["book.btc-p"]})
    assert talk.due(0.0, NOW_MS, silent=True) == []
    assert talk.next_due() == 1.0
    assert pushed(talk, 1.0) == [{"full": "BTC-P", "oi": 100.0}]
