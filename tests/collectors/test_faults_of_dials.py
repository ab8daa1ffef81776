"""Faults of dials: lines that all fall, venues that refuse, a network that is down (faults.md 1), over the loopback."""

import asyncio
import inspect
import itertools
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from collectors.feeds import backoff
from collectors.venue import Ask, Limits, Venue
from store.records import Event, Flag, Gap, Health, Hold, Instrument, OpenInterest
from tests.collectors.toy import (
    NEAR_MS,
    POLL,
    QUICK,
    SHORT,
    SOCKET,
    Exchange,
    Peer,
    Row,
    collecting,
    flowing,
    now_of,
    stored,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio


def dialled(exchange: Exchange) -> list[float]:
    return [at for at, path in exchange.called if path.startswith("/ws")]


def within(dials: list[float], amount: int, per: float) -> bool:
    """Whether no window of `per` seconds holds more than `amount` of them."""
    return all(late - early > per - 0.02 for early, late in zip(dials, dials[amount:], strict=False))


async def alike(peer: Peer, exchange: Exchange) -> None:
    """The same market on every connection: what is stated depends on the moment alone."""
    while True:
        for symbol in peer.asked[0]:
            tick = exchange.clock.ms() // 50
            await peer.snap(symbol, 1000.0 + tick % 100, ts=50 * tick)
        await anyio.sleep(0.02)


async def test_f08_accept_then_close_of_all_lines_stays_within_one_budget_and_every_close_is_a_gap() -> None:
    """Three lines of two segments share the venue's dials; what each of them states before it ends is kept."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        for symbol in peer.asked[0]:
            await peer.snap(symbol, 1000.0 + peer.place)

    def elsewhere(rows: list[Row]) -> list[Instrument]:
        return [Instrument("toy", "other", r.symbol, r.asset, "USDT", "USDT") for r in rows]

    begun: list[int] = []

    def delays() -> Iterator[float]:
        begun.append(1)
        yield from itertools.repeat(0.0)

    exchange = Exchange(talk, [("A", "A"), ("B", "B")])
    exchange.replies["/other"] = lambda: (200, {}, '[{"symbol": "C", "asset": "C"}]')
    toy = venue(replace(SOCKET, per_socket=1), limits=Limits(weight=1000, per=1, dials=3, dials_per=0.5))
    (main,) = toy.segments
    other = replace(main, id="other", catalogue=Ask("https://toy/other"), read=elsewhere)
    async with collecting(exchange, replace(toy, segments=(main, other)), delays=delays) as records:
        await records.until(lambda: all(len(records.readings(s)) >= 4 for s in "ABC"))
    assert within(dialled(exchange), 3, 0.5)
    assert len(begun) == 2 + 3 * 2, "of each segment, of each line and of its work: none was begun anew"
    for symbol in "ABC":
        readings = records.readings(symbol)
        assert [r.raw for r in readings] == sorted({r.raw for r in readings}), "each connection's one value, in order"
        assert all(r.flags & Flag.RESYNC for r in readings)
        holes = records.holes(symbol)
        assert len(holes) >= 3
        assert {gap.reason.partition(":")[0] for gap in holes} == {"down"}
    with stored(records) as rows:
        assert rows("SELECT count(*) FROM readings") == [(sum(len(records.readings(s)) for s in "ABC"),)]
        told = dict(rows('SELECT symbol, count(DISTINCT start) FROM gaps WHERE "end" IS NOT NULL GROUP BY ALL'))
    assert told == {symbol: len(records.holes(symbol)) for symbol in "ABC"}


async def test_f09_lines_that_drop_at_once_are_dialled_apart_from_one_another() -> None:
    """The real backoff: no two tries need be at one moment, none beyond the budget, and each line is its own gap."""
    fallen = anyio.Event()
    symbols = [f"S{k}" for k in range(12)]

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alike, peer, exchange)
            if peer.place < len(symbols):
                await fallen.wait()
                peer.ws.transport.abort()

    exchange = Exchange(talk, [(s, s) for s in symbols])
    toy = venue(replace(SOCKET, per_socket=1), limits=Limits(weight=1000, per=1, dials=15, dials_per=0.5))
    async with collecting(exchange, toy, delays=lambda: backoff(1.0, 1.0)) as records:
        await records.until(lambda: all(records.readings(s) for s in symbols))
        first = len(exchange.dials)
        fallen.set()
        await records.until(lambda: all(records.holes(s) for s in symbols))
    again = dialled(exchange)[first:]
    assert len(again) == len(symbols)
    assert max(again) - min(again) > 0.2, "spread over the second: by chance alone once in ten million runs"
    assert within(dialled(exchange), 15, 0.5)
    for symbol in symbols:
        (gap,) = records.holes(symbol)
        assert gap.reason.startswith("down: ConnectionClosedError")
        assert [bool(r.flags & Flag.RESYNC) for r in records.readings(symbol)].count(True) == 2


@pytest.mark.parametrize("warning", ["notice", "lifetime"])
async def test_f09_no_gap_where_the_venue_gave_warning_to_all_lines(warning: str) -> None:
    """Each is followed before the venue ends it, within the budget of dials; every value is there once."""
    symbols = ["A", "B", "C", "D"]
    ended: list[int] = []

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alike, peer, exchange)
            if peer.place >= len(symbols):
                await peer.ws.wait_closed()
            await anyio.sleep(0.3)
            if warning == "notice":
                await peer.send(kind="notice", words="an upgrade soon")
            await anyio.sleep(1.7)  # the budget allows two dials in 0.4 s
            ended.append(peer.place)
            await peer.ws.close(1012)
            tasks.cancel_scope.cancel()

    exchange = Exchange(talk, [(s, s) for s in symbols])
    life = 2.0 if warning == "lifetime" else None
    toy = venue(replace(SOCKET, per_socket=1, life=life), limits=Limits(weight=1000, per=1, dials=2, dials_per=0.4))
    async with collecting(exchange, toy) as records:
        await records.until(lambda: len(exchange.peers) >= 8)
        await records.until(lambda: all(p.ws.close_code is not None for p in exchange.peers[: len(symbols)]))
        at = exchange.clock.ms()
        await records.until(lambda: all(records.readings(s)[-1].seen > at + 300 for s in symbols))
        assert records.of(Gap) == []
    assert within(dialled(exchange), 2, 0.4)
    for symbol in symbols:
        readings = records.readings(symbol)
        assert [bool(r.flags & Flag.RESYNC) for r in readings] == [True] + [False] * (len(readings) - 1)
        ticks = sorted({r.ts // 50 for r in readings})
        assert ticks[-1] - ticks[0] + 1 - len(ticks) <= 0.1 * len(ticks), "none is missing but what the clock skipped"
        assert {r.raw == 1000.0 + r.ts // 50 % 100 for r in readings} == {True}
    with stored(records) as rows:
        assert rows("SELECT instrument_id FROM readings GROUP BY instrument_id, ts HAVING count(*) > 1") == []


async def test_f10_a_ban_told_over_rest_holds_dials_too_and_outlives_a_restart() -> None:
    """418 with "banned until" holds the venue's REST and its dials, and no other venue; so does the next run."""
    banned: list[int] = []

    def reply() -> tuple[int, dict[str, str], str]:
        if not banned:
            banned.append(exchange.clock.ms() + 1500)
            return 418, {}, f"IP banned until {banned[0]}"
        return now_of("BTC", 1000.0, mark=1.0)()

    falls = anyio.Event()

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.flow)
            if peer.place == 0:
                await falls.wait()
                peer.ws.transport.abort()

    exchange, well = Exchange(talk, replies={"/oi": reply}), Exchange(flowing)
    well.clock = exchange.clock
    toy = venue(SOCKET, replace(POLL, gives=frozenset({"mark"})))

    def address(at: Venue, url: str) -> str:
        return (well if at.id == "other" else exchange).address(at, url)

    async with well.open(), collecting(exchange, toy, venue(id="other"), address=address) as records:
        await records.until(lambda: banned and [r for r in records.readings() if r.instrument.venue == "toy"])
        falls.set()
        await records.until(lambda: [h for h in records.of(Health) if (h.venue, h.state) == ("toy", "limited")])
        asked = len(exchange.called)
        place = len(records.all)
        await anyio.sleep(0.3)
        others = [r for r in records.readings() if r.instrument.venue == "other"]
        assert others[-1].seen > exchange.clock.ms() - 300, "the other venue is not held"
        assert len(records.all) > place
        assert len(exchange.called) == asked, "nobody asks and nobody dials"
    (hold,) = records.of(Hold)
    assert (hold.venue, hold.until) == ("toy", banned[0])
    with stored(records) as rows:
        (kept,) = rows("SELECT venue, epoch_ms(until), reason FROM holds")
    assert kept == ("toy", banned[0], f"HTTP 418: IP banned until {banned[0]}")
    asked = len(exchange.called)
    async with collecting(exchange, toy, holds=[Hold(*kept)]) as again:
        await again.until(lambda: again.readings())
    assert {at for at, _ in exchange.called[asked:] if exchange.clock.epoch + 1000 * at < banned[0] - 5} == set()
    assert again.readings()[0].seen >= banned[0]
    assert again.of(Gap)[0].reason == f"limited: HTTP 418: IP banned until {banned[0]}"


async def test_f10_used_weight_throttles_questions_before_the_limit_and_makes_no_gap() -> None:
    """Another program on this address has used nine tenths: we ask as seldom as what is left allows."""
    exchange = Exchange(flowing)
    exchange.replies["/oi"] = lambda: (200, {"X-Used": "10"}, now_of("BTC", 1000.0, mark=1.0)()[2])
    patience = replace(SHORT, margin=2.0)
    toy = venue(replace(POLL, every=0.05), limits=Limits(weight=10, per=0.5, used_header="X-Used"))
    async with collecting(exchange, toy, patience=patience) as records:
        await records.until(lambda: len(records.readings()) >= 4)
        assert records.gaps() == []
    asked = [at for at, path in exchange.requests if path.startswith("/oi")]
    assert within(asked, 4, 0.5), "a few in half a second, and not ten"


async def test_f12_waits_between_dials_are_jittered_capped_and_short_again_after_data() -> None:
    tries = itertools.count()
    speaks = {15, 16}

    def handshake() -> tuple[int, dict[str, str], str]:
        return (101, {}, "") if next(tries) in speaks else (503, {}, "maintenance")

    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place == 0:
            with anyio.move_on_after(0.4):
                await peer.flow()
        else:
            await peer.flow()

    exchange = Exchange(talk, replies={"/ws": handshake})
    drawn: list[tuple[int, float]] = []

    def delays() -> Iterator[float]:
        for k, delay in enumerate(backoff(0.02, 0.3)):
            drawn.append((k, delay))
            yield delay

    async with collecting(exchange, delays=delays, rhythm=replace(QUICK, settled=0.2)) as records:
        await records.until(lambda: len(records.holes()) == 2)
    waits = [late - early for early, late in itertools.pairwise(dialled(exchange))]
    refused = waits[:15]
    assert max(refused) < 0.3 + 0.1, "capped, however often it was refused"
    assert max(refused[8:]) - min(refused[8:]) > 0.03, "jittered: never the same wait"
    begun = [k for k, _ in drawn if k == 0]
    assert len(begun) == 3 + 1, "of the segment, of the line's work and of its dials; and anew after the data"
    assert waits[15] < 0.4 + 0.02 + 0.1, "data flowed for a while: the next wait is a first one"
    cap = inspect.signature(backoff).parameters["cap"].default
    assert 30.0 <= cap <= 60.0


async def test_f13_a_page_in_place_of_a_reply_is_never_read_as_data() -> None:
    """Neither a reading nor an unreadable frame; the gap says what came."""
    exchange = Exchange(flowing)
    exchange.replies["/oi"] = lambda: (200, {"Content-Type": "text/html"}, "<html>[1000]</html>")
    async with collecting(exchange, venue(POLL)) as records:
        (gap,) = await records.until(records.gaps)
        exchange.replies["/oi"] = now_of("BTC", 7.0, mark=1.0)
        await records.until(lambda: records.holes())
    assert gap.reason == "blocked: HTTP 200: a page, not data"
    assert {r.raw for r in records.readings()} == {7.0}
    assert {h.unreadable for h in records.of(Health)} == {0}
    assert records.states()[:3] == ["connecting", "blocked", "live"]


@contextmanager
def resolving(down: list[bool]) -> Iterator[None]:
    """Names are looked up by the loop; while the network is down there is nobody to ask."""
    loop: Any = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def look_up(host: Any, port: Any, **how: Any) -> Any:
        if down:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return await real("127.0.0.1" if host == "localhost" else host, port, **how)

    loop.getaddrinfo = look_up
    try:
        yield
    finally:
        del loop.getaddrinfo


@pytest.mark.parametrize("fault", ["dns", "tls", "route"])
async def test_f14_a_network_that_is_down_is_one_incident_and_all_venues_recover_within_one_cap(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One line of log and one event for three venues with six connections; a gap a symbol; no try is given up."""
    down: list[bool] = []
    cap = 0.6

    async def talk(peer: Peer) -> None:
        await peer.take()
        await alike(peer, exchange)

    exchange = Exchange(talk, [("A", "A"), ("B", "B")], replies={"/oi": lambda: (200, {}, marks)})
    marks = '[{"kind": "snap", "symbol": "A", "mark": 50000}, {"kind": "snap", "symbol": "B", "mark": 50000}]'

    def address(at: Venue, url: str) -> str:
        local = exchange.address(at, url).replace("127.0.0.1", "localhost")
        if down and fault == "tls":
            return local.replace("ws://", "wss://").replace("http://", "https://")  # to one who speaks none
        return local.replace(f":{exchange.port}", ":9") if down and fault == "route" else local

    caplog.set_level(logging.INFO)
    ids = ("one", "two", "three")
    socket_ = replace(SOCKET, per_socket=1)
    venues = [venue(socket_, replace(POLL, gives=frozenset({"mark"})), id=id) for id in ids]

    def live() -> set[str]:
        last = {h.venue: h.state for h in records.of(Health) if h.symbol == ""}
        return {id for id, state in last.items() if state == "live"}

    def incidents() -> list[dict[str, Any]]:
        return [json.loads(e.detail) for e in records.of(Event) if e.kind == "network_down"]

    def heard() -> set[tuple[str, str]]:
        return {(r.instrument.venue, r.instrument.symbol) for r in records.of(OpenInterest)}

    def gaps() -> list[Gap]:
        return [g for g in records.of(Gap) if not g.reason.startswith("mark: ")]

    with resolving(down if fault == "dns" else []):
        seams = {"address": address, "delays": lambda: backoff(0.05, cap)}
        async with collecting(exchange, *venues, **seams) as records:
            every = {(id, symbol) for id in ids for symbol in "AB"}
            await records.until(lambda: heard() == every)
            calm = len(caplog.records)
            down.append(True)
            for peer in list(exchange.peers):
                peer.ws.transport.abort()
            tries = len(exchange.called)
            await records.until(lambda: live() == set() and len(exchange.called) > tries + 40)
            said = [r for r in caplog.records[calm:] if r.name.startswith("collectors")]
            (began,) = incidents()
            down.clear()
            at = exchange.clock()
            await records.until(lambda: live() == set(ids))
            took = exchange.clock() - at
            await records.until(lambda: len([g for g in gaps() if g.end]) == 6)
            told = gaps()
    assert [r.getMessage() for r in said] == [f"network: none of 3 venues can be reached: {began['words']}"]
    assert sorted(began["venues"]) == sorted(ids)
    assert [incident.get("until") is None for incident in incidents()] == [True, False]
    assert incidents()[1]["since"] == began["since"] <= incidents()[1]["until"]
    assert took < cap + 0.3
    for id in ids:
        for symbol in "AB":
            opened, ended = [g for g in told if (g.venue, g.symbol) == (id, symbol)]  # however often it was tried
            assert (opened.end, opened.start) == (None, ended.start)
            seen = [r.seen for r in records.readings(symbol) if r.instrument.venue == id]
            assert min(abs(s - ended.start) for s in seen) <= NEAR_MS
            assert min(abs(s - (ended.end or 0)) for s in seen) <= NEAR_MS


async def test_f14_one_venue_that_is_down_is_no_outage_of_the_network(caplog: pytest.LogCaptureFixture) -> None:
    down: list[bool] = []
    exchange = Exchange(flowing)

    def address(at: Venue, url: str) -> str:
        real = exchange.address(at, url)
        return real.replace(f":{exchange.port}", ":9") if down and at.id == "two" else real

    async with collecting(exchange, venue(id="one"), venue(id="two"), address=address) as records:
        await records.until(lambda: {r.instrument.venue for r in records.readings()} == {"one", "two"})
        down.append(True)
        for peer in list(exchange.peers):
            peer.ws.transport.abort()
        await records.until(lambda: [r for r in caplog.records if r.getMessage().startswith("two main: down")])
        assert records.of(Event) == []
    assert [r for r in caplog.records if r.getMessage().startswith("network")] == []
