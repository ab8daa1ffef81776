"""Faults of connections, tokens, listings, clocks and tasks (faults.md 1, 2, 5, 6), played over a loopback socket."""

import asyncio
import gc
import itertools
import logging
from dataclasses import replace
from typing import Any

import anyio
import pytest

from collectors.connection import Line
from collectors.supervisor import Collecting
from collectors.venue import Ask, Limits, Venue
from store.records import Flag, Health, Instrument
from tests.collectors.test_faults import flowing, one_gap
from tests.collectors.toy import QUICK, SOCKET, Exchange, Frame, Peer, collecting, parse, venue

pytestmark = pytest.mark.anyio


async def test_f09_a_known_lifetime_is_used_to_open_the_next_line_before_the_old_one_ends() -> None:
    """No gap, and no second without a line."""
    carried: list[bool] = []

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.flow)
            if peer.place == 0:
                await peer.ws.wait_closed()
                carried.append(len(exchange.peers) > 1 and exchange.peers[1].asked == [["BTC"]])
                tasks.cancel_scope.cancel()

    exchange = Exchange(talk)
    async with collecting(exchange, venue(replace(SOCKET, life=1.0))) as records:
        await records.until(lambda: carried)
        count = len(records.readings())
        await records.until(lambda: len(records.readings()) > count + 3)
        assert records.gaps() == []
    assert carried == [True]
    assert records.readings()[0].raw == 1000.0


async def test_f09_lines_that_drop_at_once_are_dialled_within_the_venues_budget() -> None:
    """Every line is a gap that ends, and none is dialled too soon."""
    fallen = anyio.Event()

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.flow, *peer.asked[0])
            if peer.place < 3:
                await fallen.wait()
                await peer.ws.close()
                tasks.cancel_scope.cancel()

    exchange = Exchange(talk, [(s, s) for s in "ABC"])
    toy = venue(replace(SOCKET, per_socket=1), limits=Limits(weight=1000, per=1, dials=2, dials_per=0.4))
    async with collecting(exchange, toy) as records:
        await records.until(lambda: all(records.readings(s) for s in "ABC"))
        fallen.set()
        await records.until(lambda: all(len(records.gaps(s)) == 2 for s in "ABC"))
    dials = [at for at, path in exchange.called if path.startswith("/ws")]
    assert all(late - early > 0.39 for early, late in zip(dials, dials[2:], strict=False))
    for symbol in "ABC":
        one_gap(records, symbol)


async def test_f13_where_we_are_not_allowed_one_line_says_so_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`blocked`, a slow retry, and no page read as data."""
    open_ = Exchange(flowing)
    barred = Exchange(flowing, clock=open_.clock)
    barred.replies["/catalogue"] = lambda: (451, {}, "not in your country")
    paged = Exchange(flowing, clock=open_.clock)
    paged.replies["/ws"] = lambda: (403, {"Content-Type": "text/html"}, "<html>blocked</html>")
    by_venue = {"barred": barred, "paged": paged, "open": open_}

    def address(at: Venue, url: str) -> str:
        return by_venue[at.id].address(at, url)

    caplog.set_level(logging.INFO)
    venues = [venue(id=id) for id in by_venue]

    def said() -> set[tuple[str, str, str]]:
        return {(h.venue, h.state, h.detail) for h in records.of(Health) if h.symbol == ""}

    async with (
        barred.open(),
        paged.open(),
        collecting(open_, *venues, address=address, rhythm=replace(QUICK, blocked=0.3)) as records,
    ):
        await records.until(lambda: ("open", "live", "") in said() and records.readings())
        await records.until(lambda: len(barred.requests) >= 3 and len(paged.dials) >= 3)
        states = said()
        assert {venue for venue, state, _ in states if state == "live"} == {"open"}
        gaps = {(g.venue, g.reason) for g in records.gaps() + records.gaps("")}
    assert ("barred", "blocked", "HTTP 451: not in your country") in states
    assert ("paged", "blocked", "HTTP 403: a page, not data") in states
    assert gaps >= {
        ("barred", "blocked: HTTP 451: not in your country"),
        ("paged", "blocked: HTTP 403: a page, not data"),
    }
    for asked in ([at for at, _ in barred.called], [at for at, path in paged.called if path.startswith("/ws")]):
        assert all(late - early >= 0.29 for early, late in itertools.pairwise(asked))
    told = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING and "blocked" in r.getMessage()]
    assert len(told) == 2  # one line each, however often it was tried


async def test_f15_every_dial_has_a_token_of_its_own_and_a_failed_fetch_is_not_kept() -> None:
    """A refused token is not used again."""
    tokens = itertools.count()

    def token() -> tuple[int, dict[str, str], str]:
        n = next(tokens)
        return (500, {}, "oops") if n == 0 else (200, {}, f'{{"kind":"token","n":{n}}}')

    refusals = itertools.count()

    def handshake() -> tuple[int, dict[str, str], str]:
        return (401, {}, "token expired") if next(refusals) == 0 else (101, {}, "")

    exchange = Exchange(flowing, replies={"/token": token, "/ws": handshake})
    socket = replace(SOCKET, token=Ask("https://toy/token"), dial=lambda reply: f"wss://toy/ws?token={reply.n}")
    async with collecting(exchange, venue(socket)) as records:
        await records.until(lambda: len(records.gaps()) == 2)
    dialled = [path for _, path in exchange.called if path.startswith("/ws")]
    assert dialled == ["/ws?token=1", "/ws?token=2"]
    opened, _ = one_gap(records)
    assert opened.reason == "down: HTTP 500: oops"
    assert records.readings()[0].raw == 1000.0


async def test_f20_listings_and_delistings_are_noticed_while_running() -> None:
    """A new perpetual is collected, a delisted one ends as `closed`; listed again, it is collected again."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.flow(*peer.asked[0], "GHOST")

    exchange = Exchange(talk, [("A", "A"), ("B", "B")])
    async with collecting(exchange, rhythm=replace(QUICK, catalogue=0.2)) as records:
        await records.until(lambda: records.readings("A") and records.readings("B"))
        exchange.listed = [("A", "A"), ("C", "C")]
        await records.until(lambda: records.readings("C") and records.states("B")[-1] == "closed")
        count = len(records.readings("B"))
        seen = len(records.readings("A"))
        await records.until(lambda: len(records.readings("A")) > seen + 5)
        assert len(records.readings("B")) == count
        exchange.listed = [("A", "A"), ("B", "B"), ("C", "C")]
        await records.until(lambda: len(records.readings("B")) > count)
        assert records.gaps("A") + records.gaps("B") + records.gaps("C") == []
        assert records.states("B") == ["connecting", "live", "closed", "connecting", "live"]
    assert [i.live for i in records.of(Instrument) if i.symbol == "B"] == [True, False, True]
    assert records.readings("GHOST") == []


async def test_f37_a_step_of_our_clock_neither_kills_nor_hides_a_line() -> None:
    """Timers are monotonic; a time from the future is flagged and does not stay the newest."""
    offset = [0]
    exchange = Exchange(flowing)

    def stamped(frame: Frame) -> Any:
        said = list(parse(frame))
        return [replace_ts(word, exchange.clock.ms()) for word in said]

    async with collecting(
        exchange, venue(replace(SOCKET, parse=stamped)), now=lambda: exchange.clock.ms() + offset[0]
    ) as records:
        await records.until(lambda: len(records.readings()) > 3)
        for step in (3_600_000, -3_600_000, 0):
            offset[0] = step
            place = len(records.readings())
            await records.until(lambda place=place: len(records.readings()) > place + 5)
        assert records.gaps() == []
        assert len(exchange.dials) == 1
        last = records.readings()[-1]
    assert [r.raw for r in records.readings()] == [1000.0 + k for k in range(len(records.readings()))]
    stepped = [r for r in records.readings() if r.flags & Flag.SKEWED]
    assert stepped
    assert all(r.ts == r.seen for r in stepped)
    assert abs(last.ts - last.seen) <= 60_000
    assert not last.flags & Flag.SKEWED


def replace_ts(word: Any, ts: int) -> Any:
    if hasattr(word, "oi"):
        word.ts = ts
    return word


async def test_f39_reconnects_leave_nothing_behind() -> None:
    """Tasks and connections do not pile up."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap()

    def alive() -> tuple[int, int]:
        gc.collect()
        ours = [t for t in asyncio.all_tasks() if "collectors" in repr(t.get_coro())]
        return len(ours), sum(isinstance(thing, Line) for thing in gc.get_objects())

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len(exchange.dials) >= 10)
        exchange.peers.clear()
        before = alive()
        await records.until(lambda: len(exchange.dials) >= 120)
        after = alive()
    assert after[0] <= before[0] + 3  # one connection may be at another moment of its life
    assert after[1] <= 4


async def test_f39_a_task_that_dies_is_begun_again_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    """Its death is logged with its cause, is a state, and is a gap that ends."""
    tries = itertools.count()

    def dies(*given: Any) -> Any:
        if next(tries) == 1:
            raise RuntimeError("a bug")
        return SOCKET.subscribe(*given)

    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place == 0:
            await peer.snap()
            return
        await peer.flow()

    exchange = Exchange(talk)
    async with collecting(exchange, venue(replace(SOCKET, subscribe=dies)), collecting=Collecting()) as records:
        await records.until(lambda: len(records.gaps()) == 2)
    one_gap(records)
    (told,) = [r for r in caplog.records if "RuntimeError: a bug" in r.getMessage()]
    assert told.exc_info is not None
    assert next(tries) > 2
