"""The whole product against the simulator, in this process: what a newcomer sees in the first minute."""

from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest

from server.app import ServeError
from server.demo import demo
from server.settings import load
from simulator.faults import Fault
from simulator.script import load_all
from store.engine import open_store
from store.reader import Reader

pytestmark = pytest.mark.anyio


async def test_a_demo_answers_says_it_is_simulated_and_a_pulled_plug_shows(tmp_path: Path) -> None:
    venue = min(load_all())
    env = {"CROSSOI_HOME": str(tmp_path)}
    settings = load("demo", {"http.port": 0, "venues": venue, "assets": "SOL"}, env)
    said: list[str] = []
    introduced, url = anyio.Event(), ""

    def say(words: str) -> None:
        nonlocal url
        said.append(words)
        if words.startswith("MCP "):
            url = words.split()[1].removesuffix("/mcp")
        if words.startswith("The page: "):
            introduced.set()

    async with anyio.create_task_group() as tasks, httpx2.AsyncClient(trust_env=False) as client:
        tasks.start_soon(demo, settings, [Fault(venue, "down", 0.1)], 1, say)
        with anyio.fail_after(100):
            await introduced.wait()
            while (told := (await client.get(f"{url}/api/v1/status")).json())["coverage"]["venues_ok"]:  # noqa: ASYNC110
                await anyio.sleep(0.1)  # asked over HTTP: there is no event to wait for
        tasks.cancel_scope.cancel()
    assert told["simulated"] is True
    assert told["coverage"]["venues_missing"] == [venue]
    assert told["figures"]["open_gaps"] > 0
    text = "\n".join(said)
    assert '"args": [\n        "mcp",\n        "--demo"' in text
    assert "--- get_status {}\nSIMULATED DATA." in text
    store = open_store(settings.store, "demo")
    reader = Reader(store)
    assert set(reader.latest("SOL")["simulated"]) == {True}
    assert set(reader.latest("SOL")["source"]) <= {"stream", "poll"}
    assert reader.counts()["bars_1d"] > 0
    store.close()


async def test_a_demo_on_a_taken_port_is_refused_in_a_sentence(tmp_path: Path) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        settings = load("demo", {"http.port": port, "venues": min(load_all())}, {"CROSSOI_HOME": str(tmp_path)})
        with pytest.raises(ServeError, match=rf"Port {port} on 127.0.0.1 is taken"):
            await demo(settings, [], 1, lambda _: None)


async def test_a_fault_of_a_venue_that_is_not_played_is_refused_before_anything_begins(tmp_path: Path) -> None:
    one, other = sorted(load_all())[:2]
    settings = load("demo", {"http.port": 0, "venues": one}, {"CROSSOI_HOME": str(tmp_path)})
    with pytest.raises(ServeError, match=f"{other} cannot have a fault.*Played: {one}"):
        await demo(settings, [Fault(other, "down")], 1, lambda _: None)
    assert not settings.home.exists()


async def test_a_demo_of_venues_that_nobody_plays_says_which_are_played(tmp_path: Path) -> None:
    settings = load("demo", {"venues": "none"}, {"CROSSOI_HOME": str(tmp_path)})
    with pytest.raises(ServeError, match=f"It plays: .*{min(load_all())}"):
        await demo(settings, [], 1, lambda _: None)


async def test_a_home_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = load("demo", {"http.port": 0, "venues": min(load_all())}, {"CROSSOI_HOME": str(tmp_path)})
    settings = replace(settings, root=tmp_path / "file")
    with pytest.raises(ServeError, match=r"home cannot be made .* Set CROSSOI_HOME"):
        await demo(settings, [], 1, lambda _: None)
