"""How often a poll may ask beside all others of its venue, how often it does, and what is said where that is less."""

import json
import logging
from collections.abc import Iterable

from collectors.budget import Rank, Want
from collectors.feeds import Feeding
from collectors.venue import Ask, Poll, question
from store.records import STRETCHED, Event, Instrument

log = logging.getLogger(__name__)

LATE, MOVED = 1.1, 1.5  # times what was wanted, from which a poll is told to be stretched; times what was told last
NEEDED = frozenset({"oi", "mark", "index"})  # open interest and what prices it


def rank(poll: Poll) -> Rank:
    return Rank.BESIDE if NEEDED.isdisjoint(poll.gives) else Rank.NOW


def polite(feed: Feeding, ask: Ask) -> float:
    """Seconds between questions that take half of the budget they are of."""
    return 2 * ask.weight / feed.venue.limits.rate(ask.budget)


def granted(feed: Feeding, poll: Poll, *, new: bool = False) -> tuple[float, float]:
    """Seconds between rounds that a feed's poll gets from now on, and between two questions of one.

    The first time (`new`) open interest is asked for as soon as half the budget allows: who is asked once a minute
    should not be unknown for so long.
    """
    standing, every, n = feed.http.standing(feed.venue), feed.every, sum(map(len, feed.groups))
    if isinstance(poll.ask, Ask):
        ask = poll.ask
        return standing.budget(ask.budget).want(id(feed), Want(rank(poll), ask.weight, ask.weight, every)), 0.0
    some = next((i for group in feed.groups for i in group.values()), None)
    if some is None:
        standing.forget(id(feed))
        return every, 0.0
    ask = question(poll.ask, some, feed.now())
    if new:
        every = min(every, n * polite(feed, ask))
    gets = standing.budget(ask.budget).want(id(feed), Want(rank(poll), n * ask.weight, ask.weight, every))
    if new or gets > every:
        return gets, gets / n
    return gets, min(every / n, max(min(every, feed.rhythm.round) / n, polite(feed, ask)))


def enter(feed: Feeding, group: dict[str, Instrument]) -> None:
    feed.groups.append(group)


def leave(feed: Feeding, group: dict[str, Instrument]) -> None:
    """Who asks no more leaves the budget to the others."""
    feed.groups[:] = [other for other in feed.groups if other is not group]
    if not feed.groups:
        feed.http.standing(feed.venue).forget(id(feed))
        tell(feed, feed.every)


def expect(feed: Feeding, poll: Poll, symbols: Iterable[str], every: float) -> None:
    """Ages are held against how often answers about a symbol can come, and not against how often they should."""
    for symbol in symbols:
        if (standing := feed.ledger.standings.get(symbol)) is not None:
            standing.cadence = max(every, feed.every, poll.cadence or 0.0) or None


def tell(feed: Feeding, gets: float, real: float = 0.0) -> None:
    """Once where a poll begins to be asked less often than it should be; again where that changes by half, or ends.

    `gets`: seconds between rounds by the budget; `real`: as they were, where answers are slower than that.
    """
    real = max(real, gets)
    slow, before = real > LATE * feed.every, feed.stretched
    if not slow and not before:
        return
    if slow and before and 1 / MOVED < real / before < MOVED:
        return
    feed.stretched = real if slow else 0.0
    why = "the budget" if gets > LATE * feed.every else "the time that answers take" if slow else ""
    n, where = sum(map(len, feed.groups)), f"{feed.venue.id} {feed.segment}: {feed.name}"
    if slow:
        log.warning("%s asked every %.0f s, not every %.0f: %s; %d instruments", where, real, feed.every, why, n)
    else:
        log.info("%s asked every %.0f s again", where, feed.every)
    detail = {
        "segment": feed.segment, "what": feed.name, "wanted_s": feed.every, "real_s": round(real, 1), "instruments": n,
        "why": why,
    }  # fmt: skip
    feed.sink(Event(feed.now(), STRETCHED, "", feed.venue.id, json.dumps(detail)))
