"""One connection's life: dial, subscribe, answer, keep the heartbeat, hand on what is said. Never reconnects.

What ends a connection is raised: `SilentError` when data stops or never comes, `UnreadableError` past a rate of bad
frames, else what the socket says (OSError, websockets' own errors).
"""

import logging
import re
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Sequence

import anyio
from websockets.asyncio.client import ClientConnection, connect

from collectors.besides import Besides
from collectors.board import Board
from collectors.http import Clock, Sink, proxy, utc_ms
from collectors.ledger import LIVE, Ledger
from collectors.subscriptions import Subscriptions
from collectors.venue import (
    Acked,
    CatalogueError,
    Heartbeat,
    Ignored,
    Liquidated,
    Message,
    Notice,
    Parse,
    Ratio,
    Refused,
    Said,
    Socket,
    Tier,
    Traded,
    Update,
    spelled,
)
from collectors.watch import PATIENCE, Patience, watch
from collectors.wire import channel_of
from store.records import Instrument, Quarantined, Source

log = logging.getLogger(__name__)

PARTS = re.compile(r"[.:@/]")  # of a channel's name
KEPT = 2000  # characters of an unreadable frame
LAGS = 300
UNREADABLE = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, EOFError, OSError, zlib.error,
)  # fmt: skip
"""What a venue's decode and parse may raise on a frame they cannot read, infinities and nested bombs too.

EOFError and what follows are gzip's.
"""


class Line:
    """Owns one connection from its dial to its end."""

    def __init__(
        self,
        socket: Socket,
        instruments: Sequence[Instrument],
        parse: Parse,
        board: Board,
        besides: Besides,
        ledger: Ledger,
        sink: Sink,
        *,
        aside: dict[str, str] | None = None,
        patience: Patience = PATIENCE,
        succession: Callable[[str], None] = log.info,
        elsewhere: Callable[[Sequence[str]], None] = lambda _: None,
        clock: Clock = time.monotonic,
        now: Callable[[], int] = utc_ms,
    ) -> None:
        self.socket = socket
        self.parse = parse
        self.board = board
        self.besides = besides
        self.ledger = ledger
        self.sink = sink
        self.patience = patience
        self.succession = succession  # called when the next connection should be opened before this one ends
        self.elsewhere = elsewhere  # called with symbols that another connection is to carry
        self.clock = clock
        self.now = now
        self.subscriptions = Subscriptions(instruments, socket.batch, {} if aside is None else aside)
        self.pending = set(self.subscriptions.wanted)  # no data yet on this connection
        self.frames = 0
        self.unreadable = 0
        self.ignored = 0  # of kinds that we do not read
        self.lags = deque[int](maxlen=LAGS)  # ms from a stated time to its arrival, one a look
        self.lag_due = False
        self.noted: tuple[int, int] = (0, 0)  # frames and unreadable at the last look
        self.opened = 0.0
        self.spoke = 0.0  # when the last subscription was sent
        self.first: float | None = None
        self.last: float | None = None
        self.tried: dict[str, tuple[float, float]] = {}  # symbol: when to subscribe it again, and the wait after that
        self.retried = False
        self.heard = Counter[str]()  # frames of each channel, since the first that could not be read ...
        self.strangers = Counter[str]()  # ... and those that could not
        self.alarmed = set[str]()  # channels
        self.succeeded = False
        self.proved: float | None = None  # when the line was last known to be whole, where silence proves nothing
        self.looked = 0.0
        self.any_counts = "oi" not in socket.gives  # else only what states or affirms open interest counts
        self.complete = anyio.Event()  # every wanted symbol has been heard

    async def live(self, url: str) -> None:
        """From dial to end. Raises what ended it."""
        patience = self.patience
        line = await connect(
            url,
            additional_headers=self.socket.headers,
            open_timeout=patience.dial,
            close_timeout=patience.farewell,
            ping_interval=patience.probe,
            # Where silence proves nothing, pongs must; elsewhere only data does, and some venues answer no ping.
            ping_timeout=patience.probe if self.socket.cadence is None else None,
            max_size=2**24,
            proxy=proxy(url),
        )
        self.opened = self.spoke = self.clock()
        self.proved = self.opened if self.socket.cadence is None else None  # else only data prove anything
        try:
            if self.socket.greets:
                with anyio.fail_after(patience.greeting):
                    await line.recv()
                self.frames += 1
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.subscribe, line)
                tasks.start_soon(watch, self)
                if self.socket.heartbeat is not None:
                    tasks.start_soon(beat, line, self.socket.heartbeat, self.now)
                await self.receive(line)
        except BaseExceptionGroup as group:
            raise leaf(group) from group
        finally:
            with anyio.move_on_after(patience.farewell, shield=True):
                await line.close()
            line.transport.abort()

    async def receive(self, line: ClientConnection) -> None:
        """The hot path. No queue between socket and board, and no limit on each frame: `watch` has the clock."""
        decode, answer, parse = self.socket.decode, self.socket.answer, self.parse
        recv, clock, now = line.recv, self.clock, self.now
        while True:
            frame = await recv()
            self.frames += 1
            if self.unreadable:
                self.heard[self.channel(frame)] += 1
            at, seen = clock(), now()
            try:
                message = decode(frame)
                if message is None:
                    self.ignored += channel_of(decode, frame) != frame  # a greeting is no channel
                    continue
                reply = None if answer is None else answer(message)
                if reply is None:
                    for said in parse(message):
                        if said.__class__ is Update:
                            self.update(said, at, seen)  # type: ignore[arg-type]  # narrowed by class, for speed
                        else:
                            self.other(said, at, seen)
                    continue
            except UNREADABLE as fault:
                self.strange(frame, fault, seen)
                continue
            await line.send(text(reply, seen))

    def update(self, update: Update, at: float, seen: int) -> None:
        """Market data: to the board, to the sink, and into the books."""
        record = self.board.apply(update, seen)
        if record is not None:
            self.sink(record)
        self.last = at
        if self.lag_due and update.ts is not None:
            self.lag_due = False
            self.lags.append(seen - update.ts)
        standing = self.ledger.standings.get(update.symbol)
        if standing is None or not (self.any_counts or update.oi is not None or update.affirms or record is not None):
            return
        if self.pending and update.symbol in self.pending:
            if update.oi is None and not self.any_counts:
                return  # "unchanged" before any value: a delta that overtook its snapshot
            self.begins(update.symbol, at)
        if (self.board.doubted or self.board.waits) and not self.any_counts and self.board.unproved(update.symbol):
            return  # the line is well, but no reading is any newer by what it states
        standing.at = at
        standing.frames += 1
        if standing.state is not LIVE:
            self.ledger.revive(standing)

    def begins(self, symbol: str, at: float) -> None:
        """First data of a symbol on this connection."""
        self.pending.discard(symbol)
        self.tried.pop(symbol, None)
        self.subscriptions.flows(symbol)
        if self.first is None:
            self.first = at
        if not self.pending:
            self.complete.set()

    def beside(self, symbol: str, at: float) -> None:
        """Data, but not open interest: they prove a feed that does not give that."""
        standing = self.ledger.standings.get(symbol)
        if not self.any_counts:
            return
        self.last = at
        if standing is None:
            return
        if symbol in self.pending:
            self.begins(symbol, at)
        standing.at = at
        standing.frames += 1
        if standing.state is not LIVE:
            self.ledger.revive(standing)

    def other(self, said: Said, at: float, seen: int) -> None:
        match said:
            case Liquidated() | Traded() | Ratio() | Tier():
                for record in self.besides.take(said, seen, Source.STREAM):
                    self.sink(record)
                self.beside(said.symbol, at)
            case Acked():
                self.refused(self.subscriptions.ack(said), at)
            case Refused():
                log.info("%s: refused: %s", self.ledger.venue, said.words)
                self.refused(self.subscriptions.refuse(said), at)
            case Notice():
                self.succeed(said.words)
            case Ignored():
                self.ignored += 1
            case Update():
                self.update(said, at, seen)

    def refused(self, symbols: dict[str, str], at: float) -> None:
        for symbol, words in symbols.items():
            log.warning("%s %s: refused: %s", self.ledger.venue, symbol, words)
            self.ledger.lost([symbol], "refused", words)
            self.tried[symbol] = (at + self.patience.again_max, self.patience.again_max)

    def strange(self, frame: str | bytes, fault: Exception, seen: int) -> None:
        """Keep a frame we cannot read for whoever mends it, and go on."""
        channel = self.channel(frame)
        self.heard[channel] += not self.unreadable
        self.strangers[channel] += 1
        self.unreadable += 1
        if isinstance(fault, CatalogueError):
            self.board.unknown += 1  # has the catalogue read again
        if self.unreadable - self.noted[1] <= self.patience.samples:
            raw = frame if isinstance(frame, str) else repr(frame[:KEPT])
            words = f"{fault.__class__.__name__}: {fault}"[:300]
            self.sink(Quarantined(self.ledger.venue, self.ledger.segment, "", seen, "unreadable", words, raw[:KEPT]))

    def channel(self, frame: str | bytes) -> str:
        """Which kind of channel a frame is of, without the symbol in its name."""
        name = channel_of(self.socket.decode, frame)
        return ".".join(part for part in PARTS.split(name) if part not in self.subscriptions.wanted)

    def succeed(self, words: str) -> None:
        if not self.succeeded:
            self.succeeded = True
            self.succession(words)

    async def subscribe(self, line: ClientConnection) -> None:
        subscriptions, socket = self.subscriptions, self.socket
        await anyio.sleep(socket.rest)
        while True:
            request = subscriptions.next()
            if request is None:
                await subscriptions.waiting.wait()
                continue
            for message in socket.subscribe(request.group, request.number):
                await line.send(text(message, self.now()))
                await anyio.sleep(socket.pace)
            if not self.retried:
                self.spoke = self.clock()
            if request.careful:
                with anyio.move_on_after(self.patience.answer):
                    await request.answered.wait()


async def beat(line: ClientConnection, heartbeat: Heartbeat, now: Callable[[], int]) -> None:
    while True:
        await anyio.sleep(heartbeat.every)
        await line.send(text(heartbeat.message, now()))


def text(message: Message, now: int) -> str:
    return message if isinstance(message, str) else spelled(message, now)


def leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended a task group: the first error in it."""
    inner: BaseException = group.exceptions[0]
    return leaf(inner) if isinstance(inner, BaseExceptionGroup) else inner  # type: ignore[arg-type]  # of unknown parts
