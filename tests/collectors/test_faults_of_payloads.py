"""Faults of what venues send (faults.md 3 and 4), played over a loopback socket."""

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest

from collectors.http import utc_ms
from collectors.supervisor import Collecting
from collectors.venue import CatalogueError, Liquidated, Remembering, Said, Segment, Update, Venue
from collectors.wire import among, unpacked, wire
from store.records import (
    Event,
    FeedClass,
    Field,
    Flag,
    Health,
    Instrument,
    Liquidation,
    OpenInterest,
    Payoff,
    Quarantined,
    Side,
    Source,
    Unit,
)  # fmt: skip
from tests.collectors.test_faults import flowing, one_gap
from tests.collectors.toy import (
    OI,
    POLL,
    QUICK,
    SHORT,
    SOCKET,
    Exchange,
    Frame,
    Peer,
    Records,
    collecting,
    now_of,
    spared,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio
CONTRACTS = Field("n", Unit.CONTRACTS)


def listing(toy: Venue, read: Any, decode: Any = json.loads) -> Venue:
    """The toy with a catalogue of another shape."""
    segment: Segment = replace(toy.segments[0], read=read, decode=decode)
    return replace(toy, segments=(segment,))


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


def contract(size: float) -> Instrument:
    return Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT", contract_size=size)


def counted(frame: Frame) -> list[Said]:
    return [Update("BTC", frame.ts, float(frame.oi or 0), CONTRACTS, 100.0)] if frame.kind == "snap" else []


async def test_f31_a_multiplier_that_changes_is_a_new_version_of_the_instrument_and_no_flow() -> None:
    """Ten times the contracts of a tenth the size: the step has the catalogue read, then the coins are the same."""
    size = [1.0]

    async def talk(peer: Peer) -> None:
        await peer.take()
        while True:
            await peer.snap(oi=50.0 / size[0])
            await anyio.sleep(0.02)

    toy = listing(venue(replace(SOCKET, parse=counted)), lambda sizes: [contract(s) for s in sizes])
    exchange = Exchange(talk, replies={"/catalogue": lambda: (200, {}, json.dumps(size))})
    async with collecting(exchange, toy) as records:
        await records.until(lambda: len(records.readings()) > 3)
        size[0] = 0.1
        await records.until(lambda: [r for r in records.readings() if r.raw == 500.0 and r.base == 50.0])
        place = len(records.readings())
        await records.until(lambda: len(records.readings()) > place + 3)
    assert {i.contract_size for i in records.of(Instrument)} == {1.0, 0.1}
    assert {r.base for r in records.readings()[place:]} == {50.0}


async def test_f31_a_step_by_a_power_of_ten_is_held_until_it_is_confirmed_and_then_named() -> None:
    """One such reading is never used; three are, flagged, with an event that asks for a review."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        for oi in (100.0, 1000.0, 101.0, 1010.0, 1011.0, 1012.0, 1013.0):
            await peer.snap(oi=oi)
        await peer.listen()

    async with collecting(Exchange(talk)) as records:
        await records.until(lambda: records.readings() and records.readings()[-1].raw == 1013.0)
    told = [(r.raw, bool(r.flags & Flag.CONFIRMED_JUMP)) for r in records.readings()]
    assert told == [(100.0, False), (101.0, False), (1010.0, True), (1011.0, True), (1012.0, True), (1013.0, False)]
    assert [(q.check, q.raw) for q in records.of(Quarantined)] == [("unit_or_convention_change", "1000.0")]
    (event,) = records.of(Event)
    assert event.kind == "unit_or_convention_change"
    assert json.loads(event.detail)["ratio"] == 10.0


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


def aside(records: Records) -> list[Quarantined]:
    """What was given up, without what only waits."""
    return [q for q in records.of(Quarantined) if q.check != "held"]


async def test_f31_a_step_by_a_power_of_ten_counts_only_when_rest_says_so_too() -> None:
    """Three readings agree, and are held; REST says the old level, so they are set aside; later it says the new one."""
    said = [100.5]

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=100.0)
        await peer.flow(oi=1000.0)

    exchange = Exchange(talk)
    exchange.replies["/oi/BTC"] = lambda: now_of("BTC", said[0])()
    patient = replace(SHORT, symbol=30.0)  # who waits for REST is not lost meanwhile
    async with collecting(exchange, spared(), patience=patient, rhythm=replace(QUICK, spare=0.3)) as records:
        await records.until(lambda: aside(records))
        assert [r.raw for r in records.readings()] == [100.0]
        assert len([path for _, path in exchange.requests if path.startswith("/oi")]) == 1
        said[0] = 1001.0
        await records.until(lambda: len(records.readings()) > 5)
        assert records.gaps() == []
    assert {q.check for q in aside(records)} == {"unit_or_convention_change"}
    assert aside(records)[0].raw == "1000.0"
    passed = [r for r in records.readings() if r.raw >= 1000.0]
    assert [bool(r.flags & Flag.CONFIRMED_JUMP) for r in passed[:4]] == [True, True, True, False]
    assert [event.kind for event in records.of(Event)] == ["unit_or_convention_change"]
    asked = len([path for _, path in exchange.requests if path.startswith("/oi")])
    assert asked == 2, "what was verified is not asked for again"


def said_before(oi: float, ago_s: float) -> Any:
    """What an earlier run heard last."""
    seen = utc_ms() - round(1000 * ago_s)
    was = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")
    last = OpenInterest(was, OI, seen, seen, oi, oi, oi, 1.0, None, None, None, Source.STREAM, True, 0)
    return {was.id: last}.get


async def test_f31_a_step_over_a_restart_is_held_and_asked_for_like_any_other() -> None:
    """Ten times what the store had last: REST says so too, and it counts, flagged and named."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.flow(oi=1000.0)

    exchange = Exchange(talk, replies={"/oi/BTC": now_of("BTC", 1001.0)})
    patient, asks = replace(SHORT, symbol=30.0, first=10.0), replace(QUICK, spare=0.2)
    before = said_before(100.0, 3 * 86_400)
    async with collecting(exchange, spared(), patience=patient, rhythm=asks, last=before) as records:
        await records.until(lambda: len(records.readings()) > 5)
        (event,) = records.of(Event)
    assert [path for _, path in exchange.requests if path.startswith("/oi")]
    assert (event.kind, json.loads(event.detail)["ratio"]) == ("unit_or_convention_change", 10.0)
    flags = [bool(r.flags & Flag.CONFIRMED_JUMP) for r in records.readings()]
    assert flags[:5] == [True, True, True, False, False]


@pytest.mark.parametrize(("oi", "ago_s"), [(990.0, 3600), (100.0, 8 * 86_400)], ids=["the same", "long ago"])
async def test_f31_after_a_restart_the_usual_passes_at_once_and_what_is_old_is_no_measure(
    oi: float, ago_s: float
) -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=1000.0)
        await peer.listen()

    async with collecting(Exchange(talk), last=said_before(oi, ago_s)) as records:
        first = (await records.until(records.readings))[0]
    assert (first.raw, first.flags & Flag.CONFIRMED_JUMP) == (1000.0, 0)
    assert records.of(Quarantined) == []


async def test_f31_a_step_that_rest_says_nothing_of_is_said_to_wait_and_counts_after_its_time() -> None:
    """REST never answers: the step is seen waiting, then counts by the socket's word alone, and is named."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=100.0)
        await peer.flow(oi=1000.0)

    exchange = Exchange(talk)
    exchange.replies["/oi/BTC"] = lambda: (500, {}, "down")
    wanted = Collecting(assets=None, unanswered_s=1.5)
    async with collecting(exchange, spared(), rhythm=replace(QUICK, spare=0.2), collecting=wanted) as records:
        (held,) = await records.until(lambda: records.of(Quarantined))
        assert [r.raw for r in records.readings()] == [100.0]
        await records.until(lambda: len(records.readings()) > 5 and len(records.gaps()) == 2)
    opened, _ = one_gap(records)
    assert opened.reason == "stale: what it states is refused, or waits to be confirmed"
    asked = [path for _, path in exchange.requests if path.startswith("/oi")]
    assert len(asked) > 1, "it was asked again"
    assert (held.symbol, held.check) == ("BTC", "held")
    assert held.words.startswith("10 times the last: held until REST says the same, or until ")
    first, *passed = records.readings()
    assert [r.raw for r in passed[:2]] == [1000.0, 1001.0]
    assert [bool(r.flags & Flag.CONFIRMED_JUMP) for r in passed[:4]] == [True, True, True, False]
    assert 1500 <= passed[0].seen - first.seen < 5000
    (event,) = records.of(Event)
    assert event.kind == "unit_or_convention_change"
    assert json.loads(event.detail)["confirmed_by"] == "readings, REST gave no answer"


async def test_f31_a_contract_that_was_split_is_not_asked_for() -> None:
    """The price stepped with the open interest."""
    split = anyio.Event()

    async def talk(peer: Peer) -> None:
        await peer.take()
        while not split.is_set():
            await peer.snap(oi=100.0, mark=50.0)
            await anyio.sleep(0.02)
        while True:
            await peer.snap(oi=1000.0, mark=5.0)
            await anyio.sleep(0.02)

    exchange = Exchange(talk)
    async with collecting(exchange, spared(), rhythm=replace(QUICK, spare=0.1, report=0.05)) as records:
        await records.until(lambda: len(records.readings()) > 10)
        split.set()
        await records.until(lambda: records.readings()[-1].raw == 1000.0)
    assert not [path for _, path in exchange.requests if path.startswith("/oi")]


async def test_f32_an_impossible_value_is_kept_and_not_used() -> None:
    """Zero in maintenance and a millionfold value are in quarantine with what was said; so short they make no gap."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        for oi in (100.0, 0, 0, 1e9, 102.0):
            await peer.snap(oi=oi)
        await peer.listen()

    async with collecting(Exchange(talk)) as records:
        await records.until(lambda: len(records.readings()) == 2)
        assert records.gaps() == []
    assert [r.raw for r in records.readings()] == [100.0, 102.0]
    assert [(q.check, q.raw) for q in records.of(Quarantined)] == [
        ("not_positive", "0.0"),
        ("magnitude", "1000000000.0"),
    ]


@pytest.mark.parametrize("polled", [False, True], ids=["socket", "poll"])
async def test_f32_what_is_refused_does_not_keep_the_old_reading_fresh(polled: bool) -> None:
    """Zeros after 100: `stale` after the usual limit, and a gap from the last good one to the next."""
    said = [100.0]

    async def talk(peer: Peer) -> None:
        await peer.take()
        while True:
            await peer.snap(oi=said[0])
            await anyio.sleep(0.02)

    exchange = Exchange(talk, replies={"/oi": lambda: now_of("BTC", said[0], mark=100.0)()})
    toy = venue(POLL) if polled else venue()
    async with collecting(exchange, toy, rhythm=replace(QUICK, report=0.05)) as records:
        await records.until(lambda: len(records.readings()) > 3)
        said[0] = 0.0
        (gap,) = await records.until(records.gaps)
        last = records.readings()[-1]
        assert gap.reason == "stale: what it states is refused, or waits to be confirmed"
        assert abs(gap.start - last.seen) <= 60
        place = len(records.of(Health))
        await records.until(lambda: len([h for h in records.of(Health)[place:] if h.symbol]) > 3)
        told = [h for h in records.of(Health)[place:] if h.symbol]
        assert {h.state for h in told} == {"stale"}
        assert all(abs(h.last_seen - last.seen) <= 60 for h in told), "the old reading is as old as it is"
        assert records.readings()[-1] is last
        said[0] = 101.0
        await records.until(lambda: [g for g in records.gaps() if g.end])
        await records.until(lambda: records.states()[-1] == "live")
        assert next(r.raw for r in records.readings() if r.seen > last.seen) == 101.0
        assert len([g for g in records.gaps() if not g.end]) == 1
    assert len(exchange.dials) == (0 if polled else 1), "the line itself is well"


async def test_f32_a_first_value_that_is_refused_is_no_silence() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        while True:
            await peer.snap(oi=0)
            await anyio.sleep(0.02)

    async with collecting(Exchange(talk)) as records:
        (gap,) = await records.until(records.gaps)
        assert gap.reason.startswith("stale: what it states is refused")
        assert records.states() == ["connecting", "stale"]


async def test_f32_a_jump_that_is_confirmed_in_time_is_no_gap() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        for oi in (100.0, 100.0, 100.0, 150.0, 150.0, 151.0, 152.0):
            await peer.snap(oi=oi)
            await anyio.sleep(0.05)
        await peer.flow(oi=152.0)

    async with collecting(Exchange(talk)) as records:
        await records.until(lambda: len(records.readings()) > 20)
        assert records.gaps() == []
        assert records.states() == ["connecting", "live"]
    assert [r.raw for r in records.readings() if r.flags & Flag.CONFIRMED_JUMP] == [150.0, 150.0, 151.0]


async def test_f01_whom_the_replies_never_name_is_mute() -> None:
    exchange = Exchange(flowing, [("BTC", "BTC"), ("ETH", "ETH")], replies={"/oi": now_of("BTC", 100.0, mark=1.0)})
    async with collecting(exchange, venue(POLL)) as records:
        (gap,) = await records.until(lambda: records.gaps("ETH"))
        assert gap.reason.startswith("mute: not in the replies")
        assert records.gaps("BTC") == []
        assert records.states("ETH") == ["connecting", "mute"]


async def test_f33_a_rate_is_stored_with_its_interval_which_is_the_venues_and_may_change() -> None:
    """No interval is assumed: it is unknown until the venue says it."""

    def rates(frame: Frame) -> list[Said]:
        if frame.kind != "snap":
            return []
        return [Update("BTC", frame.ts, float(frame.oi or 0), OI, 10.0, None, 0.0001, frame.n)]

    async def talk(peer: Peer) -> None:
        await peer.take()
        for oi, hours in ((1.0, None), (1.1, 8), (1.2, None), (1.3, 4)):
            await peer.send(kind="snap", symbol="BTC", oi=oi, n=hours)
        await peer.listen()

    async with collecting(Exchange(talk), venue(replace(SOCKET, parse=rates))) as records:
        await records.until(lambda: len(records.readings()) == 4)
    assert [(r.funding, r.funding_interval_h) for r in records.readings()] == [
        (0.0001, None),
        (0.0001, 8),
        (0.0001, 8),
        (0.0001, 4),
    ]


async def test_f34_the_side_is_the_position_that_died_and_a_sample_says_so() -> None:
    """One convention for all; how much of the truth a feed shows is stored with each row."""

    def deaths(frame: Frame) -> list[Said]:
        if frame.kind != "sold":  # a forced sale closes a long
            return []
        return [Liquidated("BTC", frame.ts, Side.LONG, float(frame.oi or 0), Unit.CONTRACTS, 50.0, FeedClass.THROTTLED)]

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.send(kind="sold", oi=300, ts=exchange.clock.ms())
        await peer.listen()

    exchange = Exchange(talk, replies={"/catalogue": lambda: (200, {}, "[100.0]")})
    toy = listing(
        venue(replace(SOCKET, gives=frozenset({"liquidations"}), parse=deaths, cadence=None)),
        lambda sizes: [replace(contract(s), payoff=Payoff.INVERSE) for s in sizes],
    )
    async with collecting(exchange, toy) as records:
        (death,) = await records.until(lambda: records.of(Liquidation))
    assert (death.side, death.feed, death.size, death.usd, death.base) == (
        Side.LONG,
        FeedClass.THROTTLED,
        300.0,
        30_000.0,
        600.0,
    )


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
