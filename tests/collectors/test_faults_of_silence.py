"""Faults of lines that say nothing (faults.md 1): mute, deaf, stalled, quiet and frozen ones, over the loopback."""

import socket
from dataclasses import replace

import anyio
import pytest

from collectors.venue import Venue
from store.records import Flag, Health, Source
from tests.collectors.toy import (
    POLL,
    QUICK,
    SHORT,
    SOCKET,
    Exchange,
    Peer,
    collecting,
    flowing,
    now_of,
    one_gap,
    spared,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio


async def test_f01_acked_but_mute_is_subscribed_again_then_dialled_again() -> None:
    async def talk(peer: Peer) -> None:
        if peer.place > 0:
            await flowing(peer)
        while True:
            await peer.take()

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: records.readings() and len(records.gaps()) == 2)
    assert exchange.peers[0].asked == [["BTC"], ["BTC"]]
    opened, _ = one_gap(records)
    assert opened.reason.startswith("mute: no data")
    assert "1 of 1 symbols acknowledged" in opened.reason
    assert records.states()[:3] == ["connecting", "mute", "live"]
    assert len(exchange.dials) == 2


async def test_f01_who_stays_mute_is_asked_for_over_rest_and_goes_on_being_mute() -> None:
    """The reading is polled, its mark borrowed where none is stated; the gap ends; the socket is tried again."""
    speak = anyio.Event()

    async def talk(peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.flow, "BTC")
            tasks.start_soon(peer.listen)
            await speak.wait()
            await peer.flow("ETH", oi=9.0)

    exchange = Exchange(talk, [("BTC", "BTC"), ("ETH", "ETH")])
    exchange.replies["/oi/ETH"] = now_of("ETH", 7.0)
    rhythm, worth = replace(QUICK, spare=0.3), {"ETH": (3000.0, exchange.clock.ms())}.get
    async with collecting(exchange, spared(), rhythm=rhythm, worth=worth) as records:
        await records.until(lambda: len(records.readings("ETH")) >= 2)
        opened, ended = one_gap(records, "ETH")
        (told,) = [h for h in records.of(Health) if h.symbol == "ETH"][-1:]
        assert (told.state, told.cadence_s) == ("mute", 0.3)
        assert told.detail.endswith("; asked over REST instead")
        asked = sum(len(peer.asked) for peer in exchange.peers)
        await records.until(lambda: sum(len(p.asked) for p in exchange.peers) > asked)  # the socket is not given up
        assert len(records.gaps("ETH")) == 2
        speak.set()
        await records.until(lambda: records.readings("ETH")[-1].raw >= 9.0)
        await records.until(lambda: records.states("ETH")[-1] == "live")
        questions = len([path for _, path in exchange.requests if path.startswith("/oi")])
        later = exchange.clock() + 1.0
        await records.until(lambda: exchange.clock() > later)
        assert len([path for _, path in exchange.requests if path.startswith("/oi")]) == questions
    assert opened.reason.startswith("mute")
    assert ended.end is not None
    assert abs(ended.end - records.readings("ETH")[0].seen) <= 5
    first = records.readings("ETH")[0]
    assert (first.raw, first.usd, first.source) == (7.0, 21_000.0, Source.POLL)
    assert first.flags & Flag.BORROWED_MARK
    assert records.readings("ETH")[-1].source is Source.STREAM
    assert {r.source for r in records.readings("BTC")} == {Source.STREAM}
    assert {path.partition("?")[0] for _, path in exchange.requests if path.startswith("/oi")} == {"/oi/ETH"}


async def test_f01_who_is_left_out_of_a_question_for_all_is_asked_for_alone() -> None:
    """One question states all contracts, until the venue ends it; its other question is about one of them."""
    replies = [now_of("BTC", 6.0, mark=100.0)]
    exchange = Exchange(Peer.listen)
    exchange.replies["/oi"] = lambda: replies[-1]()
    exchange.replies["/oi/BTC"] = now_of("BTC", 7.0, mark=100.0)
    async with collecting(exchange, spared(POLL), rhythm=replace(QUICK, spare=0.3)) as records:
        await records.until(lambda: records.states()[-1:] == ["live"])
        assert [path for _, path in exchange.requests if path.startswith("/oi/")] == []
        replies.append(lambda: (404, {}, "gone"))
        await records.until(lambda: records.readings()[-1].raw == 7.0)
        opened, ended = one_gap(records)
        (told,) = records.of(Health)[-1:]
        assert (opened.reason.partition(":")[0], ended.end) == ("down", records.readings()[-1].seen)
        assert (records.states()[-1], told.detail.endswith("; asked over REST instead")) == ("mute", True)
        replies.append(now_of("BTC", 8.0, mark=100.0))
        await records.until(lambda: records.states()[-1] == "live" and records.readings()[-1].raw == 8.0)


async def test_f01_an_answer_that_ends_is_a_gap_again() -> None:
    """From the last answer on; a venue that does not answer over REST either is asked with the backoff."""
    answers = [now_of("BTC", 7.0, mark=100.0)]

    async def talk(peer: Peer) -> None:
        await peer.listen()  # deaf: not even an acknowledgement

    exchange = Exchange(talk)
    exchange.replies["/oi/BTC"] = lambda: answers.pop()() if answers else (500, {}, "down")
    async with collecting(exchange, spared(), rhythm=replace(QUICK, spare=0.3)) as records:
        await records.until(lambda: len(records.gaps()) >= 3)
    first, ended, second = records.gaps()[:3]
    (reading,) = records.readings()
    assert (reading.raw, reading.usd, reading.source) == (7.0, 700.0, Source.POLL)
    assert (first.end, second.end) == (None, None)
    assert ended.start == first.start
    assert abs(second.start - reading.seen) <= 5
    assert "live" not in records.states()


async def test_f01_a_line_that_opened_and_said_nothing_proves_nothing() -> None:
    """The gap begins with the last answer, not with the last dial: nothing was known between them."""
    answers = [now_of("BTC", 7.0, mark=100.0)]

    async def talk(peer: Peer) -> None:
        await peer.listen()

    exchange = Exchange(talk)
    exchange.replies["/oi/BTC"] = lambda: answers.pop()()
    with socket.create_server(("127.0.0.1", 0)) as nobody:  # takes the second question and never answers

        def address(at: Venue, url: str) -> str:
            real = exchange.address(at, url)
            return real if answers or "/oi/" not in url else f"http://127.0.0.1:{nobody.getsockname()[1]}/"

        async with collecting(exchange, spared(), rhythm=replace(QUICK, spare=0.3), address=address) as records:
            await records.until(lambda: len(records.gaps()) >= 3)
    (reading,) = records.readings()
    assert abs(records.gaps()[2].start - reading.seen) <= 5


async def test_f02_deaf_from_the_start_is_noticed_from_the_handshake() -> None:
    async def talk(peer: Peer) -> None:
        if peer.place == 0:
            await peer.ws.wait_closed()  # protocol pings are answered, nothing else is
        else:
            await flowing(peer)

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.gaps()) == 2)
    opened, _ = one_gap(records)
    assert "not even an acknowledgement" in opened.reason
    assert exchange.dials[1] - exchange.dials[0] < 2.0
    assert records.readings()[0].raw == 1000.0


async def test_f03_a_stall_on_an_open_socket_is_a_gap_from_the_last_data_on() -> None:
    await stall(heartbeats=False)


async def test_f04_heartbeats_do_not_make_a_stalled_line_look_alive() -> None:
    await stall(heartbeats=True)


async def stall(*, heartbeats: bool) -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place > 0:
            await peer.flow()
        await peer.snap(oi=1000.0)
        while heartbeats:
            await peer.send(kind="pong")
            await anyio.sleep(0.01)
        await peer.ws.wait_closed()

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.gaps()) == 2)
    opened, ended = one_gap(records)
    first, second = records.readings()[:2]
    assert opened.reason.startswith("stale: no data for")
    assert abs(opened.start - first.seen) <= 5  # the last moment we knew
    assert ended.end is not None
    assert abs(ended.end - second.seen) <= 5
    assert second.flags & Flag.RESYNC
    limit = 2 * 0.1 + 0.2
    assert limit <= (second.seen - first.seen) / 1000 < limit + 1.0


async def test_f05_one_quiet_symbol_is_subscribed_again_on_the_same_connection() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap("ETH", 5.0)

        async def again() -> None:
            await peer.take()
            await peer.flow("ETH", oi=6.0)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.flow)
            tasks.start_soon(again)

    exchange = Exchange(talk, [("BTC", "BTC"), ("ETH", "ETH")])
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.gaps("ETH")) == 2)
    assert exchange.peers[0].asked[:2] == [["BTC", "ETH"], ["ETH"]]
    assert len(exchange.dials) == 1
    opened, _ = one_gap(records, "ETH")
    assert opened.reason.startswith("stale: silent for")
    assert records.states("ETH")[:4] == ["connecting", "live", "stale", "live"]
    assert [r.raw for r in records.readings("ETH")[:2]] == [5.0, 6.0]
    assert records.gaps("BTC") == [] or records.gaps("BTC")[0].reason == "closed: stopped"


async def test_f05_marks_do_not_make_a_silent_open_interest_look_alive() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=5.0)

        async def marks() -> None:
            while True:
                await peer.send(kind="snap", symbol="BTC", mark=50_000.0)
                await anyio.sleep(0.02)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(marks)
            await peer.take()
            await peer.snap(oi=6.0)
            await peer.listen()

    exchange = Exchange(talk)
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.gaps()) == 2)
    assert [r.raw for r in records.readings()] == [5.0, 6.0]
    opened, ended = one_gap(records)
    assert opened.reason.startswith("stale: silent for")
    assert abs(opened.start - records.readings()[0].seen) <= 5
    assert ended.end is not None
    assert ended.end - opened.start >= 500  # three cadences and the margin
    assert len(exchange.dials) == 1


async def test_f06_a_channel_that_only_sends_changes_is_not_torn_down() -> None:
    speak = anyio.Event()

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=1.0)
        await speak.wait()
        await peer.snap(oi=1.1)
        await peer.listen()

    exchange = Exchange(talk)
    patience = replace(SHORT, probe=0.6)
    async with collecting(exchange, venue(replace(SOCKET, cadence=None, heartbeat=None)), patience=patience) as records:
        await records.until(lambda: records.readings())
        quiet = exchange.clock() + 1.2  # three times what a silent feed is allowed, two pings
        await records.until(lambda: exchange.clock() > quiet)
        speak.set()
        await records.until(lambda: len(records.readings()) == 2)
        assert records.gaps() == []
    assert len(exchange.dials) == 1


async def test_f06_a_quiet_coin_has_its_own_patience_and_a_line_of_a_major_coin_a_shorter_one() -> None:
    stop = anyio.Event()

    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap("RARE", 5.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.flow)
            if peer.place == 0:
                await stop.wait()
                tasks.cancel_scope.cancel()
        await peer.listen()

    exchange = Exchange(talk, [("BTC", "BTC"), ("RARE", "RARE")])
    async with collecting(exchange, venue(replace(SOCKET, cadence=2.0, line=0.1))) as records:
        await records.until(lambda: len(records.readings()) > 3 and records.readings("RARE"))
        quiet = exchange.clock() + 1.0  # more than twice what the major coin is allowed
        await records.until(lambda: exchange.clock() > quiet)
        assert (records.gaps(), exchange.peers[0].asked) == ([], [["BTC", "RARE"]])
        stop.set()
        stopped = exchange.clock()
        await records.until(lambda: len(exchange.dials) == 2)
        assert exchange.clock() - stopped < 2.0, "after two of the line's 0.1 s and the margin, not two of 2 s"


async def test_f07_a_frozen_peer_is_aborted_and_dialled_again_within_a_second() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        if peer.place > 0:
            await peer.flow()
        await peer.snap()
        peer.ws.transport.pause_reading()  # it will not see our close frame
        await peer.ws.wait_closed()

    exchange = Exchange(talk)
    decided: list[float] = []
    async with collecting(exchange, patience=replace(SHORT, farewell=0.5)) as records:
        await records.until(lambda: len(exchange.dials) == 2)
        opened = records.gaps()[0]
        decided.append(opened.start / 1000 + 2 * 0.1 + 0.2)
        dialled = exchange.clock.ms() / 1000
        await records.until(lambda: len(records.readings()) > 1)
    assert dialled - decided[0] < 1.0
    one_gap(records)


async def test_f01_whom_the_replies_never_name_is_mute() -> None:
    exchange = Exchange(flowing, [("BTC", "BTC"), ("ETH", "ETH")], replies={"/oi": now_of("BTC", 100.0, mark=1.0)})
    async with collecting(exchange, venue(POLL)) as records:
        (gap,) = await records.until(lambda: records.gaps("ETH"))
        assert gap.reason.startswith("mute: not in the replies")
        assert records.gaps("BTC") == []
        assert records.states("ETH") == ["connecting", "mute"]
