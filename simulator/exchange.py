"""One loopback server that is every venue at once: it plays their scripts, and their faults.

`ws://127.0.0.1:A/<venue>/<host>/<path>` and `http://127.0.0.1:B/<venue>/<host>/<path>` stand for the real addresses.
`POST http://127.0.0.1:B/fault {"venue": ..., "fault": ...}` switches a fault, or all of them off with null.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from simulator.conversation import Conversation, Speech
from simulator.faults import KINDS, Fault, known
from simulator.http import Reply, serve_http
from simulator.quotes import Quotes as Quotes
from simulator.rest import Asked, Desk
from simulator.script import Script
from simulator.values import Views

log = logging.getLogger(__name__)

LONG_AGO = 3600.0  # seconds a pusher sleeps when nobody has subscribed; it is woken
KEPT = 100  # messages remembered that no script understands
NOISE = ("{", "[]", "null", "17", '{"data": [{"x": 1}], "channel": "?", "topic": "?", "result": {}}', "<html></html>")
PAGE = b"<html><body>Access denied</body></html>"


def utc_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Line:
    """One open connection."""

    socket: ServerConnection
    talk: Conversation
    wake: anyio.Event = field(default_factory=anyio.Event)

    def nudge(self) -> None:
        self.wake.set()
        self.wake = anyio.Event()


Pusher = Callable[[Line], Awaitable[None]]
"""Sends a connection its data in another way than the scripts' (a load); it ends with the connection."""


@dataclass(slots=True)
class Exchange:
    """Where every venue is, what is wrong with it, and what it was told."""

    scripts: Mapping[str, Script]
    quotes: Quotes
    clock: Callable[[], int]
    haste: float
    retry_after_s: float
    pusher: Pusher | None = None
    desks: dict[str, Desk] = field(default_factory=dict[str, Desk])
    speeches: dict[tuple[str, str], Speech] = field(default_factory=dict[tuple[str, str], Speech])
    ws_port: int = 0
    http_port: int = 0
    faults: dict[str, str] = field(default_factory=dict[str, str])
    lines: defaultdict[str, list[Line]] = field(default_factory=lambda: defaultdict[str, list[Line]](list))
    dials: Counter[str] = field(default_factory=Counter[str])  # handshakes tried, by venue
    asked: Counter[str] = field(default_factory=Counter[str])  # HTTP questions, by venue
    beats: Counter[str] = field(default_factory=Counter[str])  # heartbeats of ours, answered or not
    answers: Counter[str] = field(default_factory=Counter[str])  # answers to the venue's own
    said: Counter[str] = field(default_factory=Counter[str])  # frames sent, by venue, without those of a pusher
    noise: Counter[str] = field(default_factory=Counter[str])  # unreadable frames sent
    unheard: list[str] = field(default_factory=list[str])  # what no script understands: a test wants it empty
    changed: anyio.Event = field(default_factory=anyio.Event)

    def address(self, venue: str, url: str) -> str:
        """Where a venue's real url is here."""
        return elsewhere(venue, url, self.ws_port, self.http_port)

    @property
    def switch(self) -> str:
        """Where faults are switched, by POST."""
        return f"http://127.0.0.1:{self.http_port}/fault"

    def fault(self, venue: str, kind: str | None) -> None:
        """Switch a fault on, or off with None. `drop` happens once and leaves none behind."""
        known(venue, self.scripts, "venue")
        if kind is not None:
            known(kind, KINDS, "fault")
        log.info("simulated %s: %s", venue, kind or "well again")
        if kind in ("down", "drop"):
            for line in self.lines[venue]:
                line.socket.transport.abort()
        if kind is None or kind == "drop":
            self.faults.pop(venue, None)
        else:
            self.faults[venue] = kind
        for line in self.lines[venue]:
            line.nudge()
        self.note()

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait for something to be so of the counters above."""
        while not so():
            await self.changed.wait()

    def note(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    def forget(self, what: str) -> None:
        if len(self.unheard) < KEPT:
            self.unheard.append(what)

    def handshake(self, line: ServerConnection, request: Request) -> Response | None:
        """What is wrong with a connection before it is one."""
        venue, url = real(request.path, "wss")
        self.dials[venue] += 1
        self.note()
        fault = self.faults.get(venue)
        if fault == "down":
            line.transport.abort()
            return line.respond(503, "down\n")
        if fault == "limited":
            response = line.respond(429, "too many requests\n")
            response.headers["Retry-After"] = f"{self.retry_after_s:g}"
            return response
        if (venue, url) not in self.speeches:
            self.forget(f"{venue}: no socket at {url}")
            return line.respond(404, f"no socket at {url}\n")
        return None

    async def talk(self, socket: ServerConnection) -> None:
        """One connection's life."""
        assert socket.request is not None
        venue, url = real(socket.request.path, "wss")
        line = Line(socket, Conversation(self.speeches[venue, url], self.haste))
        self.lines[venue].append(line)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.push, venue, line)
                await self.hear(venue, line)
                tasks.cancel_scope.cancel()
        finally:
            self.lines[venue].remove(line)

    async def hear(self, venue: str, line: Line) -> None:
        talk, socket = line.talk, line.socket
        try:
            if self.faults.get(venue) != "stall":
                await self.say(venue, socket, talk.open(anyio.current_time(), self.clock()))
            async for message in socket:
                replies = talk.hear(message, anyio.current_time(), self.clock())
                for what in talk.unheard:
                    self.forget(f"{venue}: {what}")
                talk.unheard.clear()
                self.beats[venue] += talk.beats
                self.answers[venue] += talk.answers
                talk.beats = talk.answers = 0
                await self.say(venue, socket, replies if self.faults.get(venue) != "stall" else ())
                line.nudge()
                self.note()
        except ConnectionClosed:
            return

    async def push(self, venue: str, line: Line) -> None:
        """Data when it is due, the venue's own heartbeat, and its patience with ours."""
        talk = line.talk
        if self.pusher is not None:
            await self.pusher(line)
            return
        try:
            while True:
                wake, due = line.wake, talk.next_due()
                with anyio.move_on_after(LONG_AGO if due is None else due - anyio.current_time()):
                    await wake.wait()
                now, fault = anyio.current_time(), self.faults.get(venue)
                if fault == "stall":
                    await line.wake.wait()
                    continue
                if (why := talk.over(now)) is not None:
                    await line.socket.close(1008, why)
                    return
                await self.say(venue, line.socket, talk.ask(now, self.clock()))
                await self.say(venue, line.socket, self.frames(venue, talk, now, fault))
        except ConnectionClosed:
            return

    async def say(self, venue: str, socket: ServerConnection, frames: Sequence[str | bytes]) -> None:
        for frame in frames:
            await socket.send(frame)
            self.said[venue] += 1

    def frames(self, venue: str, talk: Conversation, now: float, fault: str | None) -> list[str | bytes]:
        due = talk.next_due()
        frames = talk.due(now, self.clock(), silent=fault in ("mute", "babble"))
        if fault != "babble" or due is None or due > now:
            return frames
        start = self.noise[venue]
        self.noise[venue] += 1
        self.note()
        return [NOISE[start % len(NOISE)]]

    async def reply(self, method: str, path: str, query: Mapping[str, str], body: object) -> Reply:
        """What an HTTP question is answered. An empty status: the connection is cut."""
        if path == "/fault":
            return self.switched(body)
        venue, url = real(path, "https")
        self.asked[venue] += 1
        self.note()
        while self.faults.get(venue) == "stall":
            await self.changed.wait()
        match self.faults.get(venue):
            case "down":
                return Reply(0)
            case "limited":
                return Reply(429, {"error": "too many requests"}, {"Retry-After": f"{self.retry_after_s:g}"})
            case "babble":
                self.noise[venue] += 1
                self.note()
                return Reply(200, PAGE)
            case _:
                pass
        if venue in self.desks:
            fits, answer = self.desks[venue].answer(Asked(method, url, query, body), self.clock())
            if fits:
                return Reply(200, answer)
        self.forget(f"{venue}: {method} {url} {dict(query)} {body}")
        return Reply(404, {"error": f"no route for {method} {url}"})

    def switched(self, body: object) -> Reply:
        match body:
            case {"venue": str(venue), "fault": str() | None as kind}:
                try:
                    self.fault(venue, kind)
                except ValueError as error:
                    return Reply(400, {"error": str(error)})
                return Reply(200, {"faults": self.faults})
            case _:
                return Reply(400, {"error": 'say {"venue": "...", "fault": "down" or null}'})


def elsewhere(venue: str, url: str, ws_port: int, http_port: int) -> str:
    """A venue's real url as an address on the loopback."""
    parts = urlsplit(url)
    scheme, port = ("ws", ws_port) if parts.scheme in ("ws", "wss") else ("http", http_port)
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://127.0.0.1:{port}/{venue}/{parts.netloc}{parts.path}{query}"


def real(path: str, scheme: str) -> tuple[str, str]:
    """(venue, real url without its query) of an address here."""
    venue, _, rest = urlsplit(path).path.strip("/").partition("/")
    return venue, f"{scheme}://{rest}"


async def happen(it: Exchange, fault: Fault) -> None:
    await anyio.sleep(fault.after_s)
    it.fault(fault.venue, fault.kind)


@asynccontextmanager
async def exchange(
    scripts: Mapping[str, Script],
    quotes: Quotes,
    *,
    faults: Sequence[Fault] = (),
    clock: Callable[[], int] = utc_ms,
    haste: float = 1.0,
    retry_after_s: float = 5.0,
    pusher: Pusher | None = None,
) -> AsyncIterator[Exchange]:
    """Every venue, open until the block ends.

    `haste` shortens all periods so many times; `clock` is the market's time, ms UTC.
    """
    it = Exchange(scripts, quotes, clock, haste, retry_after_s, pusher)
    for venue, script in scripts.items():
        views = Views(script, quotes)
        it.desks[venue] = Desk(views)
        for socket in script.sockets:
            it.speeches |= {(venue, url): Speech(socket, views) for url in (socket.url, *socket.others)}
    for fault in faults:
        known(fault.venue, scripts, "venue")
    async with (
        serve(it.talk, "127.0.0.1", 0, process_request=it.handshake, compression=None, close_timeout=1) as server,
        serve_http(it.reply) as it.http_port,
        anyio.create_task_group() as tasks,
    ):
        it.ws_port = next(iter(server.sockets)).getsockname()[1]
        for fault in faults:
            tasks.start_soon(happen, it, fault)
        yield it
        tasks.cancel_scope.cancel()
