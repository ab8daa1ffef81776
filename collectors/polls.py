"""Keeps one poll going for ever: asks its question again when it is time, and sooner where it failed."""

import json
from collections.abc import Sequence

import anyio

from collectors.board import Board
from collectors.connection import KEPT, UNREADABLE
from collectors.feeds import Ended, Feeding, explain, rest
from collectors.http import BlockedError, FailedError, LimitedError
from collectors.ledger import LIVE
from collectors.pace import enter, expect, granted, leave, rank, tell
from collectors.venue import Acked, Ask, Ignored, Notice, Poll, Refused, Update, question
from store.records import Event, Instrument, Quarantined, Source

TOGETHER = 8  # questions of one round that may be under way at once
STRANGE = 3  # replies in a row that cannot be read: then an alarm is raised


async def keep_poll(feed: Feeding, poll: Poll, group: dict[str, Instrument]) -> None:
    """Rounds, for as long as anything is listed."""
    enter(feed, group)
    try:
        await rounds(feed, poll, group)
    finally:
        leave(feed, group)


async def rounds(feed: Feeding, poll: Poll, group: dict[str, Instrument]) -> None:
    """Round after round. Between two of them who gave no answer is asked again, more and more seldom.

    When the venue answers nobody (it asks us to wait, say), a round goes on where it was as soon as it may; and who is
    left when it is over comes first in the next one.
    """
    every, rhythm, new = feed.every, feed.rhythm, "oi" in poll.gives
    delays, wait, due, taken = feed.delays(), rhythm.again, list[Instrument](), 0.0
    again, begun, asked = False, feed.clock(), feed.clock()
    real = every
    while group:
        if not again:
            left = {i.symbol for i in due}
            due = [*due, *(i for symbol, i in group.items() if symbol not in left)]
            wait, asked = rhythm.again, feed.clock()
        ended, missed = await ask_round(feed, poll, due, new=new) if due else (None, ())
        gets, new = granted(feed, poll)[0], False  # by now all others have said what they want
        if ended is not None:
            blind = [i.symbol for i in missed] if every > rhythm.again else group
            feed.ledger.lost(blind, ended[0], ended[1])
        elif not again:
            before, taken = taken, feed.clock() - asked
            real = max(gets, min(before, taken))  # one slow round is none yet
            expect(feed, poll, group, real)
            tell(feed, gets, real)
        overdue(feed, poll, group, begun, real)
        ends = asked + gets
        if ended is not None:
            await rest(ended, delays, rhythm, feed.now)
            again = feed.clock() < ends
        else:
            delays, left_s = feed.delays(), max(0.0, ends - feed.clock())
            again = bool(missed) and wait < left_s
            await anyio.sleep(wait if again else left_s)
            wait = min(2 * wait, rhythm.again_max)
        due = [i for i in missed if i.symbol in group]


async def ask_round(
    feed: Feeding, poll: Poll, due: Sequence[Instrument], *, new: bool
) -> tuple[Ended | None, Sequence[Instrument]]:
    """One question for all, or one an instrument, as far from each other as the budget is shared by then.

    Gives why the venue answers nobody, if it does not; and whom it gave no answer about. Questions that are due while
    answers are under way do not wait for them: a far venue is asked as often as a near one.
    """
    begun = slot = feed.clock()
    if isinstance(poll.ask, Ask):
        granted(feed, poll)
        ended = await poll_once(feed, poll, poll.ask, [i.symbol for i in due])
        return ended, due if ended is not None else ()
    ask, out, missed, gets = poll.ask, anyio.Semaphore(TOGETHER), {i.symbol for i in due}, 0.0
    refused: list[Ended] = []  # by the venue, and not of one symbol

    async def one(instrument: Instrument) -> None:
        try:
            failed = await poll_once(feed, poll, question(ask, instrument, feed.now(), gets), [instrument.symbol])
        finally:
            out.release()
        if failed is None:
            missed.discard(instrument.symbol)
        elif failed[0] != "down":
            refused.append(failed)

    async with anyio.create_task_group() as tasks:
        for instrument in due:
            await anyio.sleep(max(0.0, slot - feed.clock()))
            await out.acquire()
            if refused:
                break
            gets, apart = granted(feed, poll, new=new)
            slot += apart
            expect(feed, poll, [instrument.symbol], gets)
            if feed.clock() - begun > feed.rhythm.round:  # a round may take hours, and be told of before it ends
                tell(feed, max(gets, feed.stretched))
            tasks.start_soon(one, instrument)
    return refused[0] if refused else None, [i for i in due if i.symbol in missed]


async def poll_once(feed: Feeding, poll: Poll, ask: Ask, symbols: list[str]) -> Ended | None:
    """Ask, read, hand on. Gives what went wrong, if something did."""
    try:
        reply = await feed.http.ask(feed.venue, ask, rank(poll))
    except (FailedError, LimitedError, BlockedError) as fault:
        ended = explain(feed.http, feed.venue, fault)
        feed.ledger.lost(symbols, ended[0], ended[1])
        return ended
    feed.frames += 1
    at, seen = feed.clock(), feed.now()
    any_counts = "oi" not in poll.gives
    try:
        for said in poll.parse(poll.decode(reply)):
            if isinstance(said, Acked | Refused | Notice | Ignored):
                continue
            if not said.symbol and len(symbols) == 1:
                said.symbol = symbols[0]  # some replies name nobody: they are about whom we asked for
            if isinstance(said, Update):
                again = poll.cadence is not None and told(feed.board, said)
                record = None if again else feed.board.apply(said, seen, Source.POLL)
                if record is not None:
                    feed.sink(record)
                counts = any_counts or (said.oi is not None and not feed.board.unproved(said.symbol))
            else:
                for beside in feed.besides.take(said, seen, Source.POLL):
                    feed.sink(beside)
                counts = any_counts
            standing = feed.ledger.standings.get(said.symbol)
            if standing is not None and counts:
                standing.at = at
                standing.frames += 1
                if standing.state is not LIVE:
                    feed.ledger.revive(standing)
    except UNREADABLE as fault:
        feed.unreadable += 1
        drift(feed, fault)
        words = f"{fault.__class__.__name__}: {fault}"[:300]
        raw = reply[:KEPT].decode(errors="replace")
        feed.sink(Quarantined(feed.venue.id, feed.segment, "", seen, "unreadable", words, raw))
        feed.ledger.lost(symbols, "down", f"an unreadable reply: {words}")
        return "down", words, None
    feed.strange = 0
    return None


def drift(feed: Feeding, fault: Exception) -> None:
    """An alarm, once until a reply can be read again: so many in a row that the venue must have changed them."""
    feed.strange += 1
    if feed.strange == STRANGE:
        words = f"{fault.__class__.__name__}: {fault}"[:300]
        detail = {"segment": feed.segment, "frames": STRANGE, "unreadable": STRANGE, "words": words}
        feed.sink(Event(feed.now(), "schema_drift", "", feed.venue.id, json.dumps(detail)))


def told(board: Board, update: Update) -> bool:
    """Whether this very statement has made its record: reading a report again does not make it any newer."""
    known = board.known.get(update.symbol)
    return (
        known is not None
        and update.oi is not None
        and (known.oi, known.ts) == (update.oi, update.ts)
        and known.kept_seen > 0
        and not known.level.held
    )


def overdue(feed: Feeding, poll: Poll, group: dict[str, Instrument], begun: float, every: float) -> None:
    """Symbols that the replies leave out, or of which they state what cannot be believed."""
    limit = feed.patience.symbol * every + feed.patience.margin
    for symbol in group:
        standing = feed.ledger.standings[symbol]
        age = feed.clock() - (begun if standing.at is None else standing.at)
        if standing.state in (LIVE, "connecting") and age > limit:
            why = feed.board.unproved(symbol) if "oi" in poll.gives else ""
            words = why or f"not in the replies for {age:.0f} s"
            feed.ledger.lost([symbol], "mute" if standing.at is None and not why else "stale", words)
