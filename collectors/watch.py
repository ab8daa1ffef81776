"""Looks at the clock for one connection: first data in time, then no silence, of the line and of each symbol.

Only data counts. A task that looks now and then is cheaper than a timer for each frame, and pongs cannot fool it.
"""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from collectors.ledger import DOUBTED, LIVE
from store.records import Event

if TYPE_CHECKING:
    from collectors.connection import Line

log = logging.getLogger(__name__)


class SilentError(Exception):
    """The connection is open and says nothing of the market: `mute` from the start, or `stale` after data."""

    def __init__(self, state: str, words: str) -> None:
        super().__init__(words)
        self.state = state


class UnreadableError(Exception):
    """So many frames could not be read that the connection itself must be at fault."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait for what, in seconds."""

    dial: float = 15.0  # TCP, TLS and the handshake
    greeting: float = 10.0
    first: float = 20.0  # from the handshake, or the last subscription sent, to the first data
    silences: float = 2.0  # a feed is silent after so many cadences ...
    margin: float = 5.0  # ... and this
    symbol: float = 3.0  # a symbol is stale after so many cadences, and the margin
    again: float = 30.0  # between subscriptions of a stale symbol; doubled each time ...
    again_max: float = 600.0  # ... up to this, which is also when a refused symbol is tried again
    answer: float = 2.0  # to one subscription of a batch that was refused before
    farewell: float = 0.5  # for a polite close; then the transport is aborted
    look: float = 1.0  # between two looks at the clock
    probe: float = 20.0  # between protocol pings; they prove a line that may be silent
    bad_share: float = 0.5  # of the frames between two looks ...
    bad_least: int = 50  # ... and at least so many: then the connection is given up
    drift_share: float = 0.03  # of the frames of a connection: then an alarm is raised ...
    drift_least: int = 200  # ... and at least so many frames
    samples: int = 5  # unreadable frames kept between two looks


PATIENCE = Patience()


async def watch(line: "Line") -> None:
    """Look at the clock now and then: cheaper than a timer a frame, and blind to pongs."""
    patience, socket = line.patience, line.socket
    while True:
        await anyio.sleep(patience.look)
        now = line.clock()
        frames, bad = line.frames - line.noted[0], line.unreadable - line.noted[1]
        if bad >= patience.bad_least and bad > patience.bad_share * frames:
            raise UnreadableError(f"{bad} of {frames} frames could not be read")
        drift(line)
        if frames >= patience.bad_least or now - line.looked >= 10 * patience.look:
            line.noted, line.looked = (line.frames, line.unreadable), now
        for symbol in [s for s in line.subscriptions.wanted if line.ledger.standings[s].state == "closed"]:
            del line.subscriptions.wanted[symbol]  # listed again, it gets a line of its own
            line.pending.discard(symbol)
        if not line.subscriptions.wanted:
            raise SilentError("closed", "nothing that it carries is listed any more")
        if socket.life is not None and now - line.opened > socket.life - min(60.0, socket.life / 10):
            line.succeed(f"near the end of its {socket.life:g} s")
        retry_refused(line, now)
        if socket.cadence is None:
            quiet(line, now)
        else:
            listening(line, now, socket.cadence)


def drift(line: "Line") -> None:
    """An alarm, once a connection: so many frames are unreadable that the venue must have changed what it sends."""
    least, share = line.patience.drift_least, line.patience.drift_share
    if line.alarmed or line.frames < least or line.unreadable <= share * line.frames:
        return
    line.alarmed = True
    detail = {"segment": line.ledger.segment, "frames": line.frames, "unreadable": line.unreadable}
    log.warning(
        "%s %s: %d frames of %d could not be read", line.ledger.venue, line.ledger.segment, line.unreadable, line.frames
    )
    line.sink(Event(line.now(), "schema_drift", "", line.ledger.venue, json.dumps(detail)))


def expected(line: "Line") -> list[str]:
    aside, standings = line.subscriptions.aside, line.ledger.standings
    return [s for s in line.subscriptions.wanted if s not in aside and standings[s].state != "closed"]


def retry_refused(line: "Line", now: float) -> None:
    subscriptions = line.subscriptions
    for symbol in [s for s in subscriptions.aside if s in subscriptions.wanted]:
        if due(line, symbol, now):
            subscriptions.todo.append(((subscriptions.wanted[symbol],), True))
            subscriptions.waiting.set()


def due(line: "Line", symbol: str, now: float) -> bool:
    """Whether to subscribe a symbol again; the waits double."""
    at, wait = line.tried.get(symbol, (now, line.patience.again))
    if symbol in line.subscriptions.aside and symbol not in line.tried:
        at, wait = now + line.patience.again_max, line.patience.again_max
        line.tried[symbol] = (at, wait)
    if now < at:
        return False
    line.tried[symbol] = (now + wait, min(2 * wait, line.patience.again_max))
    return True


def quiet(line: "Line", now: float) -> None:
    """A feed whose silence proves nothing is as good as its line, which the pongs prove."""
    line.proved = max(line.opened, now - line.patience.probe)
    if line.any_counts and now - line.spoke > line.patience.answer and not line.subscriptions.todo:
        line.complete.set()
        if line.first is None:
            line.first = now
        for symbol in expected(line):
            standing = line.ledger.standings[symbol]
            if standing.state is not LIVE:
                line.ledger.revive(standing)


def listening(line: "Line", now: float, cadence: float) -> None:
    """First data in time, then no silence; of the line, then of each symbol."""
    patience, wanted = line.patience, expected(line)
    if not wanted:
        return
    limit = patience.silences * cadence + patience.margin
    first = max(patience.first, limit)
    if line.last is None:
        waited = now - line.spoke
        if waited > first:
            acked = len(line.subscriptions.acked)
            words = f"{acked} of {len(wanted)} symbols acknowledged" if acked else "not even an acknowledgement"
            raise SilentError("mute", f"no data {waited:.1f} s after subscribing, {words}")
        if waited > first / 2 and not line.retried:
            line.retried = True
            line.subscriptions.again(wanted)
        return
    if now - line.last > limit:
        raise SilentError("stale", f"no data for {now - line.last:.1f} s")
    late: list[str] = []
    for symbol in wanted:
        heard = line.ledger.standings[symbol].at
        doubted = symbol in line.board.doubted and symbol not in line.pending and not line.any_counts
        if symbol in line.pending or heard is None:
            age, allowed, state = now - line.spoke, first, "stale" if doubted else "mute"
        else:
            age, allowed, state = now - heard, patience.symbol * cadence + patience.margin, "stale"
        if age > allowed:
            line.ledger.lost([symbol], state, DOUBTED if doubted else f"silent for {age:.0f} s while others flow")
            if not doubted and due(line, symbol, now):
                late.append(symbol)
    if late:
        line.subscriptions.again(late)
