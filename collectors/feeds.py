"""Keeps one socket going for ever: opens its line again when it ends. And what all keepers of feeds share."""

import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import anyio
from websockets.exceptions import InvalidStatus, WebSocketException

from collectors.besides import Besides
from collectors.board import Board
from collectors.connection import UNREADABLE, Line, leaf
from collectors.http import BlockedError, Clock, FailedError, Http, LimitedError, Sink, utc_ms
from collectors.ledger import Ledger
from collectors.venue import Parse, Remembering, Socket, Venue
from collectors.watch import Patience, SilentError, UnreadableError
from store.records import Instrument

log = logging.getLogger(__name__)

Delays = Callable[[], Iterator[float]]
Ended = tuple[str, str, int | None]
"""How a try ended: the state, the words, and when to try again at the earliest [ms UTC]."""
BROKEN = (
    OSError,
    WebSocketException,
    TimeoutError,
    SilentError,
    UnreadableError,
    FailedError,
    LimitedError,
    BlockedError,
)
"""What ends a line in the ordinary course of things. Anything else is a bug, and the supervisor's."""


AILING = ("mute", "down", "blocked")
"""Ends of connections that brought nothing, for which their address may be to blame."""


def backoff(first: float = 0.5, cap: float = 45.0) -> Iterator[float]:
    """Full jitter under a doubling, capped ceiling [s]: venues that fall together are not dialled together."""
    ceiling = first
    while True:
        yield random.uniform(0.0, ceiling)
        ceiling = min(cap, 2 * ceiling)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often we do what, in seconds."""

    settled: float = 30.0  # data must have flowed for so long before the next wait is short again
    blocked: float = 300.0  # between two tries where we are not wanted
    incident: float = 5.0  # until a segment that is down is told alone: by then no venue may be in reach
    report: float = 10.0  # between two health rows of one symbol
    catalogue: float = 3600.0  # between two readings of the catalogue ...
    unknown: float = 60.0  # ... or so soon when a symbol appears that it did not name
    round: float = 60.0  # in which a round of questions is asked, one an instrument, where its period is longer
    again: float = 300.0  # until one that failed is asked again, where its period is longer; doubled each time ...
    again_max: float = 3600.0  # ... up to this
    spare: float = 60.0  # between two questions over REST about whom a socket stays silent about
    handover: float = 10.0  # how long an old connection waits for the next one to carry every symbol


RHYTHM = Rhythm()


@dataclass(slots=True)
class Feeding:
    """What the keepers of one feed share."""

    venue: Venue
    segment: str
    http: Http
    board: Board
    besides: Besides
    ledger: Ledger
    sink: Sink
    listing: Callable[[], list[Instrument]]  # the whole catalogue, in its order
    patience: Patience
    rhythm: Rhythm
    delays: Delays
    every: float  # seconds between polls: the feed's own, or what the user wants
    clock: Clock = time.monotonic
    now: Callable[[], int] = utc_ms
    name: str = ""  # what it gives, and its number where another gives the same
    frames: int = 0  # of connections that have ended, and of replies
    unreadable: int = 0
    ignored: int = 0
    groups: list[dict[str, Instrument]] = field(default_factory=lambda: list[dict[str, Instrument]]())  # polled
    stretched: float = 0.0  # seconds between polls that were told last, where the budget allows no more; else 0
    strange: int = 0  # replies in a row that could not be read
    lives: "list[Life]" = field(default_factory=lambda: list[Life]())  # connections that are open now
    elsewhere: Callable[[dict[str, Instrument]], None] = field(default=lambda _: None)  # opens a line of their own

    def counts(self) -> tuple[int, int, int]:
        """(frames, unreadable, ignored) so far"""
        told = [(line.frames, line.unreadable, line.ignored) for line in (life.line for life in self.lives)]
        frames, unreadable, ignored = zip((self.frames, self.unreadable, self.ignored), *told, strict=True)
        return sum(frames), sum(unreadable), sum(ignored)

    def lags(self) -> list[int]:
        """ms from a stated time to its arrival, lately, one a second and connection"""
        return [lag for life in self.lives for lag in life.line.lags]


@dataclass(slots=True)
class Life:
    """One connection, as its keeper sees it."""

    line: Line
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    over: anyio.Event = field(default_factory=anyio.Event)  # ended, or to be followed
    ended: Ended | None = None


async def guard(
    name: str,
    work: Callable[[], Awaitable[None]],
    broken: Callable[[str], None],
    delays: Delays,
    settled: float = RHYTHM.settled,
) -> None:
    """Nothing that goes wrong in `work` passes here; it is begun again. The waits are short again after `settled` s."""
    told, waits = "", delays()
    while True:
        delay, begun = next(waits), anyio.current_time()
        try:
            await work()
        except Exception as fault:  # a bug in one venue's file must not stop the other venues
            if anyio.current_time() - begun >= settled:
                waits = delays()
                delay = next(waits)
            first = leaf(fault) if isinstance(fault, ExceptionGroup) else fault  # type: ignore[arg-type]  # unknown parts
            words = f"{first.__class__.__name__}: {first}"[:300]
            log.error("%s: broken, again in %.1f s: %s", name, delay, words, exc_info=words != told)
            told = words  # the whole story once is enough
            broken(words)
        else:
            return
        await anyio.sleep(delay)


def parser(socket: Socket, listing: list[Instrument], wanted: frozenset[str]) -> Parse:
    return socket.parse.make(listing, wanted) if isinstance(socket.parse, Remembering) else socket.parse


async def keep_socket(feed: Feeding, socket: Socket, group: dict[str, Instrument], *, moved: bool = False) -> None:
    """One connection after another. The next is opened before the last ends where the venue gives warning.

    What another connection went on without (`moved`) is dialled for but seldom where this one brings nothing either:
    then the symbols are at fault, and no connection.
    """
    delays = feed.delays()
    aside: dict[str, str] = {}
    barren = int(moved)  # connections in a row that were well and brought nothing
    urls, place = (socket.url, *socket.others), 0
    older: Life | None = None
    lives: list[Life] = []

    def elsewhere(symbols: Sequence[str]) -> None:
        for symbol in symbols:
            aside.pop(symbol, None)
        feed.elsewhere({symbol: group.pop(symbol) for symbol in symbols if symbol in group})

    async with anyio.create_task_group() as tasks:
        while group:
            over = anyio.Event()
            parse = parser(socket, feed.listing(), frozenset(group))
            line = Line(
                socket, list(group.values()), parse, feed.board, feed.besides, feed.ledger, feed.sink,
                aside=aside, patience=feed.patience, succession=lambda _words, over=over: over.set(),
                elsewhere=elsewhere, clock=feed.clock, now=feed.now,
            )  # fmt: skip
            life = Life(line, over=over)
            lives[:] = [*(other for other in lives if other.ended is None), life]  # the older ones look at it too
            tasks.start_soon(live, feed, socket, urls[place], group, life, lives)
            if older is not None:
                tasks.start_soon(retire, feed, older, life)
            await over.wait()
            if life.ended is None:
                older = life
                continue
            if line.first is not None and (line.last or feed.clock()) - line.first >= feed.rhythm.settled:
                delays = feed.delays()
            useless = life.ended[0] == "refused" or (moved and life.ended[0] == "mute")
            barren = 0 if line.subscriptions.flowing else barren + useless
            if useless:
                aside.clear()  # the next connection asks anew
            if barren > 1:
                await anyio.sleep(feed.patience.again_max)
            if line.first is None and life.ended[0] in AILING:
                place = (place + 1) % len(urls)
            await rest(life.ended, delays, feed.rhythm, feed.now, another=place > 0)


async def live(
    feed: Feeding, socket: Socket, url: str, group: dict[str, Instrument], life: Life, lives: list[Life]
) -> None:
    """One connection, and what its end means for what we know."""
    line = life.line
    feed.lives.append(life)
    try:
        with life.scope:
            await feed.http.dial(feed.venue)
            if socket.token is not None and socket.dial is not None:  # fresh for every dial
                url = dialled(socket, await feed.http.ask(feed.venue, socket.token))
            await line.live(feed.http.address(feed.venue, url))
    except BROKEN as fault:
        life.ended = explain(feed.http, feed.venue, fault)
    else:
        life.ended = ("closed", "followed by another connection", None)
    finally:
        bury(feed, socket, group, life, lives)
    life.over.set()


def dialled(socket: Socket, reply: bytes) -> str:
    """The address that a venue's token makes."""
    assert socket.dial is not None
    try:
        return socket.dial(socket.decode(reply))
    except UNREADABLE as fault:
        raise FailedError(f"unreadable token: {fault.__class__.__name__}: {fault}") from fault


def bury(feed: Feeding, socket: Socket, group: dict[str, Instrument], life: Life, lives: list[Life]) -> None:
    """What a connection counted is kept, and what it knew is forgotten; also where a bug or our own stop ended it.

    Then it has no end in words: of a bug `guard` tells, of our stop the keeper.
    """
    line = life.line
    feed.lives.remove(life)
    feed.frames += line.frames
    feed.unreadable += line.unreadable
    feed.ignored += line.ignored
    carried = any(other.ended is None and other.line.first is not None for other in lives if other is not life)
    if life.scope.cancel_called or carried:
        return
    symbols = [s for s in group if s not in line.subscriptions.aside]
    feed.board.forget(symbols, socket.gives)
    if "volume" in socket.gives:
        feed.besides.forget(symbols)
    if life.ended is not None:
        state, words, _ = life.ended
        feed.ledger.lost(symbols, state, words, line.proved)


async def retire(feed: Feeding, older: Life, younger: Life) -> None:
    """End the old connection once the new one carries what it carried."""
    with anyio.move_on_after(feed.rhythm.handover):
        await younger.line.complete.wait()
    if younger.line.first is not None and younger.ended is None:
        older.scope.cancel()


async def rest(
    ended: Ended, delays: Iterator[float], rhythm: Rhythm, now: Callable[[], int], *, another: bool = False
) -> None:
    """Wait before the next try: as long as the venue asks, else by the backoff. `another` address may let us in."""
    state, _, until = ended
    delay = next(delays)
    if until is not None:
        delay += max(0.0, (until - now()) / 1000)
    elif state == "blocked" and not another:
        delay += rhythm.blocked
    await anyio.sleep(delay)


def explain(http: Http, venue: Venue, fault: BaseException) -> Ended:
    """The state, the words and the earliest next try that an error means."""
    if isinstance(fault, InvalidStatus):
        reply = fault.response
        judged = http.judge(venue, reply.status_code, reply.headers, bytes(reply.body))
        fault = fault if judged is None else judged
    match fault:
        case LimitedError():
            return "limited", str(fault), fault.until
        case BlockedError():
            return "blocked", str(fault), None
        case SilentError():
            return fault.state, str(fault), None
        case FailedError() | UnreadableError():
            return "down", str(fault), None
        case _:
            return "down", f"{fault.__class__.__name__}: {fault}".rstrip(": "), None
