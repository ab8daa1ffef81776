"""How much opened and closed inside a net change, and what polling hides of it (analytics.md, 2)."""

from dataclasses import dataclass
from math import exp, pi, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

POLLS_S = (1, 2, 5, 10, 30, 60, 300)


@dataclass(frozen=True, slots=True)
class Gross:
    """In the unit of the path. At native cadence a lower bound of what really opened and closed."""

    opened: float  # G+
    closed: float  # G-
    net: float

    @property
    def gross(self) -> float:
        return self.opened + self.closed


@dataclass(frozen=True, slots=True)
class Blindness:
    """B = 1 - G(poll)/G(native), over all offsets of the poll."""

    mean: float
    low: float
    high: float
    offsets: int


def of(path: ArrayLike) -> Gross:
    """Of consecutive valid values of one instrument. Fewer than two give zeros."""
    steps = np.diff(np.asarray(path, float))
    return Gross(float(np.maximum(steps, 0).sum()), float(np.maximum(-steps, 0).sum()), float(steps.sum()))


def blindness(path: ArrayLike, every: int) -> Blindness | None:
    """What polling every `every`-th value would miss, each offset over the span it covers. None if nothing moved."""
    values = np.asarray(path, float)
    hidden: list[float] = []
    for offset in range(every):
        polled = values[offset::every]
        if len(polled) < 2:
            continue
        native = of(values[offset : offset + every * (len(polled) - 1) + 1]).gross
        if native > 0:
            hidden.append(1.0 - of(polled).gross / native)
    return Blindness(float(np.mean(hidden)), min(hidden), max(hidden), len(hidden)) if hidden else None


def blindness_law(native_s: float, poll_s: float) -> float:
    """B = 1 - sqrt(native/poll) for uncorrelated increments; zero where the poll is no slower."""
    return 1.0 - sqrt(native_s / poll_s) if poll_s > native_s else 0.0


@dataclass(frozen=True, slots=True)
class Polled:
    """Gross change of one path as polls of several periods would see it, in the unit of the path."""

    native_s: float  # median gap of its statements
    native: float  # G at native cadence
    polls: tuple[tuple[int, float, float, float], ...]  # period [s], G (mean of offsets), blindness: least and most
    slope: float | None  # of ln G against ln period: -1/2 noise-like


OFFSETS = 8  # of a poll, evenly over its period


def polled(t: ArrayLike, values: ArrayLike, polls: tuple[int, ...] = POLLS_S) -> Polled | None:
    """G(poll) by the last value stated until each question, all offsets over the same span. `t`: ms UTC, ascending.

    Periods below twice the native cadence are left out: they see everything. None if nothing moved.
    """
    when, x = np.asarray(t, np.int64), np.asarray(values, float)
    if len(when) < 3 or when[-1] <= when[0]:
        return None
    native_s = float(np.median(np.diff(when))) / 1000.0
    whole = of(x).gross
    if whole <= 0:
        return None
    rows: list[tuple[int, float, float, float]] = []
    for period in (p for p in polls if p >= 2 * native_s and 4000 * p <= when[-1] - when[0]):
        seen: list[tuple[float, float]] = []
        for offset in range(0, period * 1000, max(1, period * 1000 // OFFSETS)):
            at = np.arange(when[0] + offset, when[-1] + 1, period * 1000)
            pick = np.searchsorted(when, at, side="right") - 1
            span = of(x[pick[0] : pick[-1] + 1]).gross
            if span > 0:
                g = of(x[pick]).gross
                seen.append((g * whole / span, 1.0 - g / span))
        if seen:
            g, hidden = zip(*seen, strict=True)
            rows.append((period, float(np.mean(g)), max(0.0, min(hidden)), max(0.0, max(hidden))))
    found = tuple(rows)
    return Polled(native_s, whole, found, slope([r[0] for r in found], [r[1] for r in found]))


def folded_normal(mu: float, sd: float) -> float:
    """E|X| of a normal X: the expected gross change of one interval with drift `mu`."""
    if sd <= 0:
        return abs(mu)
    return sd * sqrt(2 / pi) * exp(-(mu**2) / (2 * sd**2)) + mu * (1 - 2 * float(norm.cdf(-mu / sd)))


def slope(cadences_s: ArrayLike, gross: ArrayLike) -> float | None:
    """Of ln G against ln cadence: -1/2 noise-like, 0 a one-way build, below -1/2 flicker. None below two points."""
    x, y = np.asarray(cadences_s, float), np.asarray(gross, float)
    good = (x > 0) & (y > 0)
    return float(np.polyfit(np.log(x[good]), np.log(y[good]), 1)[0]) if good.sum() >= 2 else None
