"""Faults of subscriptions (faults.md, 1 and 2), played over a loopback socket: what one connection does not bring."""

from dataclasses import replace

import anyio
import pytest
from websockets.exceptions import ConnectionClosed

from collectors.venue import Limits
from store.records import Health, Source
from tests.collectors.test_faults import flowing, one_gap
from tests.collectors.toy import (
    QUICK,
    SHORT,
    SOCKET,
    Exchange,
    Peer,
    Reply,
    collecting,
    now_of,
    spared,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio
TWO = replace(SOCKET, others=("wss://toy/ws?second",))


async def capped(peer: Peer, most: int, words: str | None = "too many channels") -> None:
    """A venue that lets a connection have so many symbols; what is more it refuses in words, or not even that."""
    flows: dict[str, float] = {}

    async def feed() -> None:
        while True:
            for symbol in flows:
                flows[symbol] += 1
                await peer.snap(symbol, flows[symbol])
            await anyio.sleep(0.02)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed)
        while True:
            try:
                message = await peer.said()
            except ConnectionClosed:
                tasks.cancel_scope.cancel()
                break
            symbols = [s for s in message["subscribe"] if s not in flows and not s.startswith("BAD")]
            if len(flows) + len(symbols) <= most and len(symbols) == len(message["subscribe"]):
                flows.update(dict.fromkeys(symbols, 1000.0))
                await peer.send(kind="ack", n=message["n"])
            elif words is not None:
                await peer.send(kind="refused", n=message["n"], words=words)


async def test_f16_what_is_one_too_many_for_a_connection_flows_on_another() -> None:
    """Refused by name and in the venue's words, then carried by further connections; the gap ends, the rest goes on."""

    async def talk(peer: Peer) -> None:
        await capped(peer, 2)

    exchange = Exchange(talk, [(s, s) for s in "ABCDE"])
    async with collecting(exchange, venue(replace(SOCKET, batch=1))) as records:
        await records.until(lambda: all(len(records.readings(s)) > 3 for s in "ABCDE"))
        seen = len(records.readings("A"))
        await records.until(lambda: len(records.readings("A")) > seen + 3)
        for symbol in "CDE":
            opened, _ = one_gap(records, symbol)
            assert opened.reason == "refused: too many channels"
            assert records.states(symbol) == ["connecting", "refused", "live"]
            assert [r.raw for r in records.readings(symbol)[:3]] == [1001.0, 1002.0, 1003.0]
        assert records.gaps("A") + records.gaps("B") == []
        assert records.states("A") == ["connecting", "live"]
    assert [sorted({s for group in p.asked for s in group}) for p in exchange.peers] == [
        ["A", "B", "C", "D", "E"],
        ["C", "D", "E"],
        ["E"],
    ]
    assert len(exchange.dials) == 3


async def test_f16_what_a_connection_never_brings_flows_on_another() -> None:
    """Neither acknowledged nor refused: asked for three times, then elsewhere."""

    async def talk(peer: Peer) -> None:
        await capped(peer, 1, None)

    exchange = Exchange(talk, [("A", "A"), ("B", "B")])
    async with collecting(exchange, venue(replace(SOCKET, batch=1))) as records:
        await records.until(lambda: len(records.readings("B")) > 3)
        opened, _ = one_gap(records, "B")
        assert opened.reason.startswith("mute: silent")
        assert records.states("B") == ["connecting", "mute", "live"]
        assert records.gaps("A") == []
    assert [p.asked for p in exchange.peers] == [[["A"], ["B"], ["B"], ["B"]], [["B"]]]
    assert records.readings("B")[0].raw == 1001.0


async def test_f16_f17_who_is_refused_everywhere_is_dialled_for_but_seldom() -> None:
    """Nobody else is the worse for it, it stays `refused` with the venue's words, and is tried again."""

    async def talk(peer: Peer) -> None:
        await capped(peer, 10, "BAD is not listed")

    exchange = Exchange(talk, [(s, s) for s in ("A", "BAD", "C")])
    patience = replace(SHORT, again_max=1.0)
    async with collecting(exchange, venue(replace(SOCKET, batch=1)), patience=patience) as records:
        await records.until(lambda: len(exchange.peers) == 3 and exchange.peers[2].asked)
        (gap,) = records.gaps("BAD")
        assert (gap.end, gap.reason) == (None, "refused: BAD is not listed")
        assert records.states("BAD") == ["connecting", "refused"]
        assert records.gaps("A") + records.gaps("C") == []
        assert [h.detail for h in records.of(Health) if h.symbol == "BAD"][-1] == "BAD is not listed"
    assert [p.asked for p in exchange.peers[1:3]] == [[["BAD"]], [["BAD"]]]
    assert exchange.dials[2] - exchange.dials[1] >= 1.0


async def test_f16_a_subscription_of_all_symbols_is_not_made_twice() -> None:
    """Where no symbol has a subscription of its own, a mute one is not a subscription's fault."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.flow, "A")
            tasks.start_soon(peer.listen)

    exchange = Exchange(talk, [("A", "A"), ("B", "B")])
    everything = replace(SOCKET, subscribe=lambda _, n: [{"subscribe": ["*"], "n": n}])
    async with collecting(exchange, venue(everything, limits=Limits(1000, 1, 1000, 1))) as records:
        await records.until(lambda: exchange.peers and len(exchange.peers[0].asked) >= 5)
        assert records.states("B") == ["connecting", "mute"]
    assert len(exchange.dials) == 1


async def test_f16_a_connection_that_is_refused_everything_is_dialled_again_and_asks_anew() -> None:
    """At once the first time, because it flowed before; the gap says the venue's words, and ends."""

    async def talk(peer: Peer) -> None:
        if peer.place == 0:
            await peer.take()
            with anyio.move_on_after(0.3):
                await peer.flow("A", "B")
            await peer.ws.close()
        await capped(peer, 0 if peer.place == 1 else 2, "not now")

    exchange = Exchange(talk, [("A", "A"), ("B", "B")])
    async with collecting(exchange, venue(replace(SOCKET, batch=1)), patience=replace(SHORT, again_max=30)) as records:
        await records.until(lambda: len(exchange.peers) == 3 and all(records.states(s)[-1] == "live" for s in "AB"))
        assert exchange.dials[2] - exchange.dials[0] < 5.0
        for symbol in "AB":
            _, ended = one_gap(records, symbol)
            assert records.states(symbol) == ["connecting", "live", "down", "refused", "live"]
            after = [r.raw for r in records.readings(symbol) if r.seen >= (ended.end or 0)]
            assert after == [1001.0 + k for k in range(len(after))]
    assert [p.asked for p in exchange.peers[1:]] == [[["A"], ["B"]]] * 2


def addresses(exchange: Exchange) -> list[str]:
    """Where was dialled, in order."""
    return [path.removeprefix("/ws?") for _, path in exchange.called if path.startswith("/ws")]


async def test_f01_a_mute_address_is_left_for_another_and_that_is_kept() -> None:
    """The other one flows; when its line falls it is dialled first, because it was well."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place == 0:
            await peer.listen()
        with anyio.move_on_after(0.5 if peer.place == 1 else 60):
            await peer.flow(oi=1000.0 * peer.place)

    exchange = Exchange(talk)
    async with collecting(exchange, venue(TWO)) as records:
        await records.until(lambda: len(exchange.peers) == 3 and records.readings()[-1].raw >= 2000.0)
        first, second = records.gaps()[0::2]
        assert first.reason.startswith("mute: no data")
        assert second.reason.startswith("down: ConnectionClosed")
        assert records.gaps()[1].end == pytest.approx(records.readings()[0].seen, abs=5)
        assert records.states() == ["connecting", "mute", "live", "down", "live"]
    assert addresses(exchange) == ["", "second", "second"]
    assert records.readings()[0].raw == 1000.0


@pytest.mark.parametrize(("status", "state"), [(403, "blocked"), (500, "down")])
async def test_f01_f13_an_address_that_lets_nobody_in_is_left_for_another_at_once(status: int, state: str) -> None:
    """No slow retry while an address is left that may let us in."""
    answers: list[Reply] = [(status, {}, "no")]
    exchange = Exchange(flowing)
    exchange.replies["/ws"] = lambda: answers.pop() if answers else (101, {}, "")
    async with collecting(exchange, venue(TWO), rhythm=replace(QUICK, blocked=300.0)) as records:
        await records.until(lambda: len(records.readings()) > 2)
        opened, _ = one_gap(records)
    assert opened.reason == f"{state}: HTTP {status}: no"
    assert addresses(exchange) == ["", "second"]


async def test_f01_where_every_address_is_mute_all_are_tried_in_turn_and_rest_stands_in() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.listen()

    exchange = Exchange(talk)
    exchange.replies["/oi/BTC"] = now_of("BTC", 7.0, mark=100.0)
    toy = spared()
    toy = replace(toy, segments=(replace(toy.segments[0], feeds=(TWO,)),))
    async with collecting(exchange, toy, rhythm=replace(QUICK, spare=0.3)) as records:
        await records.until(lambda: len(addresses(exchange)) >= 4 and len(records.readings()) >= 2)
        one_gap(records)
        assert records.states() == ["connecting", "mute"]
    assert addresses(exchange)[:4] == ["", "second", "", "second"]
    assert {(r.raw, r.usd, r.source) for r in records.readings()} == {(7.0, 700.0, Source.POLL)}
