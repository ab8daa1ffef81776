"""How often divergences ended which way, beside what random openings did under the same rules (analytics.md, 3.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from analytics.multiplicity import wilson
from analytics.provenance import Code, Reason

FEWEST = 20


@dataclass(frozen=True, slots=True)
class Ended:
    """One record: how long it lasted [s] and how it ended; None: still open or expired, which is censored."""

    lasted_s: float
    label: str | None


@dataclass(frozen=True, slots=True)
class Rate:
    label: str
    share: float  # cumulative incidence, fraction
    low: float  # Wilson, 95 %
    high: float
    placebo: float | None
    difference: float | None  # share - placebo
    difference_low: float | None  # 95 %, Newcombe
    difference_high: float | None
    words: str  # whether that differs from chance


@dataclass(frozen=True, slots=True)
class BaseRates:
    rates: tuple[Rate, ...]
    n: int
    placebo_n: int
    reasons: tuple[Reason, ...]


def incidence(records: Sequence[Ended]) -> dict[str, float]:
    """Cumulative incidence of each label at the end of observation, competing risks (Aalen and Johansen 1978)."""
    order = sorted(records, key=lambda r: r.lasted_s)
    out: dict[str, float] = {}
    alive = 1.0
    times = np.array([r.lasted_s for r in order], float)
    for t in sorted({r.lasted_s for r in order if r.label is not None}):
        at_risk = int((times >= t).sum())
        ends = [r.label for r in order if r.lasted_s == t and r.label is not None]
        for label in ends:
            out[label] = out.get(label, 0.0) + alive / at_risk
        alive *= 1.0 - len(ends) / at_risk
    return out


def of(real: Sequence[Ended], placebo: Sequence[Ended]) -> BaseRates:
    """Rates of every label that occurred. Fewer than twenty records: hidden, with the reason."""
    n, m = len(real), len(placebo)
    if n < FEWEST:
        words = f"{n} records of this kind; base rates are shown from {FEWEST} on."
        return BaseRates((), n, m, (Reason(Code.INSUFFICIENT_HISTORY, words),))
    rates, chance = incidence(real), incidence(placebo) if m >= FEWEST else None
    return BaseRates(tuple(rate(label, rates, chance, n, m) for label in sorted(rates)), n, m, ())


def rate(label: str, real: dict[str, float], chance: dict[str, float] | None, n: int, m: int) -> Rate:
    share = real[label]
    low, high = interval(share, n)
    if chance is None:
        return Rate(label, share, low, high, None, None, None, None, f"only {m} placebo records: no comparison yet")
    other = chance.get(label, 0.0)
    under, over = interval(other, m)
    gap = share - other
    least, most = (
        gap - sqrt((share - low) ** 2 + (over - other) ** 2),
        gap + sqrt((high - share) ** 2 + (other - under) ** 2),
    )
    words = "no measurable difference from chance" if least <= 0 <= most else "differs from chance"
    return Rate(label, share, low, high, other, gap, least, most, words)


def interval(share: float, n: int) -> tuple[float, float]:
    return wilson(round(share * n), n) or (0.0, 1.0)
