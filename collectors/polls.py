"""Keeps one poll going for ever: asks its question again when it is time, and sooner where it failed."""

import json
from collections.abc import Sequence

import anyio

from collectors.board import Board
from collectors.connection import KEPT, UNREADABLE
from collectors.feeds import Ended, Feeding, explain, rest
from collectors.http import BlockedError, FailedError, LimitedError
from collectors.ledger import DOUBTED, LIVE
from collectors.venue import Acked, Ask, Ignored, Notice, Poll, Refused, Update, question
from store.records import Event, Instrument, Quarantined, Source

STRANGE = 3  # replies in a row that cannot be read: then an alarm is raised


async def keep_poll(feed: Feeding, poll: Poll, group: dict[str, Instrument]) -> None:
    """Round after round. Between two of them who gave no answer is asked again, more and more seldom.

    When the venue answers nobody (it asks us to wait, say), a round goes on where it was as soon as it may.
    """
    every, rhythm, new = feed.every, feed.rhythm, "oi" in poll.gives
    delays, wait, ends, due = feed.delays(), rhythm.again, 0.0, list[Instrument]()
    again, begun = False, feed.clock()
    while group:
        if not again:
            due, wait, ends = list(group.values()), rhythm.again, feed.clock() + every
        ended, missed = await ask_round(feed, poll, due, new=new) if due else (None, ())
        new = False
        if ended is not None:
            blind = [i.symbol for i in missed] if every > rhythm.again else group
            feed.ledger.lost(blind, ended[0], ended[1])
        overdue(feed, poll, group, begun)
        if ended is not None:
            await rest(ended, delays, rhythm, feed.now)
            again = feed.clock() < ends
        else:
            delays, left = feed.delays(), max(0.0, ends - feed.clock())
            again = bool(missed) and wait < left
            await anyio.sleep(wait if again else left)
            wait = min(2 * wait, rhythm.again_max)
        due = [i for i in missed if i.symbol in group]


async def ask_round(
    feed: Feeding, poll: Poll, due: Sequence[Instrument], *, new: bool
) -> tuple[Ended | None, Sequence[Instrument]]:
    """One question for all, or one an instrument, spread over the period, or the first minute of a long one.

    The first time open interest is asked for as soon as the venue's budget allows: who is asked once a minute should
    not be unknown for so long. Gives why the venue answers nobody, if it does not; and whom it gave no answer about.
    """
    if isinstance(poll.ask, Ask):
        ended = await poll_once(feed, poll, poll.ask, [i.symbol for i in due])
        return ended, due if ended is not None else ()
    begun, every, limits, missed = feed.clock(), feed.every, feed.venue.limits, list[Instrument]()
    polite = 2 * question(poll.ask, due[0], feed.now()).weight * limits.per / limits.weight  # half the budget
    apart = min(every / len(due), polite if new else max(min(every, feed.rhythm.round) / len(due), polite))
    for place, instrument in enumerate(due):
        await anyio.sleep(max(0.0, begun + place * apart - feed.clock()))
        failed = await poll_once(feed, poll, question(poll.ask, instrument, feed.now()), [instrument.symbol])
        if failed is None:
            continue
        if failed[0] != "down":  # the venue, not this symbol
            return failed, [*missed, *due[place:]]
        missed.append(instrument)
    return None, missed


async def poll_once(feed: Feeding, poll: Poll, ask: Ask, symbols: list[str]) -> Ended | None:
    """Ask, read, hand on. Gives what went wrong, if something did."""
    try:
        reply = await feed.http.ask(feed.venue, ask)
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
                counts = any_counts or (said.oi is not None and said.symbol not in feed.board.doubted)
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


def overdue(feed: Feeding, poll: Poll, group: dict[str, Instrument], begun: float) -> None:
    """Symbols that the replies leave out, or of which they state what cannot be believed."""
    limit = feed.patience.symbol * feed.every + feed.patience.margin
    for symbol in group:
        standing = feed.ledger.standings[symbol]
        age = feed.clock() - (begun if standing.at is None else standing.at)
        if standing.state in (LIVE, "connecting") and age > limit:
            doubted = symbol in feed.board.doubted and "oi" in poll.gives
            words = DOUBTED if doubted else f"not in the replies for {age:.0f} s"
            feed.ledger.lost([symbol], "mute" if standing.at is None and not doubted else "stale", words)
