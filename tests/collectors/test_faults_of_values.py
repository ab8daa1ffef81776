"""Faults of values and silences (faults.md 1 and 4): what is doubted, what a rate is of, who is asked."""

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import pytest

from collectors.venue import Said, Update
from store.latest import Latest
from store.records import Event, Flag, Health, Instrument, Quarantined, Source
from tests.collectors.toy import (
    OI,
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
    stored,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio


def totals(records: Records) -> list[float]:
    """The sum over all instruments [coins], as answers about now would have told it after each reading."""
    latest, told = Latest(), list[float]()
    for r in records.all:
        if hasattr(r, "raw") and hasattr(r, "base"):
            latest.hear(r)
            told.append(sum(state.current.base for state in latest.snapshot("BTC")))
    return told


async def test_f32_an_impossible_value_is_in_no_sum_and_is_never_lost() -> None:
    """Zero, a millionth, a million times, and less than zero, among good ones of two contracts."""
    impossible = (0, 1e-3, 1e9, -5.0)

    async def talk(peer: Peer) -> None:
        await peer.take()
        for k in range(12):
            await peer.snap("A", 1000.0 + k, ts=exchange.clock.ms())
            await peer.snap("B", 500.0, ts=exchange.clock.ms())
            if k % 3 == 2:
                await peer.snap("A", impossible[k // 3], ts=exchange.clock.ms())
            await anyio.sleep(0.01)
        await peer.listen()

    exchange = Exchange(talk, [("A", "BTC"), ("B", "BTC")])
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.readings("A")) == 12 and len(records.of(Quarantined)) == 4)
        await records.until(lambda: len(records.readings("B")) == 12)
        assert records.gaps("A") == [], "too short for one"
    assert [r.raw for r in records.readings("A")] == [1000.0 + k for k in range(12)]
    assert set(totals(records)[1:]) == {1500.0 + k for k in range(12)}
    with stored(records) as rows:
        assert rows('SELECT "check", raw FROM quarantine ORDER BY seen') == [
            ("not_positive", "0.0"), ("magnitude", "0.001"), ("magnitude", "1000000000.0"), ("not_positive", "-5.0"),
        ]  # fmt: skip
        assert rows("SELECT min(raw), max(raw) FROM readings") == [(500.0, 1011.0)]


@pytest.mark.parametrize("agrees", [True, False])
async def test_f32_a_value_out_of_proportion_counts_only_if_a_second_source_says_so(agrees: bool) -> None:
    """Fifty thousand times as much, from one moment on: REST decides; meanwhile the old value stands."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=100.0)
        await peer.flow(oi=5e6)

    exchange = Exchange(talk, replies={"/oi/BTC": now_of("BTC", 5.001e6 if agrees else 100.5)})
    patience, rhythm = replace(SHORT, symbol=30.0), replace(QUICK, spare=0.3)
    async with collecting(exchange, spared(), patience=patience, rhythm=rhythm) as records:
        if agrees:
            await records.until(lambda: len(records.readings()) > 6)
        else:
            await records.until(lambda: [q for q in records.of(Quarantined) if q.check == "magnitude"])
        assert [path.partition("?")[0] for _, path in exchange.requests if path.startswith("/oi")][:1] == ["/oi/BTC"]
    held = [q for q in records.of(Quarantined) if q.check == "held"]
    assert held[0].words.startswith("5e+04 times the last: held until REST says the same")
    if agrees:
        first, *passed = records.readings()
        assert (first.raw, passed[0].raw) == (100.0, 5e6)
        assert [bool(r.flags & Flag.CONFIRMED_JUMP) for r in passed[:4]] == [True, True, True, False]
    else:
        assert [r.raw for r in records.readings()] == [100.0]
        assert {q.raw for q in records.of(Quarantined)} >= {"5000000.0", "5000001.0"}


async def test_f33_an_interval_that_changes_for_one_symbol_is_stored_from_then_on_with_the_kind_of_rate() -> None:
    """A goes from eight hours to one, as the catalogue says it; B's rate is the settled one, every four hours."""
    hours = {"A": 8.0, "B": 4.0}

    def listed(rows: list[dict[str, Any]]) -> Iterable[Instrument]:
        for row in rows:
            kind = "settled" if row["symbol"] == "B" else "current"
            yield Instrument(
                "toy", "main", row["symbol"], row["symbol"], "USDT", "USDT",
                funding_interval_h=row["hours"], funding_kind=kind,
            )  # fmt: skip

    def rates(frame: Frame) -> list[Said]:
        known = isinstance(frame.oi, float)
        return [Update(frame.symbol, frame.ts, frame.oi, OI, 10.0, None, 0.0001)] if known else []  # type: ignore[arg-type]

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.flow("A", "B")

    exchange = Exchange(talk)
    exchange.replies["/catalogue"] = lambda: (
        200, {}, json.dumps([{"symbol": symbol, "hours": each} for symbol, each in hours.items()])
    )  # fmt: skip
    toy = venue(replace(SOCKET, parse=rates))
    (segment,) = toy.segments
    toy = replace(toy, segments=(replace(segment, read=listed, decode=json.loads),))
    async with collecting(exchange, toy, rhythm=replace(QUICK, catalogue=0.2)) as records:
        await records.until(lambda: len(records.readings("A")) > 3)
        hours["A"] = 1.0
        await records.until(lambda: records.readings("A")[-1].funding_interval_h == 1.0)
        count = len(records.readings("B"))
        await records.until(lambda: len(records.readings("B")) > count + 3)
    intervals = [r.funding_interval_h for r in records.readings("A")]
    turn = intervals.index(1.0)
    assert intervals == [8.0] * turn + [1.0] * (len(intervals) - turn)
    assert {r.funding_interval_h for r in records.readings("B")} == {4.0}
    with stored(records) as rows:
        assert rows("SELECT symbol, funding_interval_h, funding_kind FROM instruments ORDER BY symbol, known_at") == [
            ("A", 8.0, "current"), ("A", 1.0, "current"), ("B", 4.0, "settled"),
        ]  # fmt: skip
        assert rows(
            "SELECT DISTINCT symbol, r.funding, r.funding_interval_h FROM readings r "
            "JOIN instruments USING (instrument_id) ORDER BY ALL"
        ) == [("A", 0.0001, 1.0), ("A", 0.0001, 8.0), ("B", 0.0001, 4.0)]  # fmt: skip


async def test_f05_a_quiet_symbol_is_asked_for_again_then_over_rest_and_the_line_of_the_others_stays() -> None:
    """Its age is told while it is stale; REST's answer ends the gap; nothing heavier is done."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap("ETH", 5.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(peer.flow, "BTC"))
            tasks.start_soon(peer.listen)

    exchange = Exchange(talk, [("BTC", "BTC"), ("ETH", "ETH")], replies={"/oi/ETH": now_of("ETH", 5.5, mark=1.0)})
    async with collecting(exchange, spared(), rhythm=replace(QUICK, spare=0.5, report=0.1)) as records:
        asked = await records.until(lambda: [at for at, path in exchange.requests if path.startswith("/oi")])
        again = len(exchange.peers[0].asked)
        await records.until(lambda: records.holes("ETH"))
        (gap,) = records.holes("ETH")
        assert records.gaps("BTC") == []
    assert again >= 2, "subscribed again before it was asked for"
    assert exchange.peers[0].asked[1] == ["ETH"]
    assert gap.reason.startswith("stale: silent for")
    stale = [h for h in records.of(Health) if (h.symbol, h.state) == ("ETH", "stale")]
    assert stale
    assert all(h.last_seen == stale[0].last_seen or abs(h.last_seen - gap.start) <= 25 for h in stale)
    assert stale[-1].ts - stale[-1].last_seen >= 500, "ms: three cadences and the margin"
    assert [(r.raw, r.source) for r in records.readings("ETH")][:2] == [(5.0, Source.STREAM), (5.5, Source.POLL)]
    assert asked
    assert len(exchange.dials) == 1


async def test_f06_who_may_be_silent_is_probed_and_given_up_when_no_probe_comes_back() -> None:
    """Only changes are sent, and none comes: pings prove the line; a peer that answers none of them is dead."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=1.0 + peer.place / 10)
        if peer.place == 0:
            await dead.wait()
            peer.ws.transport.pause_reading()
        await peer.listen()

    dead = anyio.Event()
    exchange = Exchange(talk)
    async with collecting(exchange, venue(replace(SOCKET, cadence=None, heartbeat=None))) as records:
        await records.until(records.readings)
        quiet = exchange.clock() + 1.0  # five probes
        await records.until(lambda: exchange.clock() > quiet)
        assert len(exchange.dials) == 1
        dead.set()
        at = exchange.clock.ms()
        await records.until(lambda: len(records.gaps()) == 2)
    _, gap, *_ = records.gaps()
    assert "keepalive ping timeout" in gap.reason
    assert gap.end is not None
    assert gap.end - at < 1500
    assert gap.start >= at - 300, "until the last pong the line was whole"
    assert [r.raw for r in records.readings()] == [1.0, 1.1]
    assert records.of(Event) == []
