"""Asks over REST about whom a socket stays silent about, or says what is hard to believe (faults.md, F01 and F31).

Where it is not a socket but one question for all that ends or leaves somebody out, in the venue's other way.
What is asked of the silent is a reading like another, with the source `poll`; the symbol stays `mute`. What is asked of
a step by a power of ten makes no reading: it lets the held ones pass, or sets them aside.
"""

from collections.abc import Sequence

import anyio

from collectors.budget import Rank
from collectors.connection import KEPT, UNREADABLE
from collectors.feeds import Ended, Feeding, explain, rest
from collectors.http import BlockedError, FailedError, LimitedError
from collectors.ledger import LIVE
from collectors.venue import Answer, Ask, Remembering, Update
from store.records import Instrument, Quarantined, Source

SILENT = frozenset({"mute", "stale", "refused", "down"})


async def keep_spare(feed: Feeding, answer: Answer) -> None:
    """Asks, again and again, about every symbol that was silent at two looks in a row, or has to be verified."""
    ledger, every, delays, before = feed.ledger, feed.rhythm.spare, feed.delays(), frozenset[str]()
    while True:
        begun = feed.clock()
        silent = frozenset(s for s, standing in ledger.standings.items() if standing.state in SILENT)
        wanted = (silent & before) | feed.board.asking()
        ended = await ask_about(feed, answer, [i for i in feed.listing() if i.symbol in wanted])
        before = silent
        for symbol in silent:
            standing = ledger.standings[symbol]
            if standing.state in SILENT and not ledger.spared(standing):
                ledger.lost([symbol], standing.state, standing.detail)
        if ended is None:
            delays = feed.delays()
        else:
            await rest(ended, delays, feed.rhythm, feed.now)
        await anyio.sleep(max(0.0, begun + every - feed.clock()))


async def ask_about(feed: Feeding, answer: Answer, due: Sequence[Instrument]) -> Ended | None:
    """One question, or one an instrument by half of the venue's budget. Gives why the venue does not answer."""
    if not due or answer.ask is None:
        return None
    if isinstance(answer.ask, Ask):
        return await ask_once(feed, answer, answer.ask, [i.symbol for i in due])
    for instrument in due:
        ask = answer.ask(instrument)
        ended = await ask_once(feed, answer, ask, [instrument.symbol])
        if ended is not None and ended[0] != "down":
            return ended  # the venue, not this symbol
        await anyio.sleep(2 * ask.weight / feed.venue.limits.rate(ask.budget))
    return None


async def ask_once(feed: Feeding, answer: Answer, ask: Ask, symbols: Sequence[str]) -> Ended | None:
    """Ask, read, hand on what is about `symbols`. Gives what went wrong, if something did."""
    if isinstance(answer.parse, Remembering):
        raise TypeError(f"{feed.venue.id}: what is asked must be read without a memory")
    reply = b""
    try:
        reply = await feed.http.ask(feed.venue, ask, Rank.INSTEAD)
        words = list(answer.parse(answer.decode(reply)))
    except (FailedError, LimitedError, BlockedError) as fault:
        return explain(feed.http, feed.venue, fault)
    except UNREADABLE as fault:
        said = f"{fault.__class__.__name__}: {fault}"[:300]
        raw = reply[:KEPT].decode(errors="replace")
        feed.sink(Quarantined(feed.venue.id, feed.segment, "", feed.now(), "unreadable", said, raw))
        return "down", said, None
    at, seen = feed.clock(), feed.now()
    for update in words:
        if not isinstance(update, Update):
            continue
        if not update.symbol and len(symbols) == 1:
            update.symbol = symbols[0]
        if update.symbol in symbols:
            feed.board.told_again(update, seen)
        standing = feed.ledger.standings.get(update.symbol)
        if update.symbol not in symbols or standing is None or standing.state is LIVE:
            continue  # of those who are heard the socket speaks
        record = feed.board.apply(update, seen, Source.POLL, borrow=True)
        if record is not None:
            feed.sink(record)
            feed.ledger.answered(standing, at)
    return None
