"""Faults of meaning (faults.md 4): multipliers, impossible values, rates and sides, over the loopback."""

import json
from dataclasses import replace
from typing import Any

import anyio
import pytest

from collectors.http import utc_ms
from collectors.supervisor import Collecting
from collectors.venue import Liquidated, Said, Segment, Update, Venue
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
    flowing,
    now_of,
    one_gap,
    spared,
    stored,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio
CONTRACTS = Field("n", Unit.CONTRACTS)


@pytest.mark.parametrize(
    ("unit", "payoff", "size", "sides", "base", "usd"),
    [
        (Unit.CONTRACTS, Payoff.LINEAR, 0.01, 1, 2.0, 100_000.0),
        (Unit.CONTRACTS, Payoff.LINEAR, 0.01, 2, 1.0, 50_000.0),
        (Unit.CONTRACTS, Payoff.INVERSE, 100.0, 1, 0.4, 20_000.0),
        (Unit.BASE, Payoff.LINEAR, 1.0, 1, 200.0, 10_000_000.0),
        (Unit.USD, Payoff.INVERSE, 1.0, 2, 0.002, 100.0),
    ],
)
async def test_f30_contracts_coins_and_dollars(
    unit: Unit, payoff: Payoff, size: float, sides: int, base: float, usd: float
) -> None:
    """200 of something: the raw value, its unit and the sides it counts are stored with what we make of it."""
    field = Field("oi", unit, sides)

    def says(frame: Frame) -> list[Said]:
        return [Update("BTC", frame.ts, 200.0, field, mark=50_000.0)] if frame.kind == "snap" else []

    def listed(_: object) -> list[Instrument]:
        return [Instrument("toy", "main", "BTC", "BTC", "USD", "USD", payoff=payoff, contract_size=size)]

    async with collecting(Exchange(flowing), listing(venue(replace(SOCKET, parse=says)), listed)) as records:
        await records.until(records.readings)
        assert records.gaps() == []
    with stored(records) as rows:
        (row, *_) = rows("SELECT raw, unit, sides, base, usd, mark FROM readings")
        assert rows("SELECT payoff, contract_size FROM instruments") == [(payoff, size)]
        assert rows("SELECT DISTINCT field, unit, sides FROM side_registry") == [("oi", unit, sides)]
    assert row[:3] == (200.0, unit, sides)
    assert row[3:] == pytest.approx((base, usd, 50_000.0))


@pytest.mark.parametrize("how", ["socket", "poll"])
async def test_f30_without_a_known_multiplier_there_is_no_dollar_figure(how: str) -> None:
    """A contract that pays in bitcoin is worth nothing we could state until somebody says what bitcoin is worth.

    Until then it is not live, and a gap.
    """
    worth: dict[str, tuple[float, int]] = {}

    def says(frame: Frame) -> list[Said]:
        return [Update("ETHUSD", frame.ts, 5_000.0, CONTRACTS, mark=3_000.0)] if frame.kind == "snap" else []

    def listed(_: object) -> list[Instrument]:
        return [Instrument("toy", "main", "ETHUSD", "ETH", "USD", "BTC", payoff=Payoff.QUANTO, contract_size=1e-6)]

    async def talk(peer: Peer) -> None:
        await peer.take()
        while True:
            await peer.snap("ETHUSD")
            await anyio.sleep(0.03)

    exchange = Exchange(talk, replies={"/oi": now_of("ETHUSD", 5_000.0)})
    poll = replace(POLL, parse=lambda frames: [said for frame in frames for said in says(frame)])
    quanto = listing(venue(replace(SOCKET, parse=says) if how == "socket" else poll), listed)
    async with collecting(exchange, quanto, worth=lambda coin: worth.get(coin)) as records:
        await records.until(lambda: "stale" in records.states("ETHUSD"))
        assert records.states("ETHUSD") == ["connecting", "stale"], "what it states proves nothing"
        assert records.readings("ETHUSD") == []
        (gap,) = records.gaps("ETHUSD")
        assert (gap.end, gap.reason) == (None, "stale: waiting for the price of BTC")
        health = next(h for h in records.of(Health) if h.symbol and h.state == "stale")
        assert (health.detail, health.last_seen) == ("waiting for the price of BTC", None)
        worth["BTC"] = (60_000.0, exchange.clock.ms())
        await records.until(lambda: records.states("ETHUSD")[-1] == "live" and records.readings("ETHUSD"))
        assert [one.end is None for one in records.gaps("ETHUSD")] == [True, False]
        worth.clear()
        await records.until(lambda: len(records.gaps("ETHUSD")) == 3)
        assert records.states("ETHUSD")[-1] == "stale"
    first = records.readings("ETHUSD")[0]
    assert first.usd == pytest.approx(5_000 * 1e-6 * 3_000 * 60_000)
    assert first.base == pytest.approx(5_000 * 1e-6 * 60_000)


def listing(toy: Venue, read: Any, decode: Any = json.loads) -> Venue:
    """The toy with a catalogue of another shape."""
    segment: Segment = replace(toy.segments[0], read=read, decode=decode)
    return replace(toy, segments=(segment,))


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
