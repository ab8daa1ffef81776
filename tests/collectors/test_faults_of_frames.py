"""Faults of frames (faults.md 3): deltas first, empty fields, old values, unreadable frames, over the loopback."""

import anyio
import pytest

from collectors.http import utc_ms
from store.records import Flag, Health, Quarantined
from tests.collectors.toy import (
    Exchange,
    Peer,
    collecting,
    one_gap,
)  # fmt: skip

pytestmark = pytest.mark.anyio


async def test_f21_a_delta_before_its_snapshot_makes_no_record_and_a_resubscription() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place == 0:
            await peer.snap(oi=10.0, mark=100.0)
            return

        async def deltas() -> None:
            while True:
                await peer.send(kind="delta", symbol="BTC", mark=200.0)
                await anyio.sleep(0.02)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(deltas)
            await peer.take()
            await peer.snap(oi=11.0, mark=200.0)

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.readings()) >= 2)
    first, second = records.readings()[:2]
    assert (first.raw, first.usd) == (10.0, 1000.0)
    assert (second.raw, second.usd) == (11.0, 2200.0)
    assert second.flags & Flag.RESYNC
    assert exchange.peers[1].asked == [["BTC"], ["BTC"]]


async def test_f22_absent_null_empty_and_zero_are_four_different_things() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi="", mark=100.0, ts=1)  # an empty field spoils that field only
        await peer.snap(oi=10.0, mark=None)
        await peer.send(kind="delta", symbol="BTC", mark=110.0)  # absent: unchanged
        await peer.send(kind="delta", symbol="BTC", oi="", mark=121.0)  # no value, and not "unchanged"
        await peer.send(kind="delta", symbol="BTC", oi=None, mark=133.0)  # nor is null
        await peer.snap(oi=0, mark=133.0)
        await peer.snap(oi=11.0, mark=None)
        await peer.listen()

    async with collecting(Exchange(talk)) as records:
        await records.until(lambda: len(records.readings()) == 3)
    assert [(r.raw, r.mark, bool(r.flags & Flag.AFFIRMED)) for r in records.readings()] == [
        (10.0, 100.0, False),
        (10.0, 110.0, True),
        (11.0, 133.0, False),
    ]
    assert [(q.check, q.raw, q.symbol) for q in records.of(Quarantined)] == [("not_positive", "0.0", "BTC")]


async def test_f23_an_old_value_is_not_stamped_new() -> None:
    stated = utc_ms()

    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place == 0:
            await peer.snap(oi=10.0, mark=100.0, ts=stated)
            await peer.send(kind="delta", symbol="BTC", mark=200.0, ts=stated + 50)
            return
        await peer.send(kind="snap", symbol="BTC", oi=10.5, ts=stated + 60)  # no mark on this connection yet
        await peer.snap(oi=10.6, mark=300.0, ts=stated + 70)
        await peer.listen()

    async with collecting(Exchange(talk)) as records:
        await records.until(lambda: len(records.readings()) == 3)
    one, two, three = records.readings()
    assert (one.ts, two.ts, three.ts) == (stated, stated, stated + 70)
    assert two.flags & Flag.AFFIRMED
    assert (two.mark, two.usd) == (200.0, 2000.0)
    assert (three.raw, three.mark) == (10.6, 300.0)  # nothing of the first connection's mark
    assert three.flags & Flag.RESYNC


async def test_f24_a_hole_after_a_reconnect_is_a_gap_and_not_an_empty_record() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place == 0:
            await peer.snap(oi=10.0, mark=100.0)
            return
        await peer.send(kind="snap", symbol="BTC", mark=100.0)
        await anyio.sleep(0.1)
        await peer.snap(oi=11.0, mark=100.0)
        await peer.listen()

    async with collecting(Exchange(talk)) as records:
        await records.until(lambda: len(records.gaps()) == 2)
    first, second = records.readings()[:2]
    _, gap = one_gap(records)
    assert gap.end is not None
    assert first.seen <= gap.start + 5
    assert gap.end - 5 <= second.seen
    assert gap.end - gap.start >= 100


async def test_f25_a_bad_frame_is_quarantined_and_the_connection_stays() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.ws.send('{"kind": "snap", "symb')
        await peer.ws.send("<html><body>Bad gateway</body></html>")
        await peer.ws.send(b"\x1f\x8b\x00nothing")
        await peer.send(kind="novelty")
        await peer.snap(oi=10.0)
        await peer.listen()

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: records.readings())
        bad = records.of(Quarantined)
        await records.until(lambda: [r for r in records.of(Health) if r.symbol == "" and r.unreadable == 4])
        assert records.gaps() == []
    assert [q.check for q in bad] == ["unreadable"] * 4
    assert bad[0].raw == '{"kind": "snap", "symb'
    assert bad[3].words == "ValueError: unknown kind novelty"
    assert [r.raw for r in records.readings()] == [10.0]
    assert [peer.asked for peer in exchange.peers] == [[["BTC"]]], "one connection, subscribed once"


async def test_f25_past_a_rate_of_bad_frames_the_connection_is_given_up() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place > 0:
            await peer.flow()
        for _ in range(100):
            await peer.ws.send("nonsense")
            await peer.snap()
            await peer.ws.send("nonsense")
        await peer.listen()

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.gaps()) == 2)
        kept = len(records.of(Quarantined))
    opened, _ = one_gap(records)
    assert "frames could not be read" in opened.reason
    assert {r.raw for r in records.readings()} >= {1000.0}, "what could be read counts"
    assert len(records.holes()) == 1
    assert 1 <= kept <= 10  # a sample, however many there were


async def test_f35_no_time_and_absurd_times_are_ours_and_say_so() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=10.0)
        await peer.snap(oi=11.0, ts=exchange.clock.ms() // 1000)  # seconds where milliseconds were declared
        await peer.snap(oi=12.0, ts=exchange.clock.ms() * 1000)
        await peer.snap(oi=13.0, ts=exchange.clock.ms())
        await peer.listen()

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.readings()) == 4)
    none, seconds, micros, good = records.readings()
    assert none.ts == none.seen
    assert none.flags & Flag.RECEIVE_TIME
    for record in (seconds, micros):
        assert record.ts == record.seen
        assert record.flags & Flag.SKEWED
    assert good.ts <= good.seen
    assert not good.flags & (Flag.SKEWED | Flag.RECEIVE_TIME)
