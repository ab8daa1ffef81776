"""Faults of faults.md, each played over a loopback socket against a made-up venue."""

import itertools
import socket
from collections.abc import Iterator
from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest

from collectors.board import Board
from collectors.feeds import backoff
from collectors.http import utc_ms
from collectors.supervisor import Collecting
from collectors.venue import Limits, Update, Venue
from store.records import Field, Flag, Gap, Health, Hold, Instrument, Payoff, Quarantined, Source, Unit
from tests.collectors.toy import (
    OI,
    POLL,
    QUICK,
    SHORT,
    SOCKET,
    Exchange,
    Peer,
    Records,
    collecting,
    no_delays,
    now_of,
    spared,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio


def one_gap(records: Records, symbol: str = "BTC") -> tuple[Gap, Gap]:
    """The gap as it opened and as it ended."""
    opened, ended = records.gaps(symbol)[:2]
    assert opened.end is None
    assert ended.end is not None
    assert (opened.start, opened.reason) == (ended.start, ended.reason)
    assert ended.end >= ended.start
    return opened, ended


async def flowing(peer: Peer) -> None:
    await peer.take()
    await peer.flow()


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


async def test_f08_accept_then_close_stays_within_the_venues_dials_and_does_not_reset_the_backoff() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.snap(oi=1000.0 + peer.place)

    begun: list[int] = []
    drawn: list[int] = []

    def delays() -> Iterator[float]:
        begun.append(1)
        while True:
            drawn.append(1)
            yield 0.0

    exchange = Exchange(talk)
    toy = venue(limits=Limits(weight=100, per=1, dials=3, dials_per=0.5))
    async with collecting(exchange, toy, delays=delays) as records:
        await records.until(lambda: len(exchange.dials) >= 8)
        starts = len(begun)
        assert len(drawn) >= 7
    dials = [at for at, path in exchange.called if path.startswith("/ws")]
    for early, late in zip(dials, dials[3:], strict=False):
        assert late - early > 0.49  # three in half a second, of any half second
    assert starts == 3  # of the segment, of the feed, of its lines: none was begun anew


async def test_f08_the_backoff_is_short_again_once_data_has_flowed_for_a_while() -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        with anyio.move_on_after(0.3):
            await peer.flow()

    begun: list[int] = []

    def delays() -> Iterator[float]:
        begun.append(1)
        yield from no_delays()

    exchange = Exchange(talk)
    async with collecting(exchange, delays=delays, rhythm=replace(QUICK, settled=0.1)) as records:
        await records.until(lambda: len(exchange.dials) >= 3)
    assert len(begun) == 2 + 2  # of the segment and of the feed, and a fresh one after either connection


async def test_f10_a_refused_handshake_with_retry_after_holds_the_whole_venue() -> None:
    limited = [True]

    def refuse() -> tuple[int, dict[str, str], str]:
        if limited:
            limited.clear()
            return 429, {"Retry-After": "1"}, "slow down"
        return 101, {}, ""

    exchange = Exchange(flowing, replies={"/ws": refuse, "/oi": lambda: (200, {}, "[]")})
    async with collecting(exchange, venue(SOCKET, POLL)) as records:
        await records.until(lambda: records.readings())
    (hold,) = records.of(Hold)
    assert hold.reason == "HTTP 429: slow down"
    held = (hold.until - exchange.clock.epoch) / 1000
    assert [path for at, path in exchange.called if held - 0.99 < at < held - 0.01] == []  # REST waits with the dials
    assert exchange.dials[1] >= held
    assert records.states()[:3] == ["connecting", "limited", "live"]
    gaps = [gap for gap in records.gaps() if gap.reason == "limited: HTTP 429: slow down"]
    assert [gap.end is None for gap in gaps] == [True, False]


async def test_f10_a_ban_in_words_outlives_a_restart() -> None:
    exchange = Exchange(flowing)
    until = exchange.clock.ms() + 700
    async with collecting(exchange, holds=[Hold("toy", until, f"banned until {until}")]) as records:
        await records.until(lambda: records.readings())
    assert records.readings()[0].seen >= until
    first = records.of(Gap)[0]
    assert first.symbol == ""
    assert first.reason == f"limited: banned until {until}"


async def test_f11_it_never_gives_up_and_says_since_when() -> None:
    tries = itertools.count()

    def refuse() -> tuple[int, dict[str, str], str]:
        return (503, {}, "maintenance") if next(tries) < 25 else (101, {}, "")

    exchange = Exchange(flowing, replies={"/ws": refuse})
    async with collecting(exchange) as records:
        await records.until(lambda: records.readings())
    down = [r for r in records.of(Health) if r.symbol == "" and r.state == "down"]
    assert down
    assert {r.since for r in down} == {down[0].since}
    assert len(exchange.dials) == 26
    opened, ended = one_gap(records)
    assert opened.reason == "down: HTTP 503: maintenance"
    assert ended.end is not None
    assert abs(ended.end - records.readings()[0].seen) <= 5


async def test_f11_a_catalogue_that_cannot_be_read_is_asked_for_again_and_is_a_gap() -> None:
    tries = itertools.count()

    def catalogue() -> tuple[int, dict[str, str], str]:
        place = next(tries)
        bad = [(500, {}, "oops"), (200, {}, '[{"symbol"'), (200, {"Content-Type": "text/html"}, "<html>no</html>")]
        return bad[place] if place < 3 else (200, {}, '[{"symbol":"BTC","asset":"BTC"}]')

    exchange = Exchange(flowing, replies={"/catalogue": catalogue})
    async with collecting(exchange) as records:
        await records.until(lambda: len(records.gaps("")) == 2)
    opened, _ = one_gap(records, "")
    assert opened.reason == "down: HTTP 500: oops"
    assert records.states("")[:4] == ["connecting", "down", "blocked", "live"]


def test_f12_the_backoff_is_jittered_and_capped() -> None:
    delays = list(itertools.islice(backoff(0.5, 45.0), 1000))
    assert delays[0] <= 0.5
    assert all(delay <= min(45.0, 0.5 * 2**k) for k, delay in enumerate(delays[:20]))
    assert 40.0 < max(delays) <= 45.0
    assert min(delays[20:]) < 5.0  # full jitter


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
def test_f30_contracts_coins_and_dollars(
    unit: Unit, payoff: Payoff, size: float, sides: int, base: float, usd: float
) -> None:
    board = Board([Instrument("toy", "main", "BTC", "BTC", "USD", "USD", payoff=payoff, contract_size=size)])
    record = board.apply(Update("BTC", 1000, 200.0, Field("oi", unit, sides), mark=50_000.0), 1001)
    assert record is not None
    assert (record.raw, record.field.unit, record.field.sides) == (200.0, unit, sides)
    assert (record.base, record.usd) == pytest.approx((base, usd))


def test_f30_without_a_known_multiplier_there_is_no_dollar_figure() -> None:
    quanto = Instrument("toy", "main", "ETHUSD", "ETH", "USD", "BTC", payoff=Payoff.QUANTO, contract_size=1e-6)
    update = Update("ETHUSD", 1000, 5_000.0, Field("oi", Unit.CONTRACTS), mark=3_000.0)
    assert Board([quanto]).apply(update, 1001) is None
    record = Board([quanto], coin={"BTC": (60_000.0, 1001)}.get).apply(update, 1001)
    assert record is not None
    assert record.usd == pytest.approx(5_000 * 1e-6 * 3_000 * 60_000)
    assert record.base == pytest.approx(5_000 * 1e-6 * 60_000)


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
