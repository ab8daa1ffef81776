"""Faults of order (faults.md 2, 3 and 5): replays, two connections, late answers, deltas first; over the loopback."""

from dataclasses import replace

import anyio
import pytest

from collectors.board import Board
from collectors.http import utc_ms
from collectors.venue import Update
from store.latest import Latest
from store.records import Flag, Gap, Instrument, Quarantined, Source
from tests.collectors.toy import (
    OI,
    POLL,
    QUICK,
    SOCKET,
    Exchange,
    Peer,
    Records,
    collecting,
    now_of,
    stored,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio
ROWS = "SELECT epoch_ms(ts), raw, source FROM readings ORDER BY ts, raw"


def currents(records: Records) -> list[tuple[int, float]]:
    """(ts, raw) that answers about now would have shown, after each record, without repeats."""
    latest, shown = Latest(), list[tuple[int, float]]()
    for r in records.readings():
        latest.hear(r)
        current = latest.states[r.instrument.id].current
        if not shown or shown[-1] != (current.ts, current.raw):
            shown.append((current.ts, current.raw))
    return shown


def forward(shown: list[tuple[int, float]]) -> bool:
    return shown == sorted(shown) and len(shown) == len({ts for ts, _ in shown})


async def test_f36_what_a_venue_replays_after_a_reconnect_is_stored_once_and_never_current_again() -> None:
    """The last five snapshots come again on every connection, before anything new."""
    said: list[tuple[int, float]] = []

    async def talk(peer: Peer) -> None:
        await peer.take()
        for ts, oi in said[-5:]:
            await peer.snap(oi=oi, ts=ts)
        for _ in range(8):
            said.append((exchange.clock.ms(), 1000.0 + len(said)))
            await peer.snap(oi=said[-1][1], ts=said[-1][0])
            await anyio.sleep(0.03)
        if peer.place >= 3:
            await peer.listen()

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len(said) == 32 and records.readings()[-1].raw == said[-1][1])
    assert len(records.readings()) == 32 + 3 * 5, "each replay is read"
    holes = records.holes()
    assert len(holes) == 3, "that it was replayed does not make the pause known"
    assert forward(currents(records))
    assert currents(records) == said
    with stored(records) as rows:
        assert rows(ROWS) == [(ts, oi, "stream") for ts, oi in said]
        assert rows("SELECT count(*) FROM gaps WHERE \"end\" IS NOT NULL AND reason LIKE 'down%'") == [(3,)]
    assert {r.raw for r in records.readings() if r.flags & Flag.RESYNC} == {1000.0, 1003.0, 1011.0, 1019.0}


async def test_f36_two_connections_for_one_symbol_make_the_rows_of_one() -> None:
    """While one follows the other both speak, the older one 0.1 s late: no row twice, nothing goes back."""
    said: list[tuple[int, float]] = []
    both: list[int] = []
    noticed: list[bool] = []

    async def market() -> None:
        while True:
            said.append((exchange.clock.ms(), 1000.0 + len(said) / 10))
            await anyio.sleep(0.02)

    async def talk(peer: Peer) -> None:
        await peer.take()
        late = 5 if peer.place == 0 else 0
        if peer.place == 0:
            await peer.snap("ETH", 5.0)  # never on the second: the handover takes as long as it may
        place = max(0, len(said) - late)
        while peer.ws.close_code is None:
            while place < len(said) - late:
                await peer.snap("BTC", said[place][1], ts=said[place][0])
                place += 1
            both.append(peer.place)
            if place >= 20 and peer.place == 0 and not noticed:
                noticed.append(True)
                await peer.send(kind="notice", words="an upgrade soon")
            await anyio.sleep(0.01)

    exchange = Exchange(talk, [("BTC", "BTC"), ("ETH", "ETH")])
    async with collecting(exchange, rhythm=replace(QUICK, handover=0.5)) as records, anyio.create_task_group() as tasks:
        tasks.start_soon(market)
        await records.until(lambda: len(exchange.peers) == 2 and exchange.peers[0].ws.close_code is not None)
        newest = said[-1][1]
        await records.until(lambda: records.readings()[-1].raw > newest)
        tasks.cancel_scope.cancel()
        assert records.gaps("BTC") == []
    turn = both.index(1)
    assert both[turn:].count(0) > 10, "both spoke for a while"
    assert len(records.readings()) > len({r.raw for r in records.readings()}), "and said the same twice"
    assert forward(currents(records))
    with stored(records) as rows:
        found = [(ts, raw) for ts, raw, _ in rows(ROWS.replace("ORDER", "WHERE raw >= 1000 ORDER"))]
    assert found == said[said.index(found[0]) : said.index(found[0]) + len(found)], "all that was said, once, in order"


async def test_f36_rest_answers_older_than_the_stream_take_their_place_and_are_never_current() -> None:
    """Five seconds behind, as a cache is: rows of their own time, twice asked for is once stored."""
    t0: list[int] = []

    def reply() -> tuple[int, dict[str, str], str]:
        return now_of("BTC", 990.0, mark=50_000.0, ts=t0[0] - 5000)()

    async def talk(peer: Peer) -> None:
        await peer.take()
        for k in range(40):
            await peer.snap(oi=1000.0 + k, ts=exchange.clock.ms())
            await anyio.sleep(0.02)
        await peer.send(kind="delta", symbol="BTC", mark=51_000.0)  # affirms what the stream said, not what REST did
        await peer.listen()

    exchange = Exchange(talk, replies={"/oi": reply})
    t0.append(exchange.clock.ms())
    async with collecting(exchange, venue(SOCKET, POLL)) as records:
        await records.until(lambda: records.readings()[-1:] and records.readings()[-1].mark == 51_000.0)
    polled = [r for r in records.readings() if r.source is Source.POLL]
    assert len(polled) > 5
    last = records.readings()[-1]
    assert (last.raw, bool(last.flags & Flag.AFFIRMED)) == (1039.0, True)
    shown = currents(records)
    assert forward([row for row in shown if row[1] >= 1000.0])
    assert 990.0 not in [raw for _, raw in shown[1:]], "unless nothing else was known yet"
    with stored(records) as rows:
        found = rows(ROWS)
    assert found[0] == (t0[0] - 5000, 990.0, "poll")
    assert [raw for _, raw, source in found if source == "stream"][:40] == [1000.0 + k for k in range(40)]
    assert len([1 for _, _, source in found if source == "poll"]) == 1


@pytest.mark.parametrize("states", ["snapshot", "delta"])
async def test_f21_a_delta_that_states_the_field_itself_is_as_good_as_a_snapshot(states: str) -> None:
    """Until one of the two comes nothing is emitted on the new connection, though the market goes on; it is a gap."""
    quiet = 0.3

    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place == 0:
            await peer.snap(oi=10.0, mark=100.0)
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.listen)
            for k in range(15):
                await peer.send(kind="delta", symbol="BTC", mark=101.0 + k)
                await anyio.sleep(quiet / 15)
            await peer.send(kind="snap" if states == "snapshot" else "delta", symbol="BTC", oi=11.0, mark=200.0)
            await peer.send(kind="delta", symbol="BTC", mark=210.0)

    async with collecting(Exchange(talk)) as records:
        await records.until(lambda: len(records.readings()) == 3)
    assert [(r.raw, r.mark, r.flags & ~Flag.RECEIVE_TIME) for r in records.readings()] == [
        (10.0, 100.0, Flag.RESYNC),
        (11.0, 200.0, Flag.RESYNC),
        (11.0, 210.0, Flag.AFFIRMED),
    ]
    (gap,) = records.holes()
    assert gap.end is not None
    assert gap.end - gap.start >= 1000 * quiet - 50, "marks alone do not end it"
    assert records.of(Quarantined) == []


async def test_f18_on_every_connection_what_is_wanted_then_is_subscribed_once() -> None:
    """A symbol delisted and one listed between two connections: the set is made anew; who was delisted is no gap."""

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.flow, *peer.asked[0])
            tasks.start_soon(peer.listen)

    exchange = Exchange(talk, [("A", "A"), ("B", "B")])
    async with collecting(exchange, rhythm=replace(QUICK, catalogue=0.2)) as records:
        await records.until(lambda: records.readings("A") and records.readings("B"))
        exchange.listed = [("A", "A"), ("C", "C")]
        await records.until(lambda: records.readings("C") and records.states("B")[-1] == "closed")
        old = list(exchange.peers)
        for peer in old:
            peer.ws.transport.abort()
        await records.until(lambda: records.holes("A") and records.holes("C"))
        seen = len(records.readings("A"))
        await records.until(lambda: len(records.readings("A")) > seen + 10)
        assert records.gaps("B") == []
    assert sorted(peer.asked for peer in old) == [[["A", "B"]], [["C"]]]
    assert sorted(peer.asked for peer in exchange.peers[len(old) :]) == [[["A"]], [["C"]]]
    assert [len([g for g in records.of(Gap) if g.symbol == s and g.end is not None]) for s in "ABC"] == [1, 0, 1]


async def test_f36_a_late_row_takes_its_place_and_replaces_nothing() -> None:
    now = utc_ms()

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=10.0, mark=100.0, ts=now)
        await peer.snap(oi=9.5, mark=90.0, ts=now - 5000)  # a replay
        await peer.snap(oi=10.0, mark=100.0, ts=now)  # the same again
        await peer.send(kind="delta", symbol="BTC", mark=200.0, ts=now + 1)
        await peer.listen()

    async with collecting(Exchange(talk)) as records:
        await records.until(lambda: len(records.readings()) == 4)
    assert [(r.ts, r.raw, r.mark) for r in records.readings()] == [
        (now, 10.0, 100.0),
        (now - 5000, 9.5, 90.0),
        (now, 10.0, 100.0),
        (now, 10.0, 200.0),
    ]


def test_f36_a_rest_answer_older_than_the_stream_does_not_replace_it() -> None:
    board = Board([Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")])
    board.apply(Update("BTC", 100_000, 10.0, OI, mark=100.0), 100_000)
    late = board.apply(Update("BTC", 95_000, 9.0, OI), 100_100, Source.POLL)
    assert late is not None
    assert (late.ts, late.raw, late.source) == (95_000, 9.0, Source.POLL)
    affirmed = board.apply(Update("BTC", 100_200, mark=200.0, affirms=True), 100_200)
    assert affirmed is not None
    assert (affirmed.ts, affirmed.raw) == (100_000, 10.0)
