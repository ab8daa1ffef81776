"""Whether published numbers can be true (analytics.md, 1.2 and 1.3, checks 1, 2 and 5; 3 and 4 run per tick)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import ArrayLike

from analytics.settings import DEFAULTS, Settings

MIN_WINDOWS = 200  # 1.2: fewer say nothing about sides
MIN_EVIDENCE = 5
ONE_SIDED_LIMIT = 1.05
TWO_SIDED_LIMIT = 2.05


@dataclass(frozen=True, slots=True)
class ImpliedPrice:
    """Dollars over coins against the peers' price."""

    implied: float  # USD
    log_ratio: float
    passes: bool


def implied_price(usd: float, base: float, price: float, settings: Settings = DEFAULTS) -> ImpliedPrice | None:
    """Check 1: `|ln(N_pub/(Q_pub*P))| <= tolerance`. None where a zero or missing part forbids the question."""
    if not (usd > 0 and base > 0 and price > 0):
        return None
    ratio = log(usd / (base * price))
    return ImpliedPrice(usd / base, ratio, abs(ratio) <= settings.implied_price_tolerance)


def violation_share(change: float, volume: float) -> float:
    """Check 2: f = max(0, |dQ| - V)/|dQ|, the part of a change that trading cannot explain. Both in coins."""
    return max(0.0, abs(change) - volume) / abs(change) if change else 0.0


def feasible(change: float, volume: float, lot: float = 0.0, settings: Settings = DEFAULTS) -> bool:
    """Check 2: `|dQ| <= V*(1 + slack) + one lot` over a window of at least five minutes. In coins."""
    return abs(change) <= volume * (1.0 + settings.feasibility_slack) + lot


@dataclass(frozen=True, slots=True)
class SideTest:
    """What trades say of how many sides a field counts."""

    answer: str  # two_sided | consistent_with_one | undecided | implausible_or_delayed
    windows: int  # with any trade in them
    above_one: int  # of them, changes of 1.05 to 2.05 times the traded volume
    above_two: int  # of them, changes beyond that
    largest: float | None  # the largest change over volume


def side_test(changes: ArrayLike, volumes: ArrayLike) -> SideTest:
    """Measure the side count (1.2): a one-sided field changes by at most the traded volume, a two-sided one by twice.

    `changes` of the raw field and traded `volumes` over disjoint 1-5 min windows, both in coins as if s were 1. That no
    change is too large proves nothing: traders seldom all open or all close, so "consistent" is the most it can be.
    """
    dq, v = np.abs(np.asarray(changes, float)), np.asarray(volumes, float)
    x = dq[v > 0] / v[v > 0]
    above_two = int((x > TWO_SIDED_LIMIT).sum())
    above_one = int((x > ONE_SIDED_LIMIT).sum()) - above_two
    return judged(len(x), above_one, above_two, float(x.max()) if len(x) else None)


def judged(windows: int, above_one: int, above_two: int, largest: float | None) -> SideTest:
    """What such counts say of the sides."""
    if above_two > 1:
        answer = "implausible_or_delayed"
    elif windows < MIN_WINDOWS:
        answer = "undecided"
    elif above_one >= MIN_EVIDENCE and above_two == 0:
        answer = "two_sided"
    else:
        answer = "consistent_with_one" if above_one + above_two == 0 else "undecided"
    return SideTest(answer, windows, above_one, above_two, largest)


def pooled(tests: Sequence[SideTest]) -> SideTest:
    """Tests of stretches that do not overlap as one: a busy market lets few windows of a day say anything."""
    known = [t.largest for t in tests if t.largest is not None]
    return judged(
        sum(t.windows for t in tests), sum(t.above_one for t in tests), sum(t.above_two for t in tests),
        max(known, default=None),
    )  # fmt: skip


def duplicates(
    snapshots: Mapping[str, Sequence[float]], times: int = 3, digits: int = 10
) -> tuple[tuple[str, str], ...]:
    """Check 5: pairs of venues whose last values agree to `digits` significant digits `times` times in a row."""
    names = sorted(snapshots)
    found: list[tuple[str, str]] = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            x, y = snapshots[a][-times:], snapshots[b][-times:]
            same = [p > 0 and abs(p - q) <= 0.5 * 10.0 ** (1 - digits) * abs(p) for p, q in zip(x, y, strict=False)]
            if len(same) >= times and all(same):
                found.append((a, b))
    return tuple(found)
