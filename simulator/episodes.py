"""Scripted episodes: what happens to prices and sizes on purpose, and the label that tells it afterwards."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Kind = Literal["rotation", "conviction", "concentrated_inflow", "cascade", "outage"]
KINDS: tuple[Kind, ...] = ("rotation", "conviction", "concentrated_inflow", "cascade", "outage")
EVERY_MS = 600_000  # one episode every ten minutes of wall clock (decisions.md, 27)
FIRST_MS = 90_000
RISE_MS = 240_000
FADE_MS = 1_800_000
OUTAGE_MS = 90_000


class Placed(Protocol):
    """As much of a contract as an episode looks at."""

    @property
    def venue(self) -> str: ...
    @property
    def asset(self) -> str: ...
    @property
    def cls(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Episode:
    """`sizes` are changes of ln Q a venue, reached at the end and fading after it; `price` likewise of ln P."""

    kind: Kind
    asset: str
    start_ms: int
    end_ms: int
    leader: str
    sizes: dict[str, float] = field(default_factory=dict[str, float])
    price: float = 0.0


class Script:
    """Episodes in order of their start."""

    def __init__(self, episodes: Sequence[Episode]) -> None:
        self.episodes = tuple(sorted(episodes, key=lambda e: e.start_ms))
        self.starts = [e.start_ms for e in self.episodes]
        self.longest_ms = max((e.end_ms - e.start_ms for e in self.episodes), default=0) + FADE_MS

    def felt(self, now_ms: int) -> Sequence[Episode]:
        """The episodes that may still be felt at a moment: a few of a day's, and none of the past's."""
        return self.episodes[bisect_right(self.starts, now_ms - self.longest_ms) : bisect_left(self.starts, now_ms)]

    def size(self, contract: Placed, now_ms: int) -> float:
        """What scripted episodes add to a contract's ln Q."""
        return sum(
            e.sizes[contract.venue] * push(e, now_ms)
            for e in self.felt(now_ms)
            if e.asset == contract.asset and contract.venue in e.sizes and now_ms < e.end_ms + FADE_MS
        )

    def price(self, asset: str, now_ms: int) -> float:
        """What scripted episodes add to an asset's ln P."""
        return sum(
            e.price * push(e, now_ms)
            for e in self.felt(now_ms)
            if e.asset == asset and e.price and now_ms < e.end_ms + FADE_MS
        )


def push(episode: Episode, now_ms: int) -> float:
    """How far along an episode is: 0 at its start, 1 at its end, and then slowly back to 0."""
    if now_ms <= episode.start_ms:
        return 0.0
    if now_ms <= episode.end_ms:
        along = (now_ms - episode.start_ms) / (episode.end_ms - episode.start_ms)
        return 0.5 - 0.5 * math.cos(math.pi * along)
    return max(1.0 - (now_ms - episode.end_ms) / FADE_MS, 0.0)


def schedule(contracts: Sequence[tuple[str, str, float]], asset: str, start_ms: int, count: int = 144) -> Script:
    """A day of episodes of one asset, one every ten minutes, each kind in turn and each time with another leader.

    `contracts` are (venue, class, size in coins), a venue each. Fewer than two venues give no episodes.
    """
    if len(contracts) < 2:
        return Script(())
    size = {venue: coins for venue, _, coins in contracts}
    bold = [v for v, cls, _ in contracts if cls == "speculative"]
    sober = [v for v, cls, _ in contracts if cls == "institutional"]
    venues = sorted(size)
    found: list[Episode] = []
    for k in range(count):
        kind = KINDS[k % len(KINDS)]
        leader = venues[(k // len(KINDS)) % len(venues)]
        start = start_ms + FIRST_MS + k * EVERY_MS
        end = start + (OUTAGE_MS if kind == "outage" else RISE_MS)
        sizes: dict[str, float] = {}
        price = 0.0
        match kind:
            case "rotation":  # what leaves the leader arrives elsewhere, coin for coin
                left = 0.08 * size[leader]
                others = sum(size.values()) - size[leader]
                sizes = {v: math.log1p(left / others) for v in venues} | {leader: math.log1p(-0.08)}
            case "conviction":
                sign = 1.0 if k % 2 else -1.0
                sizes = dict.fromkeys(bold, 0.05 * sign) | dict.fromkeys(sober, -0.04 * sign)
            case "concentrated_inflow":
                sizes = {leader: 0.09}
            case "cascade":
                price = -0.05
                sizes = dict.fromkeys(venues, -0.14)
            case "outage":
                pass
        found.append(Episode(kind, asset, start, end, leader, sizes, price))
    return Script(found)
