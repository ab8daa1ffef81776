"""Faults of subscriptions and clocks (faults.md, 1, 2, 5), over a loopback socket: who is not brought, or unknown."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import anyio
import pytest
from websockets.exceptions import ConnectionClosed

from collectors.http import apart
from collectors.venue import Answer, Ask, Ignored, Limits, Said, Update
from collectors.wire import among, wire
from store.records import Event, Field, Flag, Health, Instrument, Quarantined, Source, Unit
from tests.collectors.toy import (
    QUICK,
    SHORT,
    SOCKET,
    Exchange,
    Frame,
    Peer,
    Records,
    Reply,
    collecting,
    flowing,
    now_of,
    one_gap,
    parse,
    spared,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio
CONTRACTS = Field("n", Unit.CONTRACTS)
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


def health(records: Records) -> Health:
    """The newest word on the venue as a whole."""
    return [h for h in records.of(Health) if h.symbol == ""][-1]


async def test_f20_f26_what_is_ignored_and_who_is_unknown_is_counted_with_the_venues_health() -> None:
    """Frames of foreign channels, events of kinds that nobody reads, symbols that no catalogue names. None is a gap."""

    async def talk(peer: Peer) -> None:
        await peer.ws.send("welcome")
        await peer.take()
        for _ in range(3):
            await peer.ws.send('{"kind":"greeks","symbol":{"of":"BTC"}}')  # not our shape, and not our channel
        await peer.send(kind="channel-conn-count")
        for k in range(5):
            await peer.snap("GHOST", 5.0 + k)
        await peer.snap("LATER", 5.0)  # listed, but not live: known, and nobody wants it
        await peer.flow()

    def told(frame: Frame | None) -> Iterable[Said]:
        assert frame is not None
        return (Ignored(frame.kind),) if frame.kind == "channel-conn-count" else parse(frame)

    kinds = {"snap", "delta", "ack", "ping", "pong", "channel-conn-count"}
    decode = among(wire(Frame), kinds.__contains__, "kind", greeting="welcome")
    exchange = Exchange(talk)
    exchange.replies["/catalogue"] = lambda: (
        200, {}, '[{"symbol":"BTC","asset":"BTC"},{"symbol":"LATER","asset":"LATER","live":false}]'
    )  # fmt: skip
    async with collecting(exchange, venue(replace(SOCKET, decode=decode, parse=told, answer=None))) as records:
        await records.until(lambda: len(records.readings()) > 3 and health(records).ignored)
        now = health(records)
        assert (now.ignored, now.unknown, now.unreadable) == (4, 5, 0)
        assert now.frames > 10
        assert records.of(Quarantined) == []
        exchange.peers[0].ws.transport.abort()
        await records.until(lambda: health(records).ignored == 8)  # what was counted before is not forgotten
        assert health(records).unknown == 10
    assert records.gaps("GHOST") == []
    assert {h.symbol for h in records.of(Health)} == {"", "BTC"}


async def test_f37_how_late_stated_times_arrive_is_measured_and_how_far_our_clock_is_from_theirs() -> None:
    """The median of both, with the venue's health. Nothing is kept or dropped by it."""
    ahead = 3_000  # our clock, of both the stream's and the one that answers over HTTP

    async def talk(peer: Peer) -> None:
        await peer.take()
        for k in range(10_000):
            await peer.snap(oi=1000.0 + k, ts=exchange.clock.ms() - (40 if k % 3 else 9_000))  # a third are late
            await anyio.sleep(0.01)

    def listed() -> Reply:
        stated = format_datetime(datetime.fromtimestamp(exchange.clock.ms() // 1000, UTC), usegmt=True)
        return 200, {"Date": stated}, '[{"symbol":"BTC","asset":"BTC"}]'

    exchange = Exchange(talk, replies={"/catalogue": listed})
    now, rhythm = (lambda: exchange.clock.ms() + ahead), replace(QUICK, catalogue=0.1)
    async with collecting(exchange, now=now, rhythm=rhythm) as records:
        await records.until(lambda: len(records.readings()) > 100 and health(records).lag_ms is not None)
        told = health(records)
        assert told.lag_ms == pytest.approx(ahead + 40, abs=100)
        assert told.skew_ms == pytest.approx(ahead, abs=600)
        assert records.gaps() == []
    assert [r.raw for r in records.readings()] == [1000.0 + k for k in range(len(records.readings()))]


async def test_f37_a_time_from_the_future_is_kept_flagged_and_not_the_newest_for_ever() -> None:
    """A venue whose clock jumps an hour ahead and back: every value is a reading, at the time it was heard."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        for k in range(9):
            ahead = 3_600_000 if 3 <= k < 6 else 0
            await peer.snap(oi=1000.0 + k, ts=exchange.clock.ms() + ahead)
            await anyio.sleep(0.02)
        await peer.flow(oi=1009.0)

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.readings()) > 12)
        assert records.gaps() == []
    found = records.readings()[:9]
    assert [r.raw for r in found] == [1000.0 + k for k in range(9)]
    assert [bool(r.flags & Flag.SKEWED) for r in found] == [False] * 3 + [True] * 3 + [False] * 3
    assert all(r.ts == r.seen for r in found[3:6])
    assert all(abs(r.ts - r.seen) < 1000 for r in found)
    assert [r.ts for r in found] == sorted(r.ts for r in found), "the newest is what was heard last"


@pytest.mark.parametrize(
    ("headers", "sent", "heard", "skew"),
    [
        ({"date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 1795341601_300, 1795341601_700, 1000.0),
        ({"date": "Sun, 22 Nov 2026 10:00:00 GMT", "age": "0"}, 1795341598_400, 1795341598_600, -2000.0),
        (
            {"date": "Sun, 22 Nov 2026 10:00:00 GMT", "age": "17"},
            1795341601_300,
            1795341601_700,
            None,
        ),  # kept by a cache
        ({"date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 1795341601_000, 1795341601_600, None),  # too slow to tell
        ({"date": "yesterday"}, 0, 0, None),
        ({}, 0, 0, None),
    ],
)
def test_f37_an_answers_date_tells_how_far_clocks_are_apart(
    headers: dict[str, str], sent: int, heard: int, skew: float | None
) -> None:
    assert apart(headers, sent, heard) == skew


async def test_f31_rest_confirms_no_step_before_the_catalogue_was_read_again() -> None:
    """Ten times the contracts of a tenth the size: REST says the same contracts, and no coin was opened.

    Even where a symbol that no catalogue names has made readings of the catalogue rare.
    """
    size, read = [1.0], list[float]()

    async def talk(peer: Peer) -> None:
        await peer.take()
        while True:
            await peer.snap("GHOST")
            await peer.snap(oi=50.0 / size[0])
            await anyio.sleep(0.02)

    def told(frame: Frame) -> list[Said]:
        return [Update(frame.symbol, frame.ts, float(frame.oi or 0), CONTRACTS, 100.0)] if frame.kind == "snap" else []

    def listed() -> Reply:
        read.append(exchange.clock())
        return 200, {}, json.dumps(size)

    def catalogue(sizes: list[float]) -> list[Instrument]:
        return [Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT", contract_size=s) for s in sizes]

    answer = Answer(lambda f: told(f[0]), wire(list[Frame]), ask=lambda i: Ask(f"https://toy/oi/{i.symbol}"))
    toy = venue(replace(SOCKET, parse=told))
    main = replace(toy.segments[0], read=catalogue, decode=wire(list[float]), answers=(answer,))
    exchange = Exchange(talk, replies={"/catalogue": listed})
    exchange.replies["/oi/BTC"] = lambda: now_of("BTC", 50.0 / size[0])()
    rhythm = replace(QUICK, unknown=0.3, spare=0.05, catalogue=30.0)
    patient = replace(SHORT, symbol=30.0)  # who waits for REST is not lost meanwhile
    async with collecting(exchange, replace(toy, segments=(main,)), rhythm=rhythm, patience=patient) as records:
        await records.until(lambda: len(read) >= 3)  # 0.3 s, 0.6 s: the next one is due after 1.2 s
        size[0], changed = 0.1, exchange.clock()
        await records.until(lambda: [r for r in records.readings() if r.raw == 500.0])
        place = len(records.readings())
        await records.until(lambda: len(records.readings()) > place + 3)
    assert {(r.raw, r.base) for r in records.readings()} == {(50.0, 50.0), (500.0, 50.0)}
    assert records.of(Event) == []
    assert {q.check for q in records.of(Quarantined)} <= {"unit_or_convention_change", "held"}
    assert read[3] - changed < 0.9
