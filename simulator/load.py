"""Load: frames rendered beforehand, sent as fast as asked for. For benches, in a process of its own (decisions.md, 32).

Catalogues, acks and heartbeats are those of the scripts, whose venues can list further contracts; only the data is
canned. Every subscription is pushed equally often: snapshots once, then what follows them, again and again. Times are
those of the sending: digits overwrite as many digits. Open interest and marks move from round to round. Forced closes
are not canned: they trickle between, a few a second in all.
"""

import gzip
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection

import anyio
import anyio.lowlevel
import anyio.to_thread
from msgspec import structs
from websockets.protocol import State

from simulator.conversation import Conversation, Speech
from simulator.exchange import Exchange, Line, elsewhere, exchange, real, utc_ms
from simulator.fixed import Fixed
from simulator.many import all_widened
from simulator.quotes import Forced, Quote, Quotes
from simulator.script import load_all
from simulator.trickle import EVERY_S, Trickle
from simulator.values import Views

STAMP_MS = 9_000_000_012_345  # stands for the time of sending
MINUTE_MS = STAMP_MS // 60_000 * 60_000  # ... and for the start of its minute
TICK_S = 0.02  # between two bursts
SETTLED_S = 0.5  # without a new subscription before rendering
HELD = 2**22  # bytes a slow reader may leave in our buffer before we wait for it
STEP = 1e-4  # by which open interest grows from round to round; a tenth of it the prices

Stamps = tuple[tuple[bytes, Callable[[int], bytes]], ...]
"""Digits that stand for a time, and what it is at a moment, ms UTC. The longer come first."""


def iso(ms: int) -> bytes:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").encode()[:23]


STAMPS: Stamps = (
    (iso(STAMP_MS), iso),
    (str(STAMP_MS).encode(), lambda now: str(now).encode()),
    (str(MINUTE_MS).encode(), lambda now: str(now // 60_000 * 60_000).encode()),
    (str(STAMP_MS // 1000).encode(), lambda now: str(now // 1000).encode()),
    (str(MINUTE_MS // 1000).encode(), lambda now: str(now // 60_000 * 60).encode()),
)


@dataclass(slots=True)
class Moving:
    """Another market, a little further with each round."""

    market: Quotes
    now_ms: int
    round: int = 0

    def quote(self, venue: str, segment: str, symbol: str, now_ms: int) -> Quote | None:
        quote = self.market.quote(venue, segment, symbol, self.now_ms)
        if quote is None:
            return None
        grown, dearer = 1 + self.round * STEP, 1 + self.round * STEP / 10
        return replace(quote, oi_base=quote.oi_base * grown, mark=quote.mark * dearer, index=quote.index * dearer)

    def forced(self, venue: str, segment: str, symbol: str, since_ms: int, now_ms: int) -> Sequence[Forced]:
        return ()

    def past(
        self, venue: str, segment: str, symbol: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Sequence[tuple[int, Quote]]:
        return self.market.past(venue, segment, symbol, start_ms, end_ms, step_ms)


@dataclass(slots=True)
class Load:
    """How much is sent, and how much was."""

    rate: float  # frames a second, over all connections
    every_s: float = EVERY_S  # between two forced closes on one connection
    rounds: int = 20  # different values each subscription goes through before they repeat
    sent: int = 0  # canned data frames
    closes: int = 0  # frames with a forced close, beside those
    by_venue: Counter[str] = field(default_factory=Counter[str])  # of any kind, by venue
    late: int = 0  # bursts put off because the reader was behind
    lines: int = 0  # connections that are being fed
    weight: float = 0.0  # frames that all of them are sent a round
    over: bool = False  # nothing more is sent


def canned(talk: Conversation, now_ms: int, rounds: int) -> Iterator[list[str | bytes]]:
    """Round after round of the data frames of all that a connection has subscribed, with stamps for times, unpacked.

    The first round is what a new subscription is told; it is not said again.
    """
    speech = talk.speech
    moving = Moving(speech.views.quotes, now_ms)
    copy = Conversation(Speech(structs.replace(speech.socket, packed=None), Views(speech.views.script, moving)))
    copy.subscriptions = {place: replace(sub, sent=0, due=0.0) for place, sub in talk.subscriptions.items()}
    longest = max((sub.channel.every_s for sub in copy.subscriptions.values()), default=0.0)
    for n in range(rounds):
        moving.round = n
        yield copy.due(n * longest, STAMP_MS)


def wire(frame: str | bytes) -> bytes:
    """A text or binary frame as a server sends it: unmasked, unfragmented (RFC 6455, 5.2)."""
    kind, body = (0x81, frame.encode()) if isinstance(frame, str) else (0x82, frame)
    size = len(body)
    if size < 126:
        return bytes((kind, size)) + body
    if size < 2**16:
        return bytes((kind, 126)) + size.to_bytes(2, "big") + body
    return bytes((kind, 127)) + size.to_bytes(8, "big") + body


@dataclass(frozen=True, slots=True)
class Canned:
    """What one connection is sent: once, and then again and again; as frames, or as bodies still to be packed."""

    first: Sequence[bytes]
    again: Sequence[bytes]
    stamps: Stamps  # those that occur
    packed: bool
    weight: float  # frames a round

    def burst(self, start: int, count: int, now_ms: int) -> bytes:
        """So many frames from the `start`th on, with the times of this moment."""
        first, again = self.first, self.again
        frames = list(first[start : start + count])
        place = start + len(frames) - len(first)
        frames += [again[n % len(again)] for n in range(place, place + count - len(frames))]
        stamped = [(old, new(now_ms)) for old, new in self.stamps]
        if not self.packed:
            return stamping(b"".join(frames), stamped)
        return b"".join(wire(gzip.compress(stamping(frame, stamped), 1, mtime=0)) for frame in frames)


def stamping(frames: bytes, stamped: Sequence[tuple[bytes, bytes]]) -> bytes:
    for old, new in stamped:
        frames = frames.replace(old, new)
    return frames


async def rendered(line: Line, rounds: int) -> Canned | None:
    """None for a connection that is sent nothing but forced closes. Others get their turn between the rounds."""
    packed = line.talk.speech.socket.packed is not None
    told: list[list[bytes]] = []
    for frames in canned(line.talk, utc_ms(), rounds):
        texts = [frame for frame in frames if isinstance(frame, str)]
        told.append([text.encode() if packed else wire(text) for text in texts])
        await anyio.lowlevel.checkpoint()
    again = [frame for frames in told[1:] for frame in frames]
    if not again:
        return None
    everything = b"".join([*told[0], *again])
    stamps = tuple((old, new) for old, new in STAMPS if old in everything)
    return Canned(told[0], again, stamps, packed, len(again) / (rounds - 1))


async def flood(load: Load, line: Line) -> None:
    """Send one connection its share of the rate, from when its subscriptions have settled until it ends."""
    subscriptions = line.talk.subscriptions
    count = 0
    while open_still(line):
        beat(load, line)
        if count == 0 or len(subscriptions) != count:  # more was subscribed: let it settle, and render anew
            count = len(subscriptions)
            await anyio.sleep(SETTLED_S)
            continue
        ready = await rendered(line, load.rounds)
        if len(subscriptions) != count:
            await anyio.sleep(SETTLED_S)
            continue
        trickle = Trickle(line.talk, time.monotonic(), utc_ms(), load.every_s)
        if ready is None:
            await closes(load, line, trickle)
            continue
        load.lines += 1
        load.weight += ready.weight
        try:
            await bursts(load, line, ready, trickle)
        finally:
            load.lines -= 1
            load.weight -= ready.weight


def open_still(line: Line) -> bool:
    """Whether bytes may be written. A peer that just vanishes leaves the state open and our end closed."""
    return (
        line.socket.state is State.OPEN and not line.socket.protocol.eof_sent and not line.socket.transport.is_closing()
    )


def beat(load: Load, line: Line) -> None:
    """The venue's own ping, if it is time."""
    for frame in line.talk.ask(anyio.current_time(), utc_ms()):
        line.socket.transport.write(wire(frame))
        load.by_venue[venue_of(line)] += 1


def die(load: Load, line: Line, trickle: Trickle) -> None:
    """The next forced close, if it is time."""
    for frame in () if load.over else trickle.due(time.monotonic(), utc_ms()):
        line.socket.transport.write(wire(frame))
        load.closes += 1
        load.by_venue[venue_of(line)] += 1


async def closes(load: Load, line: Line, trickle: Trickle) -> None:
    """Forced closes alone, until the connection ends or something else is subscribed."""
    subscribed = len(line.talk.subscriptions)
    while open_still(line) and len(line.talk.subscriptions) == subscribed:
        beat(load, line)
        die(load, line, trickle)
        await anyio.sleep(SETTLED_S / 2)


def venue_of(line: Line) -> str:
    assert line.socket.request is not None
    return real(line.socket.request.path, "wss")[0]


async def bursts(load: Load, line: Line, ready: Canned, trickle: Trickle) -> None:
    """Burst after burst, until the connection ends or something else is subscribed."""
    transport, subscribed, venue = line.socket.transport, len(line.talk.subscriptions), venue_of(line)
    await anyio.sleep(random.uniform(0, TICK_S))  # not all lines at the same moment
    place, owed, last = 0, 0.0, time.monotonic()
    while len(line.talk.subscriptions) == subscribed:
        await anyio.sleep(TICK_S)
        if not open_still(line):
            return
        beat(load, line)
        now = time.monotonic()
        owed += 0 if load.over else load.rate * ready.weight / load.weight * (now - last)
        last = now
        if transport.get_write_buffer_size() > HELD:
            load.late += 1
            continue
        die(load, line, trickle)
        count = int(owed)
        if count == 0:
            continue
        owed -= count
        transport.write(ready.burst(place, count, utc_ms()))
        place += count
        load.sent += count
        load.by_venue[venue] += count


def serve_load(pipe: Connection, rate: float, venues: Sequence[str] = (), rounds: int = 20, further: int = 0) -> None:
    """Target of a process: the venues (none named: all) under load, until the pipe is closed or says None.

    `further` assets are listed beside those of the scripts. Sends {"ws": port, "http": port} first; then answers
    anything but None with {"sent", "closes", "late", "lines", "venues", "waiting"} so far; after "over" no more data
    are sent.
    """
    fast = {"use_uvloop": find_spec("uvloop") is not None}
    anyio.run(serve, pipe, Load(rate, rounds=rounds), venues, further, backend_options=fast)


async def serve(pipe: Connection, load: Load, venues: Sequence[str], further: int = 0) -> None:
    scripts = {id: script for id, script in all_widened(load_all(), further) if not venues or id in venues}
    async with exchange(scripts, Fixed(scripts), pusher=partial(flood, load)) as it:
        pipe.send({"ws": it.ws_port, "http": it.http_port})
        while True:
            try:
                word = await anyio.to_thread.run_sync(pipe.recv, abandon_on_cancel=True)
            except EOFError:
                return
            if word is None:
                return
            load.over = load.over or word == "over"
            pipe.send(told(load, it))


def told(load: Load, it: Exchange) -> dict[str, object]:
    """`venues`: frames of any kind sent by each; `waiting`: bytes that readers have not taken yet."""
    waiting = sum(line.socket.transport.get_write_buffer_size() for lines in it.lines.values() for line in lines)
    frames = dict(load.by_venue + it.said)
    return {
        "sent": load.sent, "closes": load.closes, "late": load.late, "lines": load.lines, "venues": frames,
        "waiting": waiting,
    }  # fmt: skip


def address(ports: Mapping[str, int], venue: str, url: str) -> str:
    """Where a venue's real url is, in the process that sent these ports."""
    return elsewhere(venue, url, ports["ws"], ports["http"])
