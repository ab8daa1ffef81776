"""The whole server in this process, on a free port, asking no venue."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp.client import Client

from collectors.http import utc_ms
from server import daemon
from server.app import ServeError, World, serve
from server.settings import Settings, load
from store.engine import open_store
from store.records import Flag, Instrument, OpenInterest, Source
from store.writer import Writer
from tests.collectors.toy import OI, POLL, Exchange, Peer, venue

pytestmark = pytest.mark.anyio


def chosen(home: Path) -> Settings:
    return load("live", {"http.port": 0, "venues": "none"}, {"CROSSOI_HOME": str(home)})


@asynccontextmanager
async def serving(settings: Settings, simulated: bool = False, world: World | None = None) -> AsyncGenerator[str]:
    heard: list[str] = []
    up = anyio.Event()

    async def ready(url: str) -> None:
        heard.append(url)
        up.set()

    async with anyio.create_task_group() as tasks:
        world = replace(world or World(venues=(), simulated=simulated), ready=ready)
        tasks.start_soon(serve, settings, lambda _: None, world)
        with anyio.fail_after(30):
            await up.wait()
        yield heard[0]
        tasks.cancel_scope.cancel()


async def test_health_says_who_serves(tmp_path: Path) -> None:
    settings = chosen(tmp_path)
    async with serving(settings) as url, httpx2.AsyncClient(trust_env=False) as client:
        told = (await client.get(f"{url}/health")).json()
        assert await daemon.running(settings) == daemon.Daemon(os.getpid(), daemon.VERSION, url, "live")
    assert (told["version"], told["mode"], told["pid"]) == (daemon.VERSION, "live", os.getpid())
    assert await daemon.running(settings) is None


async def test_tools_and_rest_give_the_same_answer(tmp_path: Path) -> None:
    async with serving(chosen(tmp_path)) as url, httpx2.AsyncClient(trust_env=False) as client:
        by_rest = (await client.get(f"{url}/api/v1/status")).json()
        async with Client(f"{url}/mcp") as asking:
            by_tool = (await asking.call_tool("get_status", {})).structured_content
    assert by_tool is not None
    timeless = set(by_rest) - {"as_of", "figures"}
    assert {name: by_rest[name] for name in timeless} == {name: by_tool[name] for name in timeless}
    assert by_rest["simulated"] is False


async def test_rest_refuses_a_misspelt_argument_with_a_sentence(tmp_path: Path) -> None:
    async with serving(chosen(tmp_path)) as url, httpx2.AsyncClient(trust_env=False) as client:
        reply = await client.get(f"{url}/api/v1/status?vneue=x")
    assert reply.status_code == 400
    assert "vneue: unknown parameter. Did you mean venue?" in reply.json()["error"]


async def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with serving(chosen(tmp_path)) as url, httpx2.AsyncClient(trust_env=False) as client:
        page = await client.get(f"{url}/")
        script = await client.get(f"{url}/page.js")
    assert page.headers["content-type"].startswith("text/html")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "://" not in page.text + script.text


async def test_a_page_elsewhere_cannot_read_us_by_rebinding_a_name(tmp_path: Path) -> None:
    async with serving(chosen(tmp_path)) as url, httpx2.AsyncClient(trust_env=False) as client:
        for path in ("/", "/page.js", "/health", "/api/v1/status", "/mcp"):
            assert (await client.get(f"{url}{path}", headers={"host": "evil.example"})).status_code == 421, path
            assert (await client.get(f"{url}{path}", headers={"origin": "http://evil.example"})).status_code == 403, (
                path
            )


async def test_f40_a_second_daemon_in_one_home_is_told_of_the_first(tmp_path: Path) -> None:
    settings = chosen(tmp_path)
    async with serving(settings) as url:
        with pytest.raises(ServeError, match=rf"runs already: pid {os.getpid()}, {url}. Ask it: crossoi status$"):
            await serve(settings, lambda _: None, World(venues=()))


async def test_a_second_demo_is_told_how_to_ask_the_first(tmp_path: Path) -> None:
    settings = replace(chosen(tmp_path), mode="demo")
    async with serving(settings, simulated=True):
        with pytest.raises(ServeError, match=r"demo daemon runs already: .* Ask it: crossoi status --demo$"):
            await serve(settings, lambda _: None, World(simulated=True, venues=()))


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    async with serving(chosen(tmp_path / "one")) as url:
        settings = replace(chosen(tmp_path / "two"), port=int(url.rsplit(":", 1)[1]))
        with pytest.raises(ServeError, match=r"Port \d+ on 127.0.0.1 is taken .* --port"):
            await serve(settings, lambda _: None, World(venues=()))


async def test_a_live_store_is_not_served_as_a_demo(tmp_path: Path) -> None:
    settings = chosen(tmp_path)
    async with serving(settings):
        pass
    demo = replace(load("demo", {"http.port": 0}, {"CROSSOI_HOME": str(tmp_path)}), store_url=str(settings.store))
    with pytest.raises(ServeError, match="live store and was opened as demo"):
        await serve(demo, lambda _: None, World(venues=(), simulated=True))


async def test_what_states_no_price_is_valued_after_a_restart_by_what_a_coin_was_worth_before(tmp_path: Path) -> None:
    async def idle(peer: Peer) -> None:
        await peer.listen()

    settings, now = replace(chosen(tmp_path), venues=None), utc_ms()
    settings.home.mkdir()
    store = open_store(settings.store, settings.mode)
    with Writer(store, False) as writer:
        btc = Instrument("other", "main", "BTC", "BTC", "USDT", "USDT")
        at = now - 600_000
        writer.put(
            OpenInterest(btc, OI, at, at, 1.0, 1.0, 60_000.0, 60_000.0, None, None, None, Source.STREAM, False, 0)
        )
    store.close()
    exchange = Exchange(idle)
    exchange.replies["/oi"] = lambda: (200, {}, '[{"kind": "snap", "symbol": "BTC", "oi": 5}]')
    unpriced = venue(replace(POLL, gives=frozenset({"oi"})))
    world = World(exchange.address, venues=(unpriced,))
    async with exchange.open(), serving(settings, world=world) as url, httpx2.AsyncClient(trust_env=False) as client:
        with anyio.fail_after(60):
            while "toy" not in str((await client.get(f"{url}/api/v1/open-interest?asset=BTC")).json().get("rows")):  # noqa: ASYNC110
                await anyio.sleep(0.1)
    store = open_store(settings.store, settings.mode)
    (row,) = store.cursor().execute("SELECT DISTINCT usd, mark, flags FROM readings WHERE raw = 5").fetchall()
    store.close()
    assert row[:2] == (300_000.0, 60_000.0)
    assert row[2] & (Flag.BORROWED_MARK | Flag.STALE_MARK) == Flag.BORROWED_MARK | Flag.STALE_MARK


def test_f40_sigterm_ends_the_daemon_cleanly_within_seconds(tmp_path: Path) -> None:
    env = {**os.environ, "CROSSOI_HOME": str(tmp_path), "CROSSOI_HTTP_PORT": "0", "CROSSOI_VENUES": "none"}
    command = [sys.executable, "-P", "-m", "server", "serve"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(3)]
        assert any(line.startswith("MCP ") for line in said), said
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert "SIGTERM: writing what waits" in process.stderr.read()
    assert daemon.described(tmp_path / "live") is None
    assert not (tmp_path / "live" / "store.duckdb.wal").exists()
