"""Finding, starting and describing the one process that owns the store.

A daemon says in its home's `daemon.json` who it is; `/health` proves that it is alive and of our version. Nobody ever
kills the process that holds a store: a host that starts two copies of us would make them kill each other for ever.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
from anyio import to_thread
from filelock import FileLock, Timeout

from server.settings import Settings

VERSION = distribution_version("crossoi")
START_S = 60.0  # a cold start on a busy machine; imports alone may take ten seconds
LOG_BYTES = 10_000_000


class DaemonError(Exception):
    """Why there is no daemon to talk to, and what to do: written for whoever reads the answer."""


@dataclass(frozen=True, slots=True)
class Daemon:
    pid: int
    version: str
    url: str  # of the server's root, without a slash at its end
    mode: str


def described(home: Path) -> Daemon | None:
    """What daemon.json says. None where there is none, or where it was cut short."""
    try:
        told = json.loads((home / "daemon.json").read_text(encoding="utf-8"))
        return Daemon(pid=int(told["pid"]), version=str(told["version"]), url=str(told["url"]), mode=str(told["mode"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def describe(home: Path, daemon: Daemon) -> None:
    """Write daemon.json for this user's eyes only, whole or not at all."""
    draft = home / f"daemon.json.{daemon.pid}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(daemon), file)
    draft.replace(home / "daemon.json")


def forget(home: Path, pid: int) -> None:
    """Remove daemon.json if it is still about `pid`."""
    told = described(home)
    if told is not None and told.pid == pid:
        with suppress(FileNotFoundError):
            (home / "daemon.json").unlink()


async def health(url: str, timeout: float = 2.0) -> dict[str, object] | None:
    """What /health answers, or None where nothing of ours answers."""
    try:
        async with httpx2.AsyncClient(timeout=timeout, trust_env=False) as client:
            reply = await client.get(f"{url}/health")
            told = reply.json()
    except (httpx2.HTTPError, ValueError):
        return None
    return told if isinstance(told, dict) and "version" in told else None  # type: ignore[return-value]  # JSON keys are texts


async def running(settings: Settings) -> Daemon | None:
    """The daemon of this home, if it lives. Raises DaemonError if it is of another version."""
    told = described(settings.home)
    if told is None:
        return None
    alive = await health(told.url)
    if alive is None or alive.get("pid") != told.pid:
        return None
    if alive["version"] != VERSION:
        raise DaemonError(
            f"The crossoi daemon that runs (pid {told.pid}) is version {alive['version']} and this is {VERSION}. "
            f"Stop it with `kill {told.pid}`, or Ctrl-C where it runs, and ask again: the right one is started then."
        )
    return told


async def ensure(settings: Settings, spawn: bool = True) -> Daemon:
    """The running daemon; started if there is none and `spawn` allows it. Raises DaemonError."""
    if (daemon := await running(settings)) is not None:
        return daemon
    command = "crossoi demo" if settings.mode == "demo" else "crossoi serve"
    if not spawn:
        raise DaemonError(f"The crossoi {settings.mode} daemon is not running. Start it with: {command}")
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(settings.home / "starter.lock", thread_local=False)
    try:
        await to_thread.run_sync(lambda: lock.acquire(timeout=START_S), abandon_on_cancel=False)
    except Timeout:
        raise DaemonError(f"Another process has been starting the daemon for {START_S:.0f} s. Try: {command}") from None
    try:
        return await running(settings) or await start(settings)
    finally:
        lock.release()


async def start(settings: Settings) -> Daemon:
    """Start a daemon that outlives us, its words in daemon.log, and wait until it answers."""
    log = settings.home / "daemon.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    # -P: without it a stranger's `server.py` in the current folder would run instead of us
    command = [sys.executable, "-P", "-m", "server", "serve"]
    environment = {**os.environ, "CROSSOI_HOME": str(settings.root)}
    with log.open("ab") as words:
        process = subprocess.Popen(  # noqa: ASYNC220 - returns at once; the daemon must not be our task
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
            cwd=settings.home,
        )
    with anyio.move_on_after(START_S):
        while process.poll() is None:
            if (daemon := await running(settings)) is not None:
                return daemon
            await anyio.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:] if log.exists() else []
    ended = (
        f"stopped with status {process.returncode}"
        if process.returncode is not None
        else f"is silent for {START_S:.0f} s"
    )
    raise DaemonError(f"The crossoi daemon was started and {ended}: {' / '.join(said) or 'no words'}. Its log: {log}")


async def work(url: str, body: Any, told: Callable[[dict[str, Any]], object], *, refused: str, kept: str) -> None:
    """Have the daemon do long work, and hear its own words line by line. Raises DaemonError.

    `refused` and `kept` finish the two sentences: what it does not do, and what stays when it goes away.
    """
    try:
        async with (
            httpx2.AsyncClient(timeout=httpx2.Timeout(10.0, read=None), trust_env=False) as client,
            client.stream("POST", url, json=body) as reply,
        ):
            if reply.status_code != 200:
                words = json.loads(await reply.aread()).get("error", f"HTTP {reply.status_code}")
                raise DaemonError(f"The daemon does not {refused}: {words}")
            async for line in reply.aiter_lines():
                told(json.loads(line))
    except httpx2.HTTPError as broken:
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        raise DaemonError(
            f"The daemon at {origin} went away: {broken.__class__.__name__}. Ask again; what is {kept} stays."
        ) from broken
