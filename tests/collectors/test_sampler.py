"""Public positions over a loopback venue: who is asked, what is kept, and what it says of the venue's own number."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from collectors.http import Http
from collectors.public import Dealt, Held, Positions
from collectors.sampler import Sampler, Sampling, says
from collectors.venue import Ask
from store.records import Event, Field, Instrument, OpenInterest, Position, Side, Source, Unit
from tests.collectors.toy import Exchange, Peer, Records, no_delays, venue

pytestmark = pytest.mark.anyio

PEPE = Instrument("toy", "main", "kPEPE", "PEPE", "USD", "USDC", base_factor=1000.0)
BTC = Instrument("toy", "main", "BTC", "BTC", "USD", "USDC")
BOTH = Field("oi", Unit.BASE, 2)
BOOK = {
    "whale": [("BTC", 400.0, 60_000.0, 50_000.0), ("kPEPE", -5.0, 0.01, None)],
    "shrimp": [("BTC", -1.0, 61_000.0, None), ("OTHER", 3.0, 1.0, None)],
    "idle": [],
}


def stated(instrument: Instrument, raw: float, mark: float) -> OpenInterest:
    base = raw / 2 * instrument.base_factor
    return OpenInterest(instrument, BOTH, 0, 0, raw, base, base * mark, mark, None, None, None, Source.STREAM, True, 0)


CURRENT = [stated(BTC, 1000.0, 60_000.0), stated(PEPE, 100.0, 0.00001)]


def held(rows: list[tuple[str, float, float, float | None]]) -> list[Held]:
    return [
        Held(s, Side.LONG if n > 0 else Side.SHORT, abs(n), Unit.BASE, entry, price, 5.0) for s, n, entry, price in rows
    ]


POSITIONS = Positions(
    "wss://toy/ws",
    lambda instruments: [{"subscribe": [i.symbol for i in instruments], "n": 1}],
    lambda frame: [Dealt(*row) for row in frame] if isinstance(frame, list) else [],
    lambda holder: Ask(f"https://toy/account/{holder}"),
    held,
    pace=0.001,
)


@asynccontextmanager
async def sampled(exchange: Exchange, **how: float) -> AsyncIterator[tuple[Sampler, Records]]:
    records = Records()
    toy = venue()
    async with exchange.open(), Http(address=exchange.address) as http, anyio.create_task_group() as tasks:
        sampler = Sampler(
            toy, toy.segments[0], POSITIONS, http, records, lambda: CURRENT,
            Sampling(**({"per_minute": 6000, "again_s": 30, "report_s": 0.05} | how)),  # type: ignore[arg-type]
            simulated=True, delays=no_delays,
        )  # fmt: skip
        tasks.start_soon(sampler.keep)
        yield sampler, records
        tasks.cancel_scope.cancel()


def accounts(exchange: Exchange) -> None:
    for name, rows in BOOK.items():
        exchange.replies[f"/account/{name}"] = lambda rows=rows: (200, {}, json.dumps(rows))


async def trading(peer: Peer) -> None:
    await peer.take()
    await peer.ws.send(json.dumps([("shrimp", "BTC", 0.1, 60_000.0), ("whale", "BTC", 3.0, 60_000.0)]))
    await peer.ws.send("not json")
    await peer.ws.send(json.dumps([("idle", "BTC", 0.01, 60_000.0), ("broken", "BTC", -1.0, 60_000.0)]))
    await peer.listen()


async def test_the_largest_are_asked_first_and_what_they_hold_is_kept() -> None:
    exchange = Exchange(trading)
    accounts(exchange)
    async with sampled(exchange) as (sampler, records):
        await records.until(lambda: len(exchange.requests) >= 3)
        await records.until(lambda: any(e.asset == "BTC" and '"holders": 2' in e.detail for e in records.of(Event)))
    asked = [path.split("?")[0] for _, path in exchange.requests]
    assert asked == ["/account/whale", "/account/shrimp", "/account/idle"]
    assert exchange.peers[0].asked == [["BTC", "kPEPE"]]
    assert [
        (p.holder, p.instrument.symbol, p.side, p.base, p.entry, p.liquidation_price, p.simulated)
        for p in records.of(Position)
    ] == [
        ("whale", "BTC", Side.LONG, 400.0, 60_000.0, 50_000.0, True),
        ("whale", "kPEPE", Side.SHORT, 5000.0, pytest.approx(0.00001), None, True),
        ("shrimp", "BTC", Side.SHORT, 1.0, 61_000.0, None, True),
    ]
    assert (sampler.unreadable, set(sampler.holders)) == (1, {"whale", "shrimp", "idle"})
    told = json.loads(next(e for e in reversed(records.of(Event)) if e.asset == "BTC").detail)
    assert (told["long"], told["short"], told["raw"], told["sides"]) == (400.0, 1.0, 1000.0, 2)
    assert told["covered"] == pytest.approx(0.401)
    assert told["says"] == "undecided"


async def test_a_lost_line_is_opened_again_and_a_failed_question_harms_nobody() -> None:
    async def cut(peer: Peer) -> None:
        if peer.place:
            await trading(peer)
        await peer.take()
        await peer.ws.send(json.dumps([("nobody", "BTC", 9.0, 60_000.0)]))

    exchange = Exchange(cut)
    accounts(exchange)
    exchange.replies["/account/nobody"] = lambda: (500, {}, "out of order")
    async with sampled(exchange) as (_, records):
        await records.until(lambda: any(p.holder == "whale" for p in records.of(Position)))
    assert len(exchange.peers) == 2


async def test_f01_f03_a_line_without_trades_is_dialled_again() -> None:
    """Whatever else it says: answers to heartbeats and what cannot be read are no trades."""

    async def mute(peer: Peer) -> None:
        if peer.place > 1:
            await trading(peer)
        await peer.take()
        if peer.place == 1:
            await peer.ws.send(json.dumps([("shrimp", "BTC", 0.1, 60_000.0)]))
        while True:
            await peer.ws.send('"here"')
            await anyio.sleep(0.05)

    exchange = Exchange(mute)
    accounts(exchange)
    async with sampled(exchange, silent_s=1.5) as (sampler, records):
        await records.until(lambda: "whale" in sampler.holders)
    assert len(exchange.dials) == 3


async def test_what_is_newly_listed_is_subscribed_too() -> None:
    exchange = Exchange(trading)
    accounts(exchange)
    sol = stated(Instrument("toy", "main", "SOL", "SOL", "USD", "USDC"), 10.0, 100.0)
    try:
        async with sampled(exchange, listed_s=0.2) as (_, records):
            await records.until(lambda: exchange.peers and exchange.peers[0].asked)
            CURRENT.append(sol)
            await records.until(lambda: len(exchange.peers) > 1 and exchange.peers[1].asked)
    finally:
        del CURRENT[2:]
    assert [peer.asked for peer in exchange.peers] == [[["BTC", "kPEPE"]], [["BTC", "kPEPE", "SOL"]]]


async def test_nothing_is_asked_when_it_is_switched_off() -> None:
    exchange = Exchange(trading)
    async with exchange.open(), Http(address=exchange.address) as http:
        toy = venue()
        with anyio.fail_after(30):
            await Sampler(
                toy, toy.segments[0], POSITIONS, http, Records(), lambda: CURRENT, Sampling(per_minute=0)
            ).keep()
    assert exchange.dials == []


def sampler(records: Records, clock: list[float], **how: float) -> Sampler:
    toy = venue()
    return Sampler(
        toy, toy.segments[0], POSITIONS, Http(), records, lambda: CURRENT, Sampling(**how),  # type: ignore[arg-type]
        clock=lambda: clock[0], now=lambda: round(clock[0] * 1000),
    )  # fmt: skip


def test_what_is_held_no_more_is_closed_and_who_holds_most_comes_first() -> None:
    records, clock = Records(), [1000.0]
    it = sampler(records, clock, again_s=10.0)
    it.hear(Dealt("whale", "BTC", 1.0, 60_000.0))
    it.hear(Dealt("trader", "BTC", 100.0, 60_000.0))
    assert it.next() == "trader"
    for name, rows in (("trader", BOOK["idle"]), ("whale", BOOK["whale"])):
        it.holders[name].asked = clock[0]
        it.take(name, json.dumps(rows).encode())
    assert it.next() is None
    clock[0] += 11
    it.hear(Dealt("trader", "BTC", 500.0, 60_000.0))  # deals much, holds nothing
    assert it.next() == "whale"
    it.take("whale", json.dumps(BOOK["whale"][:1]).encode())
    closed = next(p for p in records.of(Position) if p.base == 0)
    assert (closed.instrument, closed.side, closed.seen) == (PEPE, Side.SHORT, 1_011_000)


def test_what_was_seen_long_ago_counts_no_more() -> None:
    clock = [1000.0]
    it = sampler(Records(), clock, kept_s=60.0)
    it.take("whale", json.dumps(BOOK["whale"]).encode())
    assert {e.asset for e in it.report()} == {"BTC", "PEPE"}
    clock[0] += 61
    assert it.report() == []


def test_memory_is_bounded_and_the_large_are_remembered() -> None:
    it = sampler(Records(), [0.0], most=10)
    for n in range(11):
        it.hear(Dealt(f"{n}", "BTC", n + 1.0, 1.0))
    assert sorted(it.holders, key=int) == ["6", "7", "8", "9", "10"]


def test_two_sides_can_be_refuted_and_never_proved() -> None:
    assert says(400.0, 100.0, 1000.0) == "undecided"
    assert says(500.0, 500.0, 1000.0) == "undecided"
    assert says(100.0, 526.0, 1000.0) == "consistent_with_one"
