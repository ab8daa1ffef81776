"""Faults of load (faults.md 6, and F28): floods, large frames, slow writers, many reconnects, over the loopback."""

import gc
import gzip
import itertools
import json
import logging
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from collectors.http import utc_ms
from collectors.venue import Venue
from collectors.wire import unpacked, wire
from store.engine import open_store
from store.records import Flag, Quarantined
from store.writer import Writer
from tests.collectors.toy import (
    POLL,
    QUICK,
    SHORT,
    SOCKET,
    Exchange,
    Frame,
    Peer,
    collecting,
    flowing,
    now_of,
    parse,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio
BEAT = 0.05  # seconds between the toy's heartbeats


async def noting(peer: Peer, clock: Callable[[], float], beats: list[float]) -> None:
    """When heartbeats came. No answer: none fits into a message that is not whole yet."""
    while True:
        if json.loads(await peer.ws.recv()).get("op") == "ping":
            beats.append(clock())


def longest(beats: list[float]) -> float:
    return max(late - early for early, late in itertools.pairwise(beats))


async def test_f28_a_large_frame_that_takes_its_time_delays_no_heartbeat() -> None:
    """Four megabytes in pieces over 0.8 s, packed and plain: it is one value, and heartbeats go on meanwhile."""
    beats: list[float] = []
    began: list[float] = []

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(noting, peer, exchange.clock, beats)
            for oi, pack in ((1.0, False), (1.1, True)):
                text = json.dumps({"kind": "snap", "symbol": "BTC", "oi": oi, "mark": 10, "words": noise})
                began.append(exchange.clock())
                await peer.ws.send(pieces(gzip.compress(text.encode(), 1) if pack else text))
            began.append(exchange.clock())

    async def pieces(whole: Any) -> Any:
        size = len(whole) // 40 + 1
        for start in range(0, len(whole), size):
            yield whole[start : start + size]
            await anyio.sleep(0.02)

    noise = "".join(f"{k * 2654435761 % 2**32:08x}" for k in range(500_000))
    exchange = Exchange(talk)
    async with collecting(exchange, venue(replace(SOCKET, decode=unpacked(wire(Frame)), cadence=None))) as records:
        await records.until(lambda: len(records.readings()) == 2 and len(began) == 3)
        assert records.gaps() == []
    assert [r.raw for r in records.readings()] == [1.0, 1.1]
    for start, end in itertools.pairwise(began):
        during = [at for at in beats if start <= at <= end]
        assert end - start > 0.7
        assert len(during) >= (end - start) / BEAT / 2
        assert longest(during) < 3 * BEAT
    assert len(exchange.dials) == 1


@pytest.mark.parametrize("how", ["plain", "deflated"])
async def test_f28_a_frame_beyond_all_bounds_ends_its_connection_and_is_a_gap(how: str) -> None:
    """17 MB, or 17 kB that the protocol's own compression makes 17 MB of: neither is ever held whole."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place > 0:
            await peer.flow()
        await peer.snap()
        if how == "plain":
            peer.ws.protocol.extensions = []
        await peer.ws.send(" " * (17 * 2**20))
        await peer.listen()

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(records.holes)
    (gap,) = records.holes()
    assert gap.reason.startswith("down: ConnectionClosedError: sent 1009 (message too big)")
    assert [(r.raw, r.flags & Flag.RESYNC) for r in records.readings()[:2]] == [(1000.0, Flag.RESYNC)] * 2
    assert records.of(Quarantined) == []


async def test_f28_an_answer_that_unpacks_beyond_all_bounds_is_not_read() -> None:
    """65 kB that unpack to 65 MB; the next answer, packed too, counts again."""
    bomb = gzip.compress(b" " * (65 * 2**20), 1)
    said = [bomb]
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    exchange = Exchange(flowing, replies={"/oi": lambda: (200, packed, said[0])})
    async with collecting(exchange, venue(POLL)) as records:
        (gap,) = await records.until(records.gaps)
        said[0] = gzip.compress(now_of("BTC", 7.0, mark=1.0)()[2].encode())  # type: ignore[union-attr]  # a text
        await records.until(records.holes)
    assert gap.reason == f"down: an answer of more than {64 * 2**20} bytes"
    assert {r.raw for r in records.readings()} == {7.0}


async def test_f38_before_a_slow_writer_the_newest_wins_and_what_was_skipped_is_counted_and_a_gap() -> None:
    """The queue is bounded, heartbeats and pings are on time, the lag is told, and every value is a row or in a gap."""
    limit, count = 200, 8000
    beats: list[float] = []
    pings: list[float] = []
    sent: dict[str, list[float]] = {"BTC": [], "ETH": []}

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(noting, peer, exchange.clock, beats)
            tasks.start_soon(pinging, peer)
            for k in range(count):
                for symbol in ["BTC"] if k % 400 else ["BTC", "ETH"]:
                    oi = 1000.0 + k / 100
                    sent[symbol].append(oi)
                    await peer.snap(symbol, oi, ts=t0 + k)
                if k % 50 == 0:
                    await anyio.sleep(0.005)
            flooded.append(exchange.clock())

    async def pinging(peer: Peer) -> None:
        while True:
            at = exchange.clock()
            await (await peer.ws.ping())
            pings.append(exchange.clock() - at)
            await anyio.sleep(0.05)

    flooded: list[float] = []
    t0 = utc_ms()
    exchange = Exchange(talk, [("BTC", "BTC"), ("ETH", "ETH")])
    store = open_store(":memory:", "demo")
    writer = Writer(store, True, limit=limit, cadence_s=0.4)
    worst, lags = 0, list[float]()
    async with collecting(exchange, patience=replace(SHORT, first=60.0, margin=60.0)) as records:

        def look() -> bool:
            nonlocal worst
            told = writer.progress()
            worst = max(worst, told.waiting)
            lags.append(told.lag_ms)
            return bool(flooded)

        place = 0
        while True:
            for record in records.all[place:]:
                writer.put(record)
                place += 1
                if place % 50 == 0:
                    look()
            if look() and len(records.readings("BTC")) == count:
                break
            await anyio.sleep(0.005)
        for record in records.all[place:]:
            writer.put(record)
    assert writer.flush(20)
    told = writer.progress()
    assert worst <= limit + 2 + limit, "readings, the newest of each symbol beyond the bound, and everything else"
    assert told.shed > count / 4
    assert max(lags) >= 300, "ms: as long as a batch takes"
    assert told.lag_ms == 0
    assert longest([at for at in beats if at <= flooded[0]]) < 3 * BEAT
    assert pings
    assert max(pings) < 0.3
    assert len(exchange.dials) == 1
    assert writer.close()
    con = store.cursor()
    lost = 0
    for symbol, values in sent.items():
        (instrument,) = {r.instrument.id for r in records.readings(symbol)}
        found = con.execute(f"SELECT raw FROM readings WHERE instrument_id = {instrument} ORDER BY ts").fetchall()
        rows = [raw for (raw,) in found]
        assert rows == sorted(set(rows))
        assert (rows[0], rows[-1]) == (values[0], values[-1]), "the newest is there"
        gaps = con.execute(
            f"SELECT epoch_ms(start), epoch_ms(\"end\") FROM gaps WHERE reason = 'shed' AND symbol = '{symbol}'"
        ).fetchall()
        missing = set(values) - set(rows)
        lost += len(missing)
        for reading in records.readings(symbol):
            if reading.raw in missing:
                assert [1 for start, end in gaps if start <= reading.seen <= end], "no row and no gap"
    assert told.shed == lost
    store.close()


async def test_f39_memory_is_flat_over_many_reconnects() -> None:
    """Sockets, polls and both ends of gaps: what is kept after 100 more of them is less than half a kB for each."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap()

    def kept() -> int:
        for told in (records.all, exchange.peers, exchange.dials, exchange.called, exchange.requests):
            told.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    exchange = Exchange(talk, replies={"/oi": now_of("BTC", 1000.0, mark=1.0)})
    tracemalloc.start()
    try:
        async with collecting(exchange, venue(SOCKET, replace(POLL, gives=frozenset({"mark"})))) as records:
            await records.until(lambda: len(exchange.dials) >= 40)
            before = kept()
            await records.until(lambda: len(exchange.dials) >= 100)
            after = kept()
    finally:
        tracemalloc.stop()
    assert after - before < 100 * 500


def broken_at(place: str, dies: Callable[..., None]) -> Venue:
    """The toy with a bug that no list of expected errors foresees."""

    def failing(work: Any) -> Any:
        def run(*given: Any) -> Any:
            dies()
            return work(*given)

        return run

    socket, poll = SOCKET, POLL
    match place:
        case "subscribe":
            toy = venue(replace(socket, subscribe=failing(socket.subscribe)))
        case "parse":
            toy = venue(replace(socket, parse=failing(parse)))
        case "answer":
            toy = venue(replace(socket, answer=failing(socket.answer)))
        case "poll":
            toy = venue(replace(poll, parse=failing(poll.parse)))
        case _:
            toy = venue()
            segment = toy.segments[0]
            toy = replace(toy, segments=(replace(segment, read=failing(segment.read)),))
    return toy


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("subscribe", RuntimeError), ("subscribe", KeyError), ("parse", RuntimeError), ("answer", RuntimeError),
        ("poll", RuntimeError), ("catalogue", RuntimeError),
    ],
)  # fmt: skip
async def test_f39_whichever_task_dies_is_begun_again_and_its_death_is_a_gap_with_the_cause(
    place: str, kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """A bug that is there for a while: the whole story is logged once, and values of a new epoch flow when it is gone.

    Errors of the kinds that an unreadable frame raises are bugs too where no frame is read.
    """
    bug: list[bool] = []

    def dies() -> None:
        if bug:
            raise kind("a bug")

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.flow()

    exchange = Exchange(talk, replies={"/oi": lambda: now_of("BTC", 1000.0, mark=1.0)()})
    rhythm = replace(QUICK, catalogue=0.3)
    async with collecting(exchange, broken_at(place, dies), rhythm=rhythm) as records:
        await records.until(lambda: len(records.readings()) > 3)
        bug.append(True)
        for peer in exchange.peers if place == "subscribe" else ():
            peer.ws.transport.abort()  # it comes with a new connection only
        await records.until(lambda: [r for r in caplog.records if "a bug" in r.getMessage()])
        later = exchange.clock() + 0.3
        await records.until(lambda: exchange.clock() > later)
        bug.clear()
        count = len(records.readings())
        await records.until(lambda: len(records.readings()) > count + 3)
        holes = records.holes()
    words = f"{kind.__name__}: {kind('a bug')}"
    told = [r for r in caplog.records if words in r.getMessage() and r.levelno == logging.ERROR]
    assert len(told) >= 2, "each time"
    assert len([r for r in told if r.exc_info]) == 1, "the whole story once"
    assert holes
    fell = "down: ConnectionClosedError: no close frame received or sent"
    assert holes[0].reason == (fell if place == "subscribe" else f"down: {words}")
    epochs = [r.raw for r in records.readings() if r.flags & Flag.RESYNC]
    assert len(epochs) == (1 if place == "poll" else 2), "what the dead one knew is forgotten"


async def test_f38_a_flood_is_read_in_order_and_heartbeats_do_not_wait_for_it() -> None:
    count = 20_000

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.listen)
            for k in range(count):
                await peer.ws.send(f'{{"kind":"snap","symbol":"BTC","oi":{1000 + k % 7},"mark":50000,"ts":null}}')
                if k % 100 == 0:
                    await anyio.lowlevel.checkpoint()
            await peer.flow(oi=1000.0)

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.readings()) > count)
        beats = len(exchange.peers[0].heard)
        seconds = (records.readings()[count - 1].seen - records.readings()[0].seen) / 1000
    assert [r.raw for r in records.readings()[:count]] == [1000 + k % 7 for k in range(count)]
    assert beats >= seconds / 0.05 / 3  # they came while the flood ran
    assert len(exchange.dials) == 1


async def test_f12_f39_a_bug_now_and_then_is_not_waited_for_longer_each_time() -> None:
    """Three deaths with good times between them: each is followed by a first wait, and each is a gap with its end."""

    def read(frame: Frame) -> Any:
        if frame.kind == "snap" and frame.words == "odd":
            raise RuntimeError("a bug")
        return parse(frame)

    async def talk(peer: Peer) -> None:
        await peer.take()
        with anyio.move_on_after(0.5):
            await peer.flow()
        if peer.place < 3:
            await peer.send(kind="snap", symbol="BTC", words="odd")
        await peer.flow()

    def delays() -> Iterator[float]:
        yield 0.01
        yield from itertools.repeat(60.0)

    exchange = Exchange(talk)
    rhythm = replace(QUICK, settled=0.3)
    async with collecting(exchange, venue(replace(SOCKET, parse=read)), delays=delays, rhythm=rhythm) as records:
        await records.until(lambda: len(records.holes()) == 3)
    assert {gap.reason for gap in records.holes()} == {"down: RuntimeError: a bug"}
    assert len(exchange.dials) == 4
