"""How often a poll may ask beside all others of its venue, how often it does, and what is said where that is less."""

import json
import logging
from collections.abc import Iterable

from collectors.budget import Budget, Rank, Want
from collectors.feeds import Feeding
from collectors.venue import Ask, Poll, question
from store.records import STRETCHED, Event, Instrument

log = logging.getLogger(__name__)

LATE, MOVED = 1.1, 1.5  # times what was wanted, from which a poll is told to be stretched; times what was told last
NEEDED = frozenset({"oi", "mark", "index"})  # open interest and what prices it


def rank(poll: Poll) -> Rank:
    return Rank.BESIDE if NEEDED.isdisjoint(poll.gives) else Rank.NOW


def polite(feed: Feeding, each: float) -> float:
    """Seconds between questions that take half of the venue's budget."""
    limits = feed.venue.limits
    return 2 * each * limits.per / limits.weight


def granted(feed: Feeding, poll: Poll, *, new: bool = False) -> tuple[float, float]:
    """Seconds between rounds that a feed's poll gets from now on, and between two questions of one.

    The first time (`new`) open interest is asked for as soon as half the budget allows: who is asked once a minute
    should not be unknown for so long.
    """
    budget, every, listed = budget_of(feed), feed.every, [i for group in feed.groups for i in group.values()]
    if isinstance(poll.ask, Ask) or not listed:
        each = poll.ask.weight if isinstance(poll.ask, Ask) else 0.0
        return budget.want(id(feed), Want(rank(poll), each, each, every)), 0.0
    n, each = len(listed), question(poll.ask, listed[0], feed.now()).weight
    if new:
        every = min(every, n * polite(feed, each))
    gets = budget.want(id(feed), Want(rank(poll), n * each, each, every))
    if new or gets > every:
        return gets, gets / n
    return gets, min(every / n, max(min(every, feed.rhythm.round) / n, polite(feed, each)))


def budget_of(feed: Feeding) -> Budget:
    return feed.http.standing(feed.venue).weight


def enter(feed: Feeding, group: dict[str, Instrument]) -> None:
    feed.groups.append(group)


def leave(feed: Feeding, group: dict[str, Instrument]) -> None:
    """Who asks no more leaves the budget to the others."""
    feed.groups[:] = [other for other in feed.groups if other is not group]
    if not feed.groups:
        budget_of(feed).want(id(feed), None)
        tell(feed, feed.every, "")


def keeps(feed: Feeding, poll: Poll, symbols: Iterable[str], gets: float, took: float) -> float:
    """Seconds between two answers about one of `symbols` as it really is, which is what their ages are held against.

    `gets` by the budget, or what rounds take where the answers are slower than that.
    """
    real = max(gets, took)
    for symbol in symbols:
        if (standing := feed.ledger.standings.get(symbol)) is not None:
            standing.cadence = max(real, poll.cadence or 0.0) or None
    tell(feed, real, "the budget" if gets > LATE * feed.every else "the time that answers take")
    return real


def tell(feed: Feeding, real: float, why: str) -> None:
    """Once where a poll begins to be asked less often than it should be; again where that changes by half, or ends."""
    slow, before = real > LATE * feed.every, feed.stretched
    if not slow and not before:
        return
    if slow and before and 1 / MOVED < real / before < MOVED:
        return
    feed.stretched = real if slow else 0.0
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
