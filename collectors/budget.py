"""One venue's budget: a sliding window, whose turn it is in it, and how often each poll may ask within it.

Open interest, and what prices it, comes first. Each rank leaves a tenth of what it finds to those after it, so that a
venue with too much of it still tells the rest, if seldom; polls of one rank share alike, and who wants less gets it.
"""

import time
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count

import anyio

LEFT = 0.1  # of what it finds, a rank of polls leaves so much to those after it


class Rank(IntEnum):
    """Whose question is asked first where the budget is short."""

    NOW = 0  # open interest, what prices it, and what both need: the catalogue, a dial's token
    INSTEAD = 1  # what stands in for a silent socket
    BESIDE = 2  # traded minutes, ratios, ladders, funding
    PAST = 3  # what can wait: history, public positions


@dataclass(frozen=True, slots=True)
class Want:
    """What one poll wants of a venue's budget."""

    rank: Rank
    weight: float  # of a whole round
    each: float  # of one question
    every: float  # seconds between rounds


def shared(wants: Iterable[Want], rate: float) -> list[float]:
    """Seconds between rounds that each gets of `rate` [weight a second], in their order; never less than it wants."""
    wants = list(wants)
    given = [want.every for want in wants]
    for rank in sorted({want.rank for want in wants}):
        room = rate * (1 - LEFT)
        mine = [place for place, want in enumerate(wants) if want.rank == rank]
        mine.sort(key=lambda place: wants[place].weight / wants[place].every)
        for done, place in enumerate(mine):
            asked = wants[place].weight / wants[place].every
            gets = min(asked, room / (len(mine) - done))  # what the modest leave is shared by the others
            room, rate = room - gets, rate - gets
            if gets < asked:
                given[place] = wants[place].weight / gets
    return given


@dataclass(order=True, slots=True)
class Turn:
    """A question that waits for its place."""

    rank: Rank
    number: int
    first: anyio.Event = field(compare=False, default_factory=anyio.Event)  # nobody is before it any more


class Budget:
    """At most `amount` in any `per` seconds: a sliding window, because a bucket lets twice that through.

    Who waits is served by rank, then in order. What polls of higher ranks are promised is not spent by lower ones, so
    that a window full of history never makes open interest wait.
    """

    def __init__(self, amount: float, per: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.amount = amount
        self.per = per
        self.clock = clock
        self.spent: deque[tuple[float, float, Rank]] = deque()
        self.totals = dict.fromkeys(Rank, 0.0)  # what was spent, of this rank or a lower one
        self.rooms = dict.fromkeys(Rank, amount)  # what may be
        self.wants: dict[int, Want] = {}
        self.waiting: list[Turn] = []
        self.numbers = count()

    async def spend(self, weight: float = 1.0, rank: Rank = Rank.NOW) -> None:
        weight = min(weight, self.amount)  # a question dearer than the whole budget is asked alone
        turn = Turn(rank, next(self.numbers))
        insort(self.waiting, turn)
        try:
            while True:
                if self.waiting[0] is not turn:
                    if turn.first.is_set():  # it was called, and somebody of a higher rank came before it
                        turn.first = anyio.Event()
                    await turn.first.wait()
                elif (wait := self.wait(weight, rank)) > 0:
                    await anyio.sleep(wait)
                else:
                    return self.note(weight, rank)
        finally:
            self.waiting.remove(turn)
            if self.waiting:
                self.waiting[0].first.set()

    def want(self, key: int, want: Want | None) -> float:
        """Seconds between rounds that a poll gets, beside what all others want by now; None: it wants nothing more."""
        if want is None:
            self.wants.pop(key, None)
        else:
            self.wants[key] = want
        given = dict(zip(self.wants, shared(self.wants.values(), self.amount / self.per), strict=True))
        for rank in Rank:
            above = [(w, given[k]) for k, w in self.wants.items() if w.rank < rank]
            promised = sum(self.per * w.weight / every for w, every in above)
            self.rooms[rank] = self.amount - promised - max((w.each for w, _ in above), default=0.0)
        return given.get(key, 0.0)

    def note(self, weight: float, rank: Rank = Rank.NOW) -> None:
        self.spent.append((self.clock(), weight, rank))
        self.count(weight, rank)

    def count(self, weight: float, rank: Rank) -> None:
        for lower in Rank:
            if lower <= rank:
                self.totals[lower] += weight

    def wait(self, weight: float, rank: Rank = Rank.NOW) -> float:
        """Seconds until `weight` fits, beside all and beside what the ranks above were promised."""
        now = self.clock()
        while self.spent and self.spent[0][0] <= now - self.per:
            _, spent, of = self.spent.popleft()
            self.count(-spent, of)
        if not self.spent:
            self.totals = dict.fromkeys(Rank, 0.0)
        return max(self.until(self.totals[r] + weight - self.rooms[r], r, now) for r in Rank if r <= rank)

    def until(self, excess: float, rank: Rank, now: float) -> float:
        """Seconds until so much of what was spent, of a rank or a lower one, has left the window. All of it is enough:
        a question dearer than the room of its rank is asked alone."""
        wait = 0.0
        for at, spent, of in self.spent:
            if excess <= 1e-9:
                break
            if of >= rank:
                excess -= spent
                wait = max(at + self.per - now, 0.001)
        return wait

    def observe(self, used: float) -> None:
        """The venue's own count of what this window has cost, which other programs on this address share."""
        self.wait(0)
        if used > self.totals[Rank.NOW]:
            self.note(used - self.totals[Rank.NOW])
