"""The sets of a connection, without a socket; what a socket adds is in test_faults_of_*.py."""

from dataclasses import replace

import anyio
import pytest

from collectors.connection import leaf, text
from collectors.subscriptions import Request, Subscriptions
from collectors.venue import Acked, Ask, Refused
from store.records import Instrument
from tests.collectors.toy import SOCKET, Exchange, Peer, collecting, venue

LISTED = [Instrument("toy", "main", s, s, "USDT", "USDT") for s in "ABCD"]


def sent(subscriptions: Subscriptions) -> list[tuple[int, str]]:
    """Take everything that waits to be sent: (number, symbols)."""
    found: list[tuple[int, str]] = []
    while (request := subscriptions.next()) is not None:
        found.append((request.number, symbols(request)))
    return found


def symbols(request: Request) -> str:
    return "".join(i.symbol for i in request.group)


def test_wanted_sent_acked_and_flowing_are_four_sets() -> None:
    s = Subscriptions(LISTED, 2, {})
    assert s.sent == set()
    assert sent(s) == [(1, "AB"), (2, "CD")]
    s.ack(Acked(1))
    s.flows("C")
    assert (set(s.wanted), s.sent, s.acked, s.flowing) == (set("ABCD"), set("ABCD"), set("AB"), {"C"})


def test_a_refused_batch_is_halved_until_the_culprit_is_alone() -> None:
    s = Subscriptions(LISTED, 4, {})
    assert sent(s) == [(1, "ABCD")]
    assert s.refuse(Refused("no C", 1)) == {}
    assert sent(s) == [(2, "AB"), (3, "CD")]
    s.ack(Acked(2))
    assert s.refuse(Refused("no C", 3)) == {}
    assert sent(s) == [(4, "C"), (5, "D")]
    assert s.refuse(Refused("no C", 4)) == {"C": "no C"}
    s.ack(Acked(5))
    assert s.aside == {"C": "no C"}
    assert s.acked == set("ABD")


def test_a_refusal_that_names_the_symbol_spares_the_rest() -> None:
    s = Subscriptions(LISTED, 4, {})
    sent(s)
    assert s.refuse(Refused("unknown", 1, "B")) == {"B": "unknown"}
    assert sent(s) == [(2, "AC"), (3, "D")]


def test_an_ack_that_names_whom_it_took_sets_the_others_aside() -> None:
    s = Subscriptions(LISTED, 4, {})
    sent(s)
    assert s.ack(Acked(1, only=frozenset("ABD"))) == {"C": "left out of the acknowledgement"}
    assert s.acked == set("ABD")


def test_a_symbol_that_flows_is_never_set_aside() -> None:
    s = Subscriptions(LISTED, 4, {})
    sent(s)
    s.flows("A")
    s.again(["A"])
    assert sent(s) == [(2, "A")]
    assert s.refuse(Refused("already subscribed", 2)) == {}
    assert s.aside == {}


def test_what_was_set_aside_is_left_out_of_the_next_connection() -> None:
    assert sent(Subscriptions(LISTED, 4, {"B": "no"})) == [(1, "ACD")]


def test_who_was_set_aside_is_not_sent_again_with_its_batch() -> None:
    s = Subscriptions(LISTED, 4, {})
    sent(s)
    s.refuse(Refused("unknown", None, "B"))
    sent(s)
    s.refuse(Refused("too many", 1))
    assert "B" not in "".join(group for _, group in sent(s))


def test_who_is_carried_elsewhere_by_now_is_neither_refused_nor_sent_again() -> None:
    s = Subscriptions(LISTED, 2, {})
    assert sent(s) == [(1, "AB"), (2, "CD")]
    del s.wanted["B"], s.wanted["C"], s.wanted["D"]
    s.refuse(Refused("too many", 1))
    assert sent(s) == [(3, "A")]
    assert s.refuse(Refused("too many", 2)) == {}
    assert s.ack(Acked(2, only=frozenset())) == {}
    assert s.aside == {}


def test_an_answer_without_a_number_is_to_the_oldest_that_waits() -> None:
    s = Subscriptions(LISTED, 2, {})
    sent(s)
    s.flows("A")
    s.flows("B")
    s.refuse(Refused("no"))
    assert sent(s) == [(3, "C"), (4, "D")]


def test_messages_that_are_texts_are_sent_as_they_are() -> None:
    assert text("ping", 0) == "ping"
    assert text({"op": "ping"}, 0) == '{"op":"ping"}'


def test_the_first_error_is_what_ended_a_group() -> None:
    error = ValueError("inner")
    assert leaf(ExceptionGroup("", [ExceptionGroup("", [error]), OSError()])) is error


@pytest.mark.anyio
async def test_a_venue_that_speaks_first_is_waited_for() -> None:
    async def talk(peer: Peer) -> None:
        await peer.ws.send("welcome")
        await peer.take()
        await peer.flow(oi=5.0)

    exchange = Exchange(talk)
    async with collecting(exchange, venue(replace(SOCKET, greets=True))) as records:
        await records.until(lambda: records.readings())
        assert [r for r in records.all if type(r).__name__ == "Quarantined"] == []


@pytest.mark.anyio
async def test_a_venue_may_want_a_rest_before_our_first_message() -> None:
    waits: list[float] = []

    async def talk(peer: Peer) -> None:
        began = anyio.current_time()
        await peer.take()
        waits.append(anyio.current_time() - began)
        await peer.flow()

    async with collecting(Exchange(talk), venue(replace(SOCKET, rest=0.3))) as records:
        await records.until(lambda: records.readings())
    assert waits[0] > 0.2


@pytest.mark.anyio
async def test_a_venues_ping_is_answered() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.send(kind="ping", n=7)
        await peer.snap()
        await peer.listen()

    exchange = Exchange(talk)
    async with collecting(exchange, venue(replace(SOCKET, heartbeat=None))) as records:
        await records.until(lambda: exchange.peers and {"pong": 7} in exchange.peers[0].heard)


@pytest.mark.anyio
async def test_a_token_is_asked_for_before_every_dial() -> None:
    tokens = iter(range(100))

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=1000.0 + peer.place)

    exchange = Exchange(talk, replies={"/token": lambda: (200, {}, f'{{"kind":"token","n":{next(tokens)}}}')})
    socket = replace(SOCKET, token=Ask("https://toy/token"), dial=lambda reply: f"wss://toy/ws?token={reply.n}")
    async with collecting(exchange, venue(socket)) as records:
        await records.until(lambda: len(exchange.peers) >= 3)
    assert [p.ws.request.path for p in exchange.peers[:3] if p.ws.request] == [
        "/ws?token=0",
        "/ws?token=1",
        "/ws?token=2",
    ]
