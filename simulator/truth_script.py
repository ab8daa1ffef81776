"""What happens on purpose in the market with known truth, and the label that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal[
    "rotation", "conviction_speculative", "conviction_institutional", "concentrated_inflow", "cascade", "price_only"
]
Ending = Literal["leader_reversed", "laggards_caught_up", "mixed", "expired", "price_resolved_cascade"]
KINDS: tuple[Kind, ...] = (
    "rotation", "conviction_speculative", "concentrated_inflow", "rotation", "conviction_institutional",
    "concentrated_inflow", "cascade", "rotation", "conviction_speculative", "concentrated_inflow",
    "conviction_institutional", "price_only",
)  # fmt: skip
ENDINGS: tuple[Ending, ...] = ("leader_reversed", "laggards_caught_up", "mixed", "expired", "price_resolved_cascade")
PART_H, PAUSE_MIN, CLOSE_H = 1, 30, 3  # of a divergence that ends: parting, nothing, and coming together again
PACE = 2  # times as fast as other partings: within one window, so that what is opened is the whole of it


@dataclass(frozen=True, slots=True)
class Scripted:
    """`moves`: share of a venue's own open interest that comes (+) or goes (-) from start to end. `shock`: of ln P."""

    kind: str
    start: int  # minute
    end: int
    leader: str = ""
    moves: Mapping[str, float] = field(default_factory=dict[str, float])
    shock: float = 0.0


def schedule(
    places: Sequence[tuple[str, str, float]], first: int, last: int, every: int, seed: int
) -> tuple[Scripted, ...]:
    """One episode every `every` minutes, each kind in turn. `places`: (venue, class, share of the whole).

    What traders do on purpose lasts one to six hours, at one to two parts in a hundred of all open interest an hour.
    """
    rng = np.random.default_rng([seed, 7])
    found: list[Scripted] = []
    size = {venue: share for venue, _, share in places}
    names = sorted(size)
    for n, start in enumerate(range(first, last - 60, every)):
        kind = KINDS[n % len(KINDS)]
        # an episode begins on the hour, so that an hour's window either holds it or does not
        start -= start % 60
        leader = names[int(rng.integers(len(names)))]
        hours = int(rng.choice((1, 2, 3, 6)))
        strength = min(hours * float(rng.uniform(0.01, 0.02)), 0.06)  # of all open interest
        moves, shock, end = dict[str, float](), 0.0, start + 60 * hours
        match kind:
            case "rotation":  # what leaves one venue arrives at the others, in unequal parts
                largest = sorted(names, key=lambda v: -size[v])[:3]  # others could not lose so much
                leader = largest[int(rng.integers(3))]
                others = [v for v in names if v != leader]
                parts = rng.dirichlet(np.full(len(others), 3.0))
                moves = {v: float(strength * w / size[v]) for v, w in zip(others, parts, strict=True)}
                moves[leader] = -strength / size[leader]
            case "conviction_speculative" | "conviction_institutional":
                sign = 1.0 if kind == "conviction_speculative" else -1.0
                moves = parting(places, sign, hours, rng)
            case "concentrated_inflow":
                small = [v for v in names if size[v] < 0.4]
                leader = small[int(rng.integers(len(small)))]
                moves = {leader: strength / size[leader]}
            case "cascade":
                shock, end = float(rng.choice((-1.0, 1.0)) * rng.uniform(0.05, 0.08)), start + 40
                # those who hedge leave with the others: margins rise for all
                moves = dict.fromkeys(names, -float(rng.uniform(0.08, 0.16)))
            case "price_only":  # as far as a calm day goes, too slow to force many
                shock, end = float(rng.choice((-1.0, 1.0)) * rng.uniform(0.02, 0.03)), start + 360
        found.append(Scripted(kind, start, end, leader, moves, shock))
    return tuple(found)


def parting(
    places: Sequence[tuple[str, str, float]], sign: float, hours: int, rng: np.random.Generator
) -> dict[str, float]:
    """The two classes go different ways, each venue by one to two parts in a hundred of its own an hour."""
    way = {"speculative": sign, "institutional": -sign}
    return {v: way[cls] * hours * float(rng.uniform(0.01, 0.02)) for v, cls, _ in places if cls in way}


def ended(places: Sequence[tuple[str, str, float]], ending: Ending, start: int, seed: int) -> tuple[Scripted, ...]:
    """A parting of the classes and how it ends: who comes back to whom is known.

    The class that grows leads. `expired`: nobody comes back within a day. A cascade takes the leaders' positions.
    """
    rng = np.random.default_rng([seed, 11, ENDINGS.index(ending)])
    sign = 1.0 if ending == "price_resolved_cascade" else float(rng.choice((-1.0, 1.0)))
    kind: Kind = "conviction_speculative" if sign > 0 else "conviction_institutional"
    moves = parting(places, sign, PACE * PART_H, rng)
    middle = start + 60 * PART_H
    leader = "speculative" if sign > 0 else "institutional"
    parted = Scripted(kind, start, middle, leader, moves)
    if ending == "expired":
        return (parted,)
    lead = {v: share for v, cls, share in places if cls == leader}
    rest = {v: share for v, cls, share in places if cls != leader}
    gap = growth(lead, moves) - growth(rest, moves)
    part = {"leader_reversed": 1.0, "laggards_caught_up": 0.0, "mixed": 0.5}.get(ending, 0.0)
    begin = middle + PAUSE_MIN
    if ending == "price_resolved_cascade":
        shock = float(rng.choice((-1.0, 1.0)) * rng.uniform(0.05, 0.08))
        return parted, Scripted("cascade", begin, begin + 40, leader, {}, shock)
    back = {v: -gap * part for v in lead if part} | {v: gap * (1 - part) for v in rest if part < 1}
    return parted, Scripted("closing", begin, begin + 60 * CLOSE_H, leader, back)


def growth(size: Mapping[str, float], moves: Mapping[str, float]) -> float:
    return sum(share * moves.get(v, 0.0) for v, share in size.items()) / sum(size.values())
