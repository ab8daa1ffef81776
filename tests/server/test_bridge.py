"""The bridge as AI clients start it: over stdio, against a real daemon in a home of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from server import daemon
from server.daemon import DaemonError
from server.settings import load

pytestmark = pytest.mark.anyio

Env = Mapping[str, str]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A home whose daemon asks no venue and takes any port. Whatever daemon ran in it is stopped at the end."""
    home = tmp_path_factory.mktemp("home")
    yield {**os.environ, "CROSSOI_HOME": str(home), "CROSSOI_HTTP_PORT": "0", "CROSSOI_VENUES": "none"}
    if (told := daemon.described(home / "live")) is not None:
        os.kill(told.pid, signal.SIGTERM)
        psutil.wait_procs([p for p in psutil.process_iter() if p.pid == told.pid], timeout=30)


def bridge(env: Env, *flags: str) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=["-P", "-m", "server", "mcp", *flags], env=dict(env))


def running(env: Env) -> daemon.Daemon:
    told = daemon.described(Path(env["CROSSOI_HOME"]) / "live")
    assert told is not None
    return told


async def summary(client: Client) -> str:
    result = await client.call_tool("get_status", {})
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return str(result.structured_content["summary"])


async def test_two_bridges_started_at_once_share_one_daemon(env: Env) -> None:
    said: list[str] = []

    async def ask(mode: str) -> None:
        async with Client(bridge(env), mode=mode) as client:
            said.append(await summary(client))

    with anyio.fail_after(100):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "auto")
            tasks.start_soon(ask, "legacy")
    assert len(said) == 2
    told = running(env)
    mine = [p for p in psutil.process_iter(["cmdline"]) if "serve" in (p.info["cmdline"] or []) and alike(p, env)]
    assert [p.pid for p in mine] == [told.pid]
    assert (Path(env["CROSSOI_HOME"]) / "live" / "daemon.json").stat().st_mode & 0o777 == 0o600


def alike(process: psutil.Process, env: Env) -> bool:
    try:
        return process.environ().get("CROSSOI_HOME") == env["CROSSOI_HOME"]
    except psutil.Error:
        return False


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_call_after_the_daemon_was_killed_is_answered_by_a_new_one(env: Env, mode: str) -> None:
    with anyio.fail_after(100):
        async with Client(bridge(env), mode=mode) as client:
            await summary(client)
            first = running(env).pid
            os.kill(first, signal.SIGKILL)
            assert await summary(client)
    assert running(env).pid != first


class Pipe:
    """A bridge by its pipes, for what a well-behaved client would not send."""

    def __init__(self, env: Env, *flags: str) -> None:
        command = [sys.executable, "-P", "-m", "server", "mcp", *flags]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(env)
        )

    def ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def leave(self) -> int:
        """What a host that died leaves behind: closed pipes."""
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return self.process.wait(timeout=30)


def request(number: int, method: str, **params: object) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


async def test_discover_and_then_initialize_is_taken_as_some_hosts_do(env: Env) -> None:
    pipe = Pipe(env)
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    }
    found = pipe.ask(request(1, "server/discover", _meta=meta))
    assert "2026-07-28" in str(found["result"])
    who = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    agreed = pipe.ask(request(2, "initialize", **who))
    assert agreed["result"]["protocolVersion"] == "2025-06-18"
    answer = pipe.ask(request(3, "tools/call", name="get_status", arguments={}))
    assert answer["result"]["structuredContent"]["summary"]
    modern = pipe.ask(request(4, "tools/call", name="get_status", arguments={}, _meta=meta))
    assert modern["result"]["structuredContent"]["summary"]
    pipe.leave()


async def test_a_line_that_is_no_message_is_answered_and_the_next_one_too(env: Env) -> None:
    pipe = Pipe(env)
    wrong = pipe.ask("{nonsense")
    assert (wrong["error"]["code"], wrong["id"]) == (-32700, None)
    who = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    assert pipe.ask(request(1, "initialize", **who))["result"]["serverInfo"]["name"] == "crossoi"
    pipe.leave()


async def test_a_bridge_leaves_with_its_host(env: Env) -> None:
    pipe = Pipe(env)
    who = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    pipe.ask(request(1, "initialize", **who))
    assert pipe.leave() == 0


@pytest.mark.parametrize(
    ("flag", "words"),
    [("--no-spawn", "Start it with: crossoi serve"), ("--demo", "Start it with: crossoi demo")],
)
async def test_without_a_daemon_the_host_is_told_how_to_start_one(
    tmp_path: Path, env: Env, flag: str, words: str
) -> None:
    pipe = Pipe({**env, "CROSSOI_HOME": str(tmp_path)}, flag)
    answer = pipe.ask(request(1, "tools/list"))
    assert words in answer["error"]["message"]
    assert answer["id"] == 1
    pipe.leave()
    assert not list(tmp_path.rglob("*.duckdb"))  # noqa: ASYNC240 - a test waits for nobody


async def test_a_daemon_that_cannot_start_says_why_through_its_bridge(tmp_path: Path, env: Env) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        pipe = Pipe({**env, "CROSSOI_HOME": str(tmp_path), "CROSSOI_HTTP_PORT": str(port)})
        answer = pipe.ask(request(1, "tools/list"))
        pipe.leave()
    assert f"Port {port} on 127.0.0.1 is taken" in answer["error"]["message"]
    assert str(tmp_path / "live" / "daemon.log") in answer["error"]["message"]


async def test_a_daemon_of_another_version_is_neither_used_nor_killed(tmp_path: Path) -> None:
    settings = load(env={"CROSSOI_HOME": str(tmp_path)}, venues=("one",))
    settings.home.mkdir()

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            body = json.dumps({"version": "0.0.1", "pid": os.getpid()}).encode()
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            await stream.send(head.encode() + body)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, answer)
        url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        daemon.describe(settings.home, daemon.Daemon(os.getpid(), "0.0.1", url, "live"))
        with pytest.raises(DaemonError, match=rf"version 0\.0\.1 and this is .* Stop it with `kill {os.getpid()}`"):
            await daemon.ensure(settings)
        tasks.cancel_scope.cancel()


def test_daemon_json_cut_short_is_no_daemon(tmp_path: Path) -> None:
    (tmp_path / "daemon.json").write_text('{"pid": 1, "ver')
    assert daemon.described(tmp_path) is None


def test_only_its_own_daemon_json_is_forgotten(tmp_path: Path) -> None:
    daemon.describe(tmp_path, daemon.Daemon(7, "1", "http://127.0.0.1:1", "live"))
    daemon.forget(tmp_path, 8)
    assert daemon.described(tmp_path) is not None
    daemon.forget(tmp_path, 7)
    assert daemon.described(tmp_path) is None
