"""Faults of lines that are closed or refused (faults.md 1): storms, waits, bans and backoff, over the loopback."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import anyio
import pytest

from collectors.feeds import backoff
from collectors.venue import Limits
from store.records import (
    Gap,
    Health,
    Hold,
)  # fmt: skip
from tests.collectors.toy import (
    POLL,
    QUICK,
    SOCKET,
    Exchange,
    Peer,
    collecting,
    flowing,
    no_delays,
    one_gap,
    venue,
)  # fmt: skip

pytestmark = pytest.mark.anyio


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
