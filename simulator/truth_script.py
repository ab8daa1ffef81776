"""What happens on purpose in the market with known truth, and the label that says so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal[
    "rotation", "conviction_speculative", "conviction_institutional", "concentrated_inflow", "cascade", "price_only"
]
Broken = Literal["outage", "freeze", "unit_glitch", "side_change"]
KINDS: tuple[Kind, ...] = (
    "rotation", "conviction_speculative", "concentrated_inflow", "rotation", "conviction_institutional",
    "concentrated_inflow", "cascade", "rotation", "conviction_speculative", "concentrated_inflow",
    "conviction_institutional", "price_only",
)  # fmt: skip
BROKEN: tuple[Broken, ...] = ("outage", "freeze", "unit_glitch", "side_change")


@dataclass(frozen=True, slots=True)
class Scripted:
    """`moves`: share of a venue's own open interest that comes (+) or goes (-) from start to end. `shock`: of ln P."""

    kind: Kind
    start: int  # minute
    end: int
    leader: str = ""
    moves: dict[str, float] = field(default_factory=dict[str, float])
    shock: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What a venue shows wrongly; the market itself goes on."""

    kind: Broken
    venue: str
    start: int
    end: int
    factor: float = 1.0  # by which the published number is off


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
                for venue, cls, _ in places:
                    if cls == "speculative":
                        moves[venue] = sign * hours * float(rng.uniform(0.01, 0.02))
                    if cls == "institutional":
                        moves[venue] = -sign * hours * float(rng.uniform(0.01, 0.02))
            case "concentrated_inflow":
                small = [v for v in names if size[v] < 0.4]
                leader = small[int(rng.integers(len(small)))]
                moves = {leader: strength / size[leader]}
            case "cascade":
                shock, end = float(rng.choice((-1.0, 1.0)) * rng.uniform(0.05, 0.08)), start + 40
                # those who hedge leave with the others: margins rise for all
                moves = dict.fromkeys(names, -float(rng.uniform(0.08, 0.16)))
            case "price_only":  # as far as a calm day goes, too slow to force many
                shock, end = float(rng.choice((-1.0, 1.0)) * rng.uniform(0.02, 0.03)), start + 60
        found.append(Scripted(kind, start, end, leader, moves, shock))
    return tuple(found)
