"""A made-up venue and its exchange on the loopback: snapshots, deltas, acks, pings, and whatever a test scripts."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import anyio
import msgspec
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed

from collectors.feeds import Rhythm
from collectors.http import utc_ms
from collectors.supervisor import Collecting, run
from collectors.venue import (
    Acked,
    Answer,
    Ask,
    Heartbeat,
    History,
    Limits,
    Message,
    Notice,
    Poll,
    Refused,
    Said,
    Segment,
    Socket,
    Update,
    Venue,
)  # fmt: skip
from collectors.watch import Patience
from collectors.wire import Number, Stated, number, wire
from store.engine import Mode, open_store
from store.records import Field, Gap, Health, Instrument, OpenInterest, Record, Status, Unit
from store.writer import Writer

OI = Field("oi", Unit.BASE, 1, Status.DOCUMENTED)
SHORT = Patience(
    dial=10.0, greeting=5.0, first=0.4, silences=2.0, margin=0.2, symbol=3.0, again=0.1, again_max=0.6, answer=0.2,
    farewell=0.2, look=0.02, probe=0.2, bad_least=20,
)  # fmt: skip
NEAR_MS = 25  # a turn of the loop may lie between two looks at one moment
TURN_S, MOST_S = 0.01, 0.02  # between two looks of a `Steady` clock, and what it counts of that
QUICK = Rhythm(settled=5.0, blocked=0.2, incident=0.2, report=0.2, catalogue=30.0, unknown=0.05, handover=0.5)


class Frame(msgspec.Struct):
    kind: str
    symbol: str = ""
    ts: int | None = None
    oi: Stated = msgspec.UNSET
    mark: Number = None
    n: int | None = None
    words: str = ""


class Row(msgspec.Struct):
    symbol: str
    asset: str
    live: bool = True


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    yield {"subscribe": [i.symbol for i in instruments], "n": request}


def parse(frame: Frame) -> Iterable[Said]:
    match frame.kind:
        case "ack":
            return (Acked(frame.n),)
        case "refused":
            return (Refused(frame.words, frame.n),)
        case "notice":
            return (Notice(frame.words),)
        case "pong":
            return ()
        case "snap" | "delta":
            oi = None if frame.oi is msgspec.UNSET else number(frame.oi)
            affirms = frame.kind == "delta" and frame.oi is msgspec.UNSET
            return (Update(frame.symbol, frame.ts, oi, OI, number(frame.mark), affirms=affirms),)
        case _:
            raise ValueError(f"unknown kind {frame.kind}")


def answer(frame: Frame) -> Message | None:
    return {"pong": frame.n} if frame.kind == "ping" else None


def read(rows: list[Row], venue: str = "toy") -> Iterable[Instrument]:
    return [Instrument(venue, "main", r.symbol, r.asset, "USDT", "USDT", live=r.live) for r in rows]


SOCKET = Socket(
    url="wss://toy/ws", gives=frozenset({"oi", "mark"}), subscribe=subscribe, parse=parse, decode=wire(Frame),
    answer=answer, heartbeat=Heartbeat({"op": "ping"}, 0.05), pace=0.001, cadence=0.1,
)  # fmt: skip


def polled(reply: list[Frame]) -> Iterable[Said]:
    return [said for frame in reply for said in parse(frame)]


Reply = tuple[int, dict[str, str], str | bytes]
POLL = Poll(Ask("https://toy/oi"), 0.05, frozenset({"oi", "mark"}), polled, wire(list[Frame]))


def ask_past(i: Instrument, start: int, end: int) -> Ask:
    return Ask(f"https://toy/history?symbol={i.symbol}&start={start}&end={end}")


HISTORY = History(ask_past, polled, frozenset({"oi", "mark"}), step=300, limit=3, depth=30, decode=wire(list[Frame]))


def venue(
    *feeds: Socket | Poll, limits: Limits | None = None, history: tuple[History, ...] = (), id: str = "toy"
) -> Venue:
    segment = Segment(
        id="main", catalogue=Ask("https://toy/catalogue"), read=partial(read, venue=id), owns=lambda _: True,
        feeds=feeds or (SOCKET,), history=history, decode=wire(list[Row]),
    )  # fmt: skip
    limits = limits or Limits(weight=1000, per=1, dials=1000, dials_per=1)
    return Venue(id, "Toy", "speculative", "https://toy/docs", (OI,), (segment,), limits)


def spared(*feeds: Socket | Poll) -> Venue:
    """A venue that can be asked over REST, symbol by symbol, about whom its socket (or poll) stays silent about."""
    toy = venue(*feeds)
    answer = Answer(POLL.parse, POLL.decode, ask=lambda i: Ask(f"https://toy/oi/{i.symbol}"))  # type: ignore[arg-type]
    return replace(toy, segments=(replace(toy.segments[0], answers=(answer,)),))


def now_of(symbol: str, oi: float, **more: float) -> Callable[[], Reply]:
    return lambda: (200, {}, json.dumps([{"kind": "snap", "symbol": symbol, "oi": oi, **more}]))


class Steady:
    """A clock that a busy machine cannot hurry: between two turns of the loop 20 ms pass at most, and none within one.

    While it is `going`, the loop's own timers go by it too, so that what is waited for and what is measured agree.
    """

    def __init__(self) -> None:
        self.at = 0.0
        self.epoch = utc_ms()
        self.going = False

    def __call__(self) -> float:
        """Seconds."""
        return self.at

    def ms(self) -> int:
        """ms UTC, by the same clock."""
        return self.epoch + round(1000 * self.at)

    @contextmanager
    def run(self) -> Iterator[None]:
        """Let it go, for everything on this loop. Within itself it does nothing."""
        if self.going:
            yield
            return
        loop: Any = asyncio.get_running_loop()
        select, begun, looked = loop._selector.select, loop.time() - self.at, time.monotonic()

        def turn(timeout: float | None) -> Any:
            nonlocal looked
            ready = select(TURN_S if timeout is None else min(timeout, TURN_S))
            now = time.monotonic()
            self.at += min(MOST_S, now - looked)
            looked = now
            return ready

        loop._selector.select, loop.time, self.going = turn, lambda: begun + self.at, True
        try:
            yield
        finally:
            del loop._selector.select, loop.time
            self.going = False


Talk = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """The exchange's end of one connection."""

    ws: ServerConnection
    place: int  # 0 for the first connection
    asked: list[list[str]] = field(default_factory=list[list[str]])  # subscriptions, in order
    heard: list[Any] = field(default_factory=list[Any])  # everything else

    async def said(self) -> dict[str, Any]:
        """The next subscription; heartbeats are answered on the way."""
        while True:
            message = json.loads(await self.ws.recv())
            if "subscribe" in message:
                self.asked.append(message["subscribe"])
                return message
            self.heard.append(message)
            if message.get("op") == "ping":
                await self.send(kind="pong")

    async def take(self) -> dict[str, Any]:
        """The next subscription, acknowledged."""
        message = await self.said()
        await self.send(kind="ack", n=message["n"])
        return message

    async def send(self, **frame: Any) -> None:
        await self.ws.send(json.dumps(frame))

    async def snap(self, symbol: str = "BTC", oi: Any = 1000.0, mark: Any = 50_000.0, ts: int | None = None) -> None:
        await self.send(kind="snap", symbol=symbol, oi=oi, mark=mark, ts=ts)

    async def listen(self) -> None:
        """Answer heartbeats until the line ends."""
        while True:
            await self.said()

    async def flow(self, *symbols: str, every: float = 0.03, oi: float = 1000.0) -> None:
        """Snapshots for ever."""
        while True:
            for symbol in symbols or ("BTC",):
                await self.snap(symbol, oi)
            oi += 1
            await anyio.sleep(every)


@dataclass
class Exchange:
    """One loopback server: the catalogue and other replies over HTTP, a script for each connection."""

    talk: Talk
    listed: list[tuple[str, str]] = field(default_factory=lambda: [("BTC", "BTC")])
    replies: dict[str, Callable[[], Reply]] = field(default_factory=dict[str, Callable[[], Reply]])
    peers: list[Peer] = field(default_factory=list[Peer])
    clock: Steady = field(default_factory=Steady)
    called: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])  # by the clock, as they set out
    dials: list[float] = field(default_factory=list[float])  # by the clock, as they arrive
    requests: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    port: int = 0
    far: float = 0.0  # seconds that an answer takes

    def address(self, _: Venue, url: str) -> str:
        at = urlsplit(url)
        self.called.append((self.clock(), f"{at.path}?{at.query}"))
        scheme = "ws" if at.scheme == "wss" else "http"
        return f"{scheme}://127.0.0.1:{self.port}{at.path}?{at.query}"

    def reply(self, _: ServerConnection, request: Request) -> Response | None:
        path = urlsplit(request.path).path
        if path == "/ws":
            self.dials.append(self.clock())
        else:
            self.requests.append((self.clock(), request.path))
        if path in self.replies:
            status, headers, body = self.replies[path]()
            if status == 101:
                return None
        elif path == "/ws":
            return None
        else:
            rows = [{"symbol": symbol, "asset": asset} for symbol, asset in self.listed]
            status, headers, body = 200, {"Content-Type": "application/json"}, json.dumps(rows)
        text = body.encode() if isinstance(body, str) else body
        headers = {"Connection": "close", "Content-Length": str(len(text)), **headers}
        return Response(status, HTTPStatus(status).phrase, Headers(headers), text)

    async def answer(self, ws: ServerConnection, request: Request) -> Response | None:
        reply = self.reply(ws, request)
        if self.far > 0:
            await anyio.sleep(self.far)
        return reply

    async def serve(self, ws: ServerConnection) -> None:
        peer = Peer(ws, len(self.peers))
        self.peers.append(peer)
        try:
            await self.talk(peer)
        except* ConnectionClosed:  # in a task group too
            pass

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Exchange"]:
        server = await serve(
            self.serve, "127.0.0.1", 0, process_request=self.answer, close_timeout=0.1, ping_interval=None
        )
        self.port = next(iter(server.sockets)).getsockname()[1]
        try:
            with self.clock.run():
                yield self
        finally:
            server.close()
            for peer in self.peers:
                peer.ws.transport.abort()
            await server.wait_closed()


@dataclass
class Records:
    """A sink that can be waited on."""

    all: list[Record] = field(default_factory=list[Record])
    news: anyio.Event = field(default_factory=anyio.Event)

    def __call__(self, record: Record) -> None:
        self.all.append(record)
        self.news.set()
        self.news = anyio.Event()

    async def until(self, found: Callable[[], Any], limit: float = 30.0) -> Any:
        """Wait, with a limit, until something is so; the answer."""
        with anyio.fail_after(limit):
            while not (answer := found()):
                news = self.news
                with anyio.move_on_after(0.02):  # what is waited for may not be a record
                    await news.wait()
        return answer

    def readings(self, symbol: str = "BTC") -> list[OpenInterest]:
        return [r for r in self.all if isinstance(r, OpenInterest) and r.instrument.symbol == symbol]

    def gaps(self, symbol: str = "BTC") -> list[Gap]:
        return [r for r in self.all if isinstance(r, Gap) and r.symbol == symbol]

    def states(self, symbol: str = "BTC") -> list[str]:
        """States in the order in which they came, without repeats."""
        found: list[str] = []
        for r in self.all:
            if isinstance(r, Health) and r.symbol == symbol and (not found or found[-1] != r.state):
                found.append(r.state)
        return found

    def of(self, kind: type[Any]) -> list[Any]:
        return [r for r in self.all if isinstance(r, kind)]

    def holes(self, symbol: str = "BTC") -> list[Gap]:
        """The gaps that have ended: each begins with the last value before it and ends with the first one after it."""
        ended = [gap for gap in self.gaps(symbol) if gap.end is not None]
        seen = [r.seen for r in self.readings(symbol)]
        for gap in ended:
            assert gap.end is not None
            assert Gap(gap.venue, gap.segment, gap.symbol, gap.start, None, gap.reason) in self.all, "it had opened"
            assert not [at for at in seen if gap.start + NEAR_MS < at < gap.end - NEAR_MS], "a value within a gap"
            assert not seen or min(abs(at - gap.end) for at in seen) <= NEAR_MS, "it ends with a value"
            before = [at for at in seen if at <= gap.start + NEAR_MS]
            assert not before or gap.start - max(before) <= NEAR_MS, "it begins with the last value"
        return ended


@contextmanager
def stored(records: Records, mode: Mode = "demo") -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """What a store makes of all that came: a question in SQL gives rows."""
    store = open_store(":memory:", mode)
    try:
        with Writer(store, mode == "demo") as writer:
            for record in records.all:
                if isinstance(record, Instrument):
                    assert writer.flush()  # each version: of two in one batch the newer is kept
                writer.put(record)
            assert writer.flush()
            yield lambda sql: store.cursor().execute(sql).fetchall()
    finally:
        store.close()


def no_delays() -> Iterator[float]:
    while True:
        yield 0.01


@asynccontextmanager
async def collecting(exchange: Exchange, *venues: Venue, **seams: Any) -> AsyncIterator[Records]:
    """A run against the exchange, ended with the block."""
    records = Records()
    settings: dict[str, Any] = {
        "collecting": Collecting(assets=None, simulated=True),
        "address": exchange.address,
        "patience": SHORT,
        "rhythm": QUICK,
        "delays": no_delays,
        "clock": exchange.clock,
        "now": exchange.clock.ms,
    } | seams
    async with exchange.open(), anyio.create_task_group() as tasks:

        async def work() -> None:
            await run(venues or (venue(),), records, **settings)

        tasks.start_soon(work)
        yield records
        tasks.cancel_scope.cancel()


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
