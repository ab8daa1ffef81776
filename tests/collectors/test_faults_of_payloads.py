"""Faults of payloads (faults.md 3): drift, places, packed and odd ones; played over a loopback socket."""

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest

from collectors.supervisor import Collecting
from collectors.venue import CatalogueError, Liquidated, Remembering, Said, Update
from collectors.wire import among, unpacked, wire
from store.records import (
    Event,
    FeedClass,
    Flag,
    Health,
    Instrument,
    Liquidation,
    Quarantined,
    Side,
    Unit,
)  # fmt: skip
from tests.collectors.toy import (
    OI,
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
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio


async def test_f26_what_is_new_is_ignored_and_numbers_may_become_texts() -> None:
    """Unknown fields and texts for numbers change nothing; an unknown kind is quarantined."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.send(kind="snap", symbol="BTC", oi="10.50", mark="100", ts=None, novel={"deep": [1]}, more=None)
        await peer.send(kind="channel-conn-count", n=3)
        await peer.snap(oi=11)
        await peer.listen()

    async with collecting(Exchange(talk)) as records:
        await records.until(lambda: len(records.readings()) == 2)
        assert records.gaps() == []
    assert [(r.raw, r.mark) for r in records.readings()] == [(10.5, 100.0), (11.0, 50_000.0)]
    assert [q.words for q in records.of(Quarantined)] == ["ValueError: unknown kind channel-conn-count"]


async def test_f26_a_field_that_goes_missing_raises_an_alarm_by_itself() -> None:
    """Once a connection, with the counts; what can be read goes on."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        for k in range(300):
            await peer.send(kind="snap" if k % 10 else "renamed", symbol="BTC", oi=1000.0, mark=100.0)
        await peer.flow(oi=1000.0)

    async with collecting(Exchange(talk), patience=replace(SHORT, bad_least=1000)) as records:
        alarms = await records.until(lambda: [e for e in records.of(Event) if e.kind == "schema_drift"])
        assert records.gaps() == []
    (alarm,) = alarms
    told = json.loads(alarm.detail)
    assert (alarm.venue, told["segment"]) == ("toy", "main")
    assert told["unreadable"] > 0.03 * told["frames"] >= 0.03 * 200


async def test_f26_a_slow_channel_of_which_nothing_can_be_read_is_not_hidden_by_a_busy_one() -> None:
    """Twenty frames of hundreds: far below the share of the whole line, and all that there is of their channel."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        for k in range(1200):
            await peer.send(kind="snap" if k % 50 else "moved.BTC", symbol="BTC", oi=1000.0, mark=100.0)
        await peer.flow(oi=1000.0)

    decode = among(wire(Frame), lambda kind: kind != "other", "kind")
    async with collecting(Exchange(talk), venue(replace(SOCKET, decode=decode))) as records:
        (alarm,) = await records.until(lambda: [e for e in records.of(Event) if e.kind == "schema_drift"])
        told = json.loads(alarm.detail)
        assert told["channel"] == "moved"
        assert told["unreadable"] == told["frames"] >= 20
        await records.until(lambda: len(records.readings()) > 1100)
        assert len(records.of(Event)) == 1
        assert records.gaps() == []


async def test_f26_replies_that_nobody_can_read_raise_an_alarm_too() -> None:
    said = ["[{]"]
    exchange = Exchange(flowing, replies={"/oi": lambda: (200, {}, said[0])})
    async with collecting(exchange, venue(POLL)) as records:
        (alarm,) = await records.until(lambda: [e for e in records.of(Event) if e.kind == "schema_drift"])
        await records.until(lambda: len(records.of(Quarantined)) > 6)
        assert len(records.of(Event)) == 1, "once, until one can be read"
        said[0] = now_of("BTC", 100.0, mark=1.0)()[2]  # type: ignore[assignment]  # a text
        await records.until(records.readings)
    told = json.loads(alarm.detail)
    assert (alarm.venue, told["unreadable"], told["words"][:11]) == ("toy", 3, "DecodeError")


async def test_f27_an_inserted_column_shifts_no_value() -> None:
    """Rows are matched by the catalogue's order and length; the index is rebuilt when the universe changes."""
    universe = ["A", "B"]

    def make(instruments: Sequence[Instrument], _: object = None) -> Any:
        places = [i.symbol for i in instruments]

        def read(frame: Frame) -> Iterable[Said]:
            if frame.kind != "row":
                return ()
            values = [float(v) for v in frame.words.split()]
            if len(values) != len(places):
                raise CatalogueError(f"{len(values)} values for {len(places)} instruments")
            return [Update(s, None, v, OI, 10.0) for s, v in zip(places, values, strict=True)]

        return read

    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place == 0:
            await peer.send(kind="row", words="1 2")
            universe[:] = ["A", "NEW", "B"]
            exchange.listed = [(s, s) for s in universe]
        while True:
            await peer.send(kind="row", words="1.1 7 2.1")
            await anyio.sleep(0.02)

    exchange = Exchange(talk, [(s, s) for s in universe])
    socket = replace(SOCKET, parse=Remembering(make))
    async with collecting(exchange, venue(socket), rhythm=replace(QUICK, unknown=0.02)) as records:
        await records.until(lambda: len(records.readings("B")) > 3 and records.readings("NEW"))
    assert {r.raw for r in records.readings("A")} == {1.0, 1.1}
    assert {r.raw for r in records.readings("B")} == {2.0, 2.1}
    assert {r.raw for r in records.readings("NEW")} == {7.0}
    assert {q.words for q in records.of(Quarantined)} == {"CatalogueError: 3 values for 2 instruments"}


async def test_f28_packed_fragmented_and_large_frames_are_read_and_bombs_are_not() -> None:
    """gzip with pings inside, fragments, megabytes; past a cap a frame is quarantined; heartbeats do not wait."""

    def packed(**frame: Any) -> bytes:
        return gzip.compress(json.dumps(frame).encode())

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.ws.send(packed(kind="ping", n=7))
        await peer.ws.send(packed(kind="snap", symbol="BTC", oi=1.0, mark=10))
        text = json.dumps({"kind": "snap", "symbol": "BTC", "oi": 1.1, "mark": 10})
        await peer.ws.send([text[:9], text[9:20], text[20:]])
        await peer.ws.send(gzip.compress(b" " * (17 * 2**20)))
        await peer.ws.send(packed(kind="snap", symbol="BTC", oi=1.2, mark=10, words="x" * 5_000_000))
        await peer.send(kind="snap", symbol="BTC", oi=1.3, mark=10, words="y" * 5_000_000)
        await peer.listen()

    exchange = Exchange(talk)
    socket = replace(SOCKET, decode=unpacked(wire(Frame)), cadence=None)
    async with collecting(exchange, venue(socket)) as records:
        await records.until(lambda: len(records.readings()) == 4)
        heard = exchange.peers[0].heard
        await records.until(lambda: {"pong": 7} in heard and {"op": "ping"} in heard)
        assert records.gaps() == []
    assert [r.raw for r in records.readings()] == [1.0, 1.1, 1.2, 1.3]
    (bomb,) = records.of(Quarantined)
    assert bomb.words == f"ValueError: a frame unpacks to more than {16 * 2**20} bytes"
    assert len(bomb.raw) <= 2000
    assert len(exchange.dials) == 1


async def test_f29_numbers_that_are_odd_and_numbers_that_are_none() -> None:
    """`3E-7` is a number; NaN and less than zero are no open interest; names of digits stay texts."""
    name = "9007199254740993"  # 2**53 + 1

    async def talk(peer: Peer) -> None:
        await peer.take()
        for oi in ("3E-7", "-5", "NaN"):
            await peer.snap(name, oi)
        await peer.ws.send(f'{{"kind": "snap", "symbol": "{name}", "oi": NaN, "mark": 1}}')
        await peer.snap(name, 3.1e-7)
        await peer.listen()

    async with collecting(Exchange(talk, [(name, "BTC")])) as records:
        await records.until(lambda: len(records.readings(name)) == 2)
    assert [(r.raw, r.instrument.symbol) for r in records.readings(name)] == [(3e-7, name), (3.1e-7, name)]
    kept = [(q.check, q.raw) for q in records.of(Quarantined)]
    assert [check for check, _ in kept] == ["not_positive", "not_finite", "unreadable"]
    assert kept[0][1] == "-5.0"


async def test_what_a_jump_is_and_how_long_it_waits_is_of_the_whole_run() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        for oi in (100.0, 150.0, 300.0, 301.0, 302.0, 303.0):
            await peer.snap(oi=oi)
        await peer.listen()

    wanted = Collecting(assets=None, jump=0.5)
    async with collecting(Exchange(talk), collecting=wanted) as records:
        await records.until(lambda: records.readings() and records.readings()[-1].raw == 303.0)
    told = [(r.raw, bool(r.flags & Flag.CONFIRMED_JUMP)) for r in records.readings()]
    assert told == [(100.0, False), (150.0, False), (300.0, True), (301.0, True), (302.0, True), (303.0, False)]


async def test_f29_f35_a_forced_close_that_cannot_be_is_set_aside_and_a_time_from_the_future_is_ours() -> None:
    """Nothing is stored of NaN, zero, less than zero or of another age; one told late keeps its time."""

    def deaths(frame: Frame) -> list[Said]:
        if frame.kind != "sold":
            return []
        assert frame.mark is not None
        size, price = float(frame.oi or 0), float(frame.mark)
        return [Liquidated("BTC", frame.ts, Side.LONG, size, Unit.BASE, price, FeedClass.FULL)]

    async def talk(peer: Peer) -> None:
        await peer.take()
        now, day = exchange.clock.ms(), 86_400_000
        for size, price, ts in (
            ("NaN", 50.0, now), (-3.0, 50.0, now), (0, 50.0, now), (3.0, "inf", now), (3.0, 0, now), (1e308, 1e9, now),
            (3.0, 50.0, now // 1000), (3.0, 50.0, now * 1000), (4.0, 50.0, now - 3 * day), (5.0, 50.0, now + 59_000),
        ):  # fmt: skip
            await peer.send(kind="sold", oi=size, mark=price, ts=ts)
        await peer.listen()

    exchange = Exchange(talk)
    toy = venue(replace(SOCKET, gives=frozenset({"liquidations"}), parse=deaths, cadence=None))
    async with collecting(exchange, toy) as records:
        await records.until(lambda: len(records.of(Liquidation)) == 3)
    told = [(d.size, (d.ts - d.seen) / 1000) for d in records.of(Liquidation)]
    assert told == [(3.0, 0), (4.0, pytest.approx(-3 * 86_400, abs=5)), (5.0, pytest.approx(59, abs=5))]
    aside = records.of(Quarantined)
    assert {q.check for q in aside} == {"forced_close"}
    assert [q.words.split()[1] for q in aside] == ["size"] * 5 + ["is", "time,"]


async def test_f29_an_index_or_a_rate_that_is_no_number_is_not_said() -> None:
    def rates(frame: Frame) -> list[Said]:
        if frame.kind != "snap":
            return []
        index, funding = (float(word) for word in frame.words.split())
        return [Update("BTC", frame.ts, float(frame.oi or 0), OI, 10.0, index, funding, 8.0)]

    async def talk(peer: Peer) -> None:
        await peer.take()
        for oi, words in ((1.0, "nan inf"), (1.1, "9.5 0.0001"), (1.2, "inf nan"), (1.3, "-1 -inf")):
            await peer.send(kind="snap", symbol="BTC", oi=oi, words=words)
        await peer.listen()

    async with collecting(Exchange(talk), venue(replace(SOCKET, parse=rates))) as records:
        await records.until(lambda: len(records.readings()) == 4)
    assert [(r.index, r.funding) for r in records.readings()] == [(None, None)] + [(9.5, 0.0001)] * 3


async def test_f25_f26_health_counts_what_could_not_be_read() -> None:
    """The count is in every health row, so that it can be seen without looking for the frames."""
    async with collecting(Exchange(flowing)) as records:
        await records.until(lambda: [h for h in records.of(Health) if h.symbol == "" and h.state == "live"])
    assert {h.unreadable for h in records.of(Health)} == {0}
