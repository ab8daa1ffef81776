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
from tests.collectors.toy import (
    QUICK,
    SOCKET,
    Exchange,
    Frame,
    Peer,
    collecting,
    flowing,
    one_gap,
    parse,
    venue,
)  # fmt: skip

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


async def test_f16_what_is_missing_of_a_subscription_is_sent_again() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.said()  # dropped without a word

        async def again() -> None:
            await peer.take()
            await peer.flow("C", "D", oi=3.0)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.flow, "A", "B")
            tasks.start_soon(again)

    exchange = Exchange(talk, [(s, s) for s in "ABCD"])
    async with collecting(exchange, venue(replace(SOCKET, batch=2))) as records:
        await records.until(lambda: records.readings("C") and records.readings("D"))
    assert exchange.peers[0].asked[:3] == [["A", "B"], ["C", "D"], ["C", "D"]]
    assert len(exchange.dials) == 1
    assert records.states("C")[:3] == ["connecting", "mute", "live"]
    assert records.states("A")[:2] == ["connecting", "live"]


async def test_f17_one_bad_symbol_is_set_aside_with_the_venues_words_and_the_rest_flows() -> None:
    async def talk(peer: Peer) -> None:
        flows: set[str] = set()

        async def feed() -> None:
            while True:
                for symbol in sorted(flows):
                    await peer.snap(symbol)
                await anyio.sleep(0.02)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(feed)
            while True:
                message = await peer.said()
                if "BAD" in message["subscribe"]:
                    await peer.send(kind="refused", n=message["n"], words="BAD is not listed")
                else:
                    await peer.send(kind="ack", n=message["n"])
                    flows.update(message["subscribe"])

    symbols = ["A", "B", "BAD", "D", "E"]
    exchange = Exchange(talk, [(s, s) for s in symbols])
    async with collecting(exchange) as records:
        await records.until(lambda: all(records.readings(s) for s in symbols if s != "BAD") and records.gaps("BAD"))
    assert exchange.peers[0].asked[:5] == [symbols, ["A", "B", "BAD"], ["D", "E"], ["A", "B"], ["BAD"]]
    (gap, *_) = records.gaps("BAD")
    assert gap.reason == "refused: BAD is not listed"
    assert "refused" in records.states("BAD")
    assert records.states("A")[:2] == ["connecting", "live"]
    assert len(exchange.dials) == 1


async def test_f17_a_refusal_without_a_number_finds_its_batch_too() -> None:
    async def talk(peer: Peer) -> None:
        async with anyio.create_task_group() as tasks:
            while True:
                message = await peer.said()
                if "BAD" in message["subscribe"]:
                    await peer.send(kind="refused", words="no")
                else:
                    tasks.start_soon(peer.flow, *message["subscribe"])

    exchange = Exchange(talk, [("A", "A"), ("BAD", "BAD")])
    async with collecting(exchange) as records:
        await records.until(lambda: records.readings("A") and records.gaps("BAD"))
    assert records.gaps("BAD")[0].reason == "refused: no"
    assert "refused" not in records.states("A")


async def test_f18_a_new_connection_is_subscribed_once_and_wholly() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap("A")
        await peer.snap("B")
        if peer.place > 0:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(peer.flow, "A", "B")
                tasks.start_soon(peer.listen)

    exchange = Exchange(talk, [("A", "A"), ("B", "B")])
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.gaps("A")) == 2 and len(records.gaps("B")) == 2)
        await records.until(lambda: len(records.readings("A")) > 20)
    assert [peer.asked for peer in exchange.peers] == [[["A", "B"]], [["A", "B"]]]


async def test_f19_data_before_the_ack_is_data() -> None:
    async def talk(peer: Peer) -> None:
        message = await peer.said()
        await peer.snap(oi=42.0)
        await peer.send(kind="ack", n=message["n"])
        await peer.flow(oi=42.0)

    async with collecting(Exchange(talk)) as records:
        await records.until(lambda: len(records.readings()) > 2)
        assert records.readings()[0].raw == 42.0
        assert records.gaps() == []


async def test_one_venues_bug_stays_inside_that_venue() -> None:
    def broken(*_: object) -> list[object]:
        raise RuntimeError("a bug")

    bug = venue(replace(SOCKET, subscribe=broken), id="buggy")
    exchange = Exchange(flowing)
    async with collecting(exchange, bug, venue()) as records:
        await records.until(lambda: len(records.readings()) > 3)
        await records.until(lambda: [r for r in records.of(Health) if r.venue == "buggy" and "a bug" in r.detail])
    assert {r.instrument.venue for r in records.readings()} == {"toy"}


async def test_a_clean_stop_opens_a_gap_that_the_next_run_ends() -> None:
    async with collecting(Exchange(flowing)) as first:
        await first.until(lambda: first.readings())
    (left,) = first.gaps()
    assert (left.end, left.reason) == (None, "closed: stopped")
    others = [
        replace(left, reason="mark: closed: stopped"),
        replace(left, venue="other"),
        replace(left, end=left.start),
    ]
    async with collecting(Exchange(flowing), gaps=[left, *others]) as second:
        await second.until(lambda: second.gaps())
    ended = [gap for gap in second.gaps() if gap.end is not None]
    assert [(gap.venue, gap.start, gap.reason) for gap in ended] == [("toy", left.start, left.reason)]
    assert ended[0].end is not None
    assert abs(ended[0].end - second.readings()[0].seen) <= 5


async def test_f09_a_notice_opens_the_next_connection_before_the_old_one_ends() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.flow)
            if peer.place == 0:
                await peer.send(kind="notice", words="an upgrade in 30 s")

    exchange = Exchange(talk)
    async with collecting(exchange, collecting=Collecting(assets=None)) as records:
        await records.until(lambda: len(exchange.peers) == 2 and exchange.peers[0].ws.close_code is not None)
        await records.until(lambda: exchange.peers[1].asked == [["BTC"]])
        assert records.gaps() == []
    assert len(exchange.dials) == 2
