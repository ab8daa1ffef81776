"""Faults of the database (faults.md, F40) and of tasks (F39) to a whole daemon that collects over the loopback."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx2
import pytest
from anyio import from_thread

from collectors.http import utc_ms
from server.app import World, tend
from server.files import Job, Line, carry
from store.engine import Locked, open_store
from store.writer import Writer
from tests.collectors.imports.made import ACME
from tests.collectors.imports.test_metrics_zip import LINES, zipped
from tests.collectors.toy import Exchange, Peer
from tests.server.test_app import chosen, serving
from tests.store.made import store_of

pytestmark = pytest.mark.anyio

DAEMON = """
import resource, signal, sys
from dataclasses import replace
from urllib.parse import urlsplit
import anyio
from server.app import World, serve
from server.settings import load
from tests.collectors.toy import venue

port, home = sys.argv[1:]
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
def disk(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))  # every write beyond it fails as on a full disk

signal.signal(signal.SIGUSR1, lambda *_: disk(1000))
signal.signal(signal.SIGUSR2, lambda *_: disk(soft))

def address(_, url):
    at = urlsplit(url)
    return f"{'ws' if at.scheme == 'wss' else 'http'}://127.0.0.1:{port}{at.path}?{at.query}"

async def ready(url):
    print(url, flush=True)

settings = replace(load("live", {"http.port": 0}, {"CROSSOI_HOME": home}), venues=None)
world = World(address, venues=(venue(),), ready=ready)
anyio.run(serve, settings, lambda words: print(words, file=sys.stderr, flush=True), world)
"""


class Market:
    """An exchange that says something else every 20 ms, and knows what it has said."""

    def __init__(self) -> None:
        self.said: list[tuple[int, float]] = []  # ms UTC, open interest
        self.exchange = Exchange(self.talk)

    async def talk(self, peer: Peer) -> None:
        await peer.take()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.listen)
            while True:
                ts, oi = utc_ms(), 1000.0 + len(self.said) / 100
                await peer.snap("BTC", oi, ts=ts)
                self.said.append((ts, oi))
                await anyio.sleep(0.02)


class Running:
    """A daemon, and what it answers."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log

    async def ask(self, path: str) -> dict[str, Any]:
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            return (await client.get(f"{self.url}/api/v1/{path}")).json()

    async def oi(self) -> float:
        """The newest open interest that it answers [coins]; 0 where there is none."""
        return (await self.ask("open-interest?asset=BTC")).get("figures", {}).get("total_coins") or 0.0

    async def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await self.process.wait()


@asynccontextmanager
async def running(home: Path, market: Market) -> AsyncGenerator[Running]:
    log = home.parent / "said.txt"
    with log.open("w") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", DAEMON, str(market.exchange.port), str(home),
            stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        assert url, log.read_text()
        yield Running(process, url, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(so: Callable[[], Awaitable[Any]], limit_s: float = 40.0) -> Any:
    """Waits, by the wall's clock, for something to be so."""
    ends = time.monotonic() + limit_s
    while not (answer := await so()):
        assert time.monotonic() < ends, "it did not come"
        await anyio.sleep(0.05)
    return answer


async def flows(market: Market, daemon: Running) -> None:
    """Until the daemon has answered what the market said after this call."""
    before = (market.said[-1][1] if market.said else 0.0) + 0.1  # answers are rounded to five digits

    async def answered() -> bool:
        return await daemon.oi() > before

    await until(answered)


def kept(path: Path, sql: str) -> list[tuple[Any, ...]]:
    store = open_store(path, "live")
    try:
        assert store.replaced is None
        return store.cursor().execute(sql).fetchall()
    finally:
        store.close()


READINGS = "SELECT epoch_ms(ts), raw FROM readings ORDER BY ts, seen"
GAPS = 'SELECT reason, epoch_ms(start), epoch_ms("end") FROM gaps ORDER BY start, known_at'


async def test_f40_a_daemon_killed_with_nine_keeps_all_but_its_last_moment_and_the_pause_is_a_gap(
    tmp_path: Path,
) -> None:
    """Nobody else may open its file meanwhile; readers go through it. Each run's rows are there, none twice."""
    market, home = Market(), tmp_path / "home"
    path = home / "live" / "store.duckdb"
    async with market.exchange.open():
        async with running(home, market) as daemon:
            await flows(market, daemon)
            with pytest.raises(Locked, match=rf"in use by process {daemon.process.pid} "):
                open_store(path, "live")
            await flows(market, daemon)
            await anyio.sleep(0.5)
            killed = utc_ms()
            assert await daemon.end(signal.SIGKILL) == -signal.SIGKILL
        found = kept(path, READINGS)
        first = market.said.index(found[0])
        assert found == market.said[first : first + len(found)], "all that was said, in order, once"
        assert found[-1][0] >= killed - 1000, "but for the batch that was being written"
        async with running(home, market) as daemon:
            await flows(market, daemon)
            await daemon.end(signal.SIGKILL)
        again = kept(path, READINGS)[len(found) :]
        place = market.said.index(again[0])
        assert again == market.said[place : place + len(again)]
        told = {reason: (start, end) for reason, start, end in kept(path, GAPS)}
    start, end = told["restart"]
    assert abs(start - found[-1][0]) < 1000, "from the last word on"
    assert killed < end <= again[0][0] + 1000
    assert not list(path.parent.glob("*.damaged*"))


async def test_f40_sigterm_writes_what_waits_within_seconds(tmp_path: Path) -> None:
    """All that was heard is a row, and that nobody listens any more is a gap, which the next run ends."""
    market, home = Market(), tmp_path / "home"
    path = home / "live" / "store.duckdb"
    async with market.exchange.open(), running(home, market) as daemon:
        await flows(market, daemon)
        asked = utc_ms()
        assert await daemon.end(signal.SIGTERM) == 0
        took = utc_ms() - asked
    assert took < 10_000
    assert not path.with_name("store.duckdb.wal").exists()
    found = kept(path, READINGS)
    first = market.said.index(found[0])
    assert found == market.said[first : first + len(found)]
    assert found[-1][0] >= asked - 100, "up to the signal"
    (stopped,) = [row for row in kept(path, GAPS) if row[0] == "closed: stopped"]
    assert abs(stopped[1] - found[-1][0]) < 100
    assert stopped[2] is None
    store = open_store(path, "live")
    Writer(store, False).close()
    store.close()
    assert [end > asked for reason, start, end in kept(path, GAPS) if (reason, start) == stopped[:2] and end] == [True]


async def test_f40_a_damaged_file_is_set_aside_and_collecting_goes_on_in_a_new_one(tmp_path: Path) -> None:
    market, home = Market(), tmp_path / "home"
    path = home / "live" / "store.duckdb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"garbage" * 1000)
    async with market.exchange.open(), running(home, market) as daemon:
        await flows(market, daemon)
        assert await daemon.end(signal.SIGTERM) == 0
        said = daemon.log.read_text()
    (aside,) = path.parent.glob("store.duckdb.damaged-*")
    assert aside.read_bytes() == b"garbage" * 1000
    assert f"The store was damaged. It was moved to {aside}; a new one was started." in said
    found = kept(path, READINGS)
    first = market.said.index(found[0])
    assert found == market.said[first : first + len(found)]


async def test_f40_on_a_full_disk_collecting_and_answering_go_on_and_nothing_is_missing_afterwards(
    tmp_path: Path,
) -> None:
    """`get_status` says it first; what waited in memory is written when there is room. (The bound: test_writer.)"""
    market, home = Market(), tmp_path / "home"
    path = home / "live" / "store.duckdb"
    async with market.exchange.open(), running(home, market) as daemon:
        await flows(market, daemon)
        daemon.process.send_signal(signal.SIGUSR1)

        async def told() -> Any:
            answer = await daemon.ask("status")
            return "THE STORE CANNOT BE WRITTEN" in answer["summary"] and answer["warnings"]

        warnings = await until(told)
        assert warnings[0].startswith("store: nothing can be written")
        await flows(market, daemon)  # and answers are as fresh as before
        daemon.process.send_signal(signal.SIGUSR2)

        async def well() -> bool:
            answer = await daemon.ask("status")
            return "CANNOT BE WRITTEN" not in answer["summary"] and not answer["warnings"]

        await until(well)
        assert await daemon.end(signal.SIGTERM) == 0
    found = kept(path, READINGS)
    first = market.said.index(found[0])
    assert found == market.said[first : first + len(found)], "nothing was shed, nothing is missing"
    assert "shed" not in {reason for reason, _, _ in kept(path, GAPS)}


async def test_f39_a_bug_in_reading_a_file_is_told_and_ends_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(symbol: str) -> bool:
        raise RuntimeError(f"a bug with {symbol}")

    venue = replace(ACME, segments=tuple(replace(segment, owns=broken) for segment in ACME.segments))
    settings, path = chosen(tmp_path), str(zipped(tmp_path / "m.zip", *LINES))
    async with serving(settings, world=World(venues=(venue,))) as url, httpx2.AsyncClient(trust_env=False) as client:
        for _ in range(2):
            said: list[Line] = []
            await carry(settings, Job((path,)), (venue,), said.append)
            assert said[-1] == {"error": "A bug: RuntimeError: a bug with BTCUSDT"}
        assert (await client.get(f"{url}/health")).status_code == 200
    assert len([r for r in caplog.records if r.exc_info and "a job of files failed" in r.getMessage()]) == 2


async def test_f39_work_of_the_start_that_fails_is_reported_and_the_clock_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A map that cannot be advanced: the daemon answers, and the next minute it is tried again."""
    swept = anyio.Event()

    def breaks(_: int) -> None:
        raise RuntimeError("a bug")

    house = SimpleNamespace(reader=None, simulated=False, now=utc_ms, thresholds=None)
    maps: Any = SimpleNamespace(advance=breaks, load=lambda: None, save=lambda: None, folder=tmp_path, states={})
    trust: Any = SimpleNamespace(look=breaks, measure=breaks)
    sweep: Any = SimpleNamespace(house=house, assets=(), run=lambda _: from_thread.run_sync(swept.set))
    with store_of() as store:
        kept: Any = SimpleNamespace(store=store, reader=None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tend, kept, maps, trust, sweep, 30.0, anyio.Event())
            with anyio.fail_after(30):
                await swept.wait()
            tasks.cancel_scope.cancel()
    assert [r.getMessage() for r in caplog.records if r.exc_info] == ["maps failed; again in 60 s"]
