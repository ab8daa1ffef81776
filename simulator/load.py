"""Load: frames rendered beforehand, sent as fast as asked for. For benches, in a process of its own (decisions.md, 32).

Catalogues, acks and heartbeats are those of the scripts; only the data is canned. A frame has the time at which it is
sent wherever its script says `now_ms`: 13 digits overwrite 13. Open interest and marks move from round to round.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection

import anyio
import anyio.to_thread
from websockets.protocol import State

from simulator.conversation import Conversation, Speech
from simulator.exchange import Line, elsewhere, exchange, utc_ms
from simulator.fixed import Fixed
from simulator.quotes import Forced, Quote, Quotes
from simulator.script import load_all
from simulator.values import Views

STAMP_MS = 9_000_000_000_001  # stands for the time of sending
TICK_S = 0.005  # between two bursts
SETTLED_S = 0.5  # without a new subscription before rendering
HELD = 2**22  # bytes a slow reader may leave in our buffer before we wait for it
STEP = 1e-4  # by which open interest grows from round to round; a tenth of it the prices


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
    rounds: int = 20  # different values each subscription goes through before they repeat
    sent: int = 0
    late: int = 0  # bursts put off because the reader was behind
    lines: int = 0  # connections that are being fed


def canned(talk: Conversation, now_ms: int, rounds: int) -> list[str | bytes]:
    """The data frames of all that a connection has subscribed, round after round, stamped `STAMP_MS`."""
    speech = talk.speech
    moving = Moving(speech.views.quotes, now_ms)
    copy = Conversation(Speech(speech.socket, Views(speech.views.script, moving)))
    copy.subscriptions = {place: replace(sub, sent=0, due=0.0) for place, sub in talk.subscriptions.items()}
    longest = max((sub.channel.every_s for sub in copy.subscriptions.values()), default=0.0)
    frames: list[str | bytes] = []
    for n in range(rounds):
        moving.round = n
        frames += copy.due(n * longest, STAMP_MS)
    return frames


def wire(frame: str | bytes) -> bytes:
    """A text or binary frame as a server sends it: unmasked, unfragmented (RFC 6455, 5.2)."""
    kind, body = (0x81, frame.encode()) if isinstance(frame, str) else (0x82, frame)
    size = len(body)
    if size < 126:
        return bytes((kind, size)) + body
    if size < 2**16:
        return bytes((kind, 126)) + size.to_bytes(2, "big") + body
    return bytes((kind, 127)) + size.to_bytes(8, "big") + body


async def flood(load: Load, line: Line) -> None:
    """Send one connection its share of the rate, from when its subscriptions have settled until it ends."""
    subscriptions = line.talk.subscriptions
    count = 0
    while open_still(line):
        if count == 0 or len(subscriptions) != count:  # more was subscribed: let it settle, and render anew
            count = len(subscriptions)
            await anyio.sleep(SETTLED_S)
            continue
        packed = [wire(frame) for frame in canned(line.talk, utc_ms(), load.rounds)]
        if not packed:  # nothing but forced closes
            await anyio.sleep(SETTLED_S)
            continue
        load.lines += 1
        try:
            await burst(load, line, packed)
        finally:
            load.lines -= 1


def open_still(line: Line) -> bool:
    """Whether bytes may be written. A peer that just vanishes leaves the state open and our end closed."""
    return (
        line.socket.state is State.OPEN and not line.socket.protocol.eof_sent and not line.socket.transport.is_closing()
    )


async def burst(load: Load, line: Line, packed: Sequence[bytes]) -> None:
    """Burst after burst, until the connection ends or something else is subscribed."""
    transport, subscribed = line.socket.transport, len(line.talk.subscriptions)
    stamp, place, owed, last = str(STAMP_MS).encode(), 0, 0.0, time.monotonic()
    while len(line.talk.subscriptions) == subscribed:
        await anyio.sleep(TICK_S)
        if not open_still(line):
            return
        now = time.monotonic()
        owed += load.rate / load.lines * (now - last)
        last = now
        if transport.get_write_buffer_size() > HELD:
            load.late += 1
            continue
        count = int(owed)
        owed -= count
        frames = b"".join([packed[n % len(packed)] for n in range(place, place + count)])
        transport.write(frames.replace(stamp, str(utc_ms()).encode()))
        place += count
        load.sent += count


def serve_load(pipe: Connection, rate: float, venues: Sequence[str] = (), rounds: int = 20) -> None:
    """Target of a process: the venues (none named: all) under load, until the pipe is closed or says None.

    Sends {"ws": port, "http": port} first; then answers anything but None with {"sent", "late", "lines"} so far.
    """
    anyio.run(serve, pipe, Load(rate, rounds), venues)


async def serve(pipe: Connection, load: Load, venues: Sequence[str]) -> None:
    scripts = {id: script for id, script in load_all().items() if not venues or id in venues}
    async with exchange(scripts, Fixed(scripts), pusher=partial(flood, load)) as it:
        pipe.send({"ws": it.ws_port, "http": it.http_port})
        while True:
            try:
                word = await anyio.to_thread.run_sync(pipe.recv, abandon_on_cancel=True)
            except EOFError:
                return
            if word is None:
                return
            pipe.send({"sent": load.sent, "late": load.late, "lines": load.lines})


def address(ports: Mapping[str, int], venue: str, url: str) -> str:
    """Where a venue's real url is, in the process that sent these ports."""
    return elsewhere(venue, url, ports["ws"], ports["http"])
