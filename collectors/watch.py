"""Looks at the clock for one connection: first data in time, then no silence, of the line and of each symbol.

Only data counts. A task that looks now and then is cheaper than a timer for each frame, and pongs cannot fool it.
"""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from collectors.ledger import LIVE
from collectors.venue import Gives, spelled
from store.records import Event, Instrument

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
    tries: int = 3  # subscriptions of a symbol that none of them brings; then another connection asks for it
    answer: float = 2.0  # to one subscription of a batch that was refused before
    farewell: float = 0.5  # for a polite close; then the transport is aborted
    look: float = 1.0  # between two looks at the clock
    probe: float = 20.0  # between protocol pings; they prove a line that may be silent
    bad_share: float = 0.5  # of the frames between two looks ...
    bad_least: int = 50  # ... and at least so many: then the connection is given up
    drift_share: float = 0.03  # of the frames of a connection: then an alarm is raised ...
    drift_least: int = 200  # ... and at least so many frames
    drift_all: int = 20  # or of one channel nothing can be read, and there were so many
    samples: int = 5  # unreadable frames kept between two looks


PATIENCE = Patience()
HUM_S = 60.0  # candles and trades of a major coin are never further apart, at any venue
MAJORS = frozenset({"BTC", "ETH"})
QUIET = frozenset[Gives]({"liquidations"})  # for hours, sometimes


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
        line.lag_due = True
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
        move_refused(line, now)
        if socket.cadence is None:
            quiet(line, now)
        else:
            listening(line, now, socket.cadence)


def drift(line: "Line") -> None:
    """An alarm, once a connection and channel: so many frames are unreadable that the venue must have changed them.

    By channel, because the frames of a busy one would hide that nothing of a slow one can be read. For all together
    where nobody can tell them apart.
    """
    patience = line.patience
    for channel, bad in line.strangers.items():
        heard = line.heard[channel]
        many = heard >= patience.drift_least and bad > patience.drift_share * heard
        if channel and (many or (bad == heard >= patience.drift_all)):
            alarm(line, channel, bad, heard)
    if line.frames >= patience.drift_least and line.unreadable > patience.drift_share * line.frames:
        alarm(line, "", line.unreadable, line.frames)


def alarm(line: "Line", channel: str, bad: int, frames: int) -> None:
    if channel in line.alarmed or (not channel and line.alarmed):
        return
    line.alarmed.add(channel)
    detail = {"segment": line.ledger.segment, "frames": frames, "unreadable": bad}
    if channel:
        detail["channel"] = channel
    log.warning(
        "%s %s %s: %d frames of %d could not be read", line.ledger.venue, line.ledger.segment, channel, bad, frames
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


def move_refused(line: "Line", now: float) -> None:
    """Who is refused here while others flow may be one too many for this connection: another one is to ask for them.

    Where nobody flows and all are refused, the connection is of no use. Raises SilentError then.
    """
    subscriptions = line.subscriptions
    refused = [s for s in subscriptions.wanted if s in subscriptions.aside and s not in subscriptions.flowing]
    if not refused or subscriptions.todo or now - line.spoke <= line.patience.answer:
        return
    if subscriptions.flowing:
        move(line, refused)
    elif len(refused) == len(subscriptions.wanted):
        raise SilentError("refused", subscriptions.aside[refused[0]])


def move(line: "Line", symbols: list[str]) -> bool:
    """Have symbols asked for on another connection. Not where one subscription is for all: that would bring no more."""
    subscriptions, ledger = line.subscriptions, line.ledger
    flowing = next((i for s, i in subscriptions.wanted.items() if s in subscriptions.flowing), None)
    if flowing is None or asking(line, flowing) == asking(line, subscriptions.wanted[symbols[0]]):
        return False
    for symbol in symbols:
        del subscriptions.wanted[symbol]
        line.pending.discard(symbol)
    log.info("%s %s: asked for on another connection: %s", ledger.venue, ledger.segment, ", ".join(symbols))
    line.elsewhere(symbols)
    if not line.pending:
        line.complete.set()
    return True


def asking(line: "Line", instrument: Instrument) -> list[str]:
    """What is sent to subscribe one instrument."""
    return [spelled(message, 0) for message in line.socket.subscribe([instrument], 1)]


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


def majors(line: "Line") -> bool:
    return any(i.asset in MAJORS for i in line.subscriptions.wanted.values())


def together(line: "Line", cadence: float) -> float:
    """Seconds between data of the line as a whole: with a major coin on it, perhaps fewer than of each symbol."""
    return line.socket.line if line.socket.line is not None and majors(line) else cadence


def hum(line: "Line") -> float | None:
    """Seconds between data of the line as a whole, where a symbol's silence proves nothing.

    None where the line's silence proves nothing either: forced closes, and coins that trade now and then.
    """
    socket = line.socket
    if "oi" in socket.gives or not (socket.line or socket.gives - QUIET):
        return None
    return (socket.line or HUM_S) if majors(line) else None


def quiet(line: "Line", now: float) -> None:
    """A feed whose symbols' silence proves nothing is as good as its line: its data prove that, else the pongs."""
    cadence = hum(line)
    if cadence is None:
        line.proved = max(line.opened, now - line.patience.probe)
    elif speaking(line, now, cadence, expected(line)):
        line.proved = line.last
    else:
        return
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
    if not wanted or not speaking(line, now, together(line, cadence), wanted):
        return
    first = max(patience.first, patience.silences * cadence + patience.margin)
    late: list[str] = []
    for symbol in wanted:
        heard = line.ledger.standings[symbol].at
        why = "" if symbol in line.pending or line.any_counts else line.board.unproved(symbol)
        if symbol in line.pending or heard is None:
            age, allowed, state = now - line.spoke, first, "stale" if why else "mute"
        else:
            age, allowed, state = now - heard, patience.symbol * cadence + patience.margin, "stale"
        if age > allowed:
            line.ledger.lost([symbol], state, why or f"silent for {age:.0f} s while others flow")
            if not why and due(line, symbol, now):
                late.append(symbol)
    unheard = [s for s in late if s in line.pending and line.subscriptions.asked(s) >= patience.tries]
    if unheard and move(line, unheard):
        late = [s for s in late if s not in unheard]
    if late:
        line.subscriptions.again(late)


def speaking(line: "Line", now: float, cadence: float, wanted: list[str]) -> bool:
    """Whether the line has said anything of the market, lately. Raises SilentError where it should have."""
    patience = line.patience
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
        return False
    if now - line.last > limit:
        raise SilentError("stale", f"no data for {now - line.last:.1f} s")
    return True
