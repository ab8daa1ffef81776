"""Which venue's growth comes first, over windows of an hour and more (analytics.md, 3.3).

Plain cross-correlation of d ln Q on one grid. A step is two of the coarser cadences: what a poll is late by is then
less than half a step, and falls to lag zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from analytics.alignment import Panel
from analytics.leadlag import Ticks
from analytics.matched import steps
from analytics.multiplicity import PROCEDURES
from analytics.provenance import Code
from analytics.settings import DEFAULTS, Settings
from analytics.units import Floats

STILL = 1e-12  # of own variance: less of it at a lag is rounding


@dataclass(frozen=True, slots=True)
class Lagged:
    """One pair over one window. `lag_s` > 0: the first leads."""

    first: str
    second: str
    window_s: int
    step_s: int  # of the grid: lags are told to half of it
    lag_s: int | None  # where the correlation stands out the most
    rho: float | None  # there
    limit: float | None  # |rho| that noise exceeds at any of the lags in 5 % of windows
    n: int  # pairs of steps behind rho
    leader: str | None  # None at lag zero, within the limit, and where so many pairs have one such by chance
    reason: str | None  # unresolved_by_sampling | no_data
    p: float | None = None  # of white noise, over all the lags of the pair
    p_adjusted: float | None = None  # over the pairs that were held against each other at once
    family: int = 0  # how many of them could be


def grown(of: Ticks, end: int, step_s: int, steps: int, oldest_s: float) -> Floats:
    """d ln Q of `steps` steps of `step_s` up to `end` [ms]; NaN where an end of it was not stated in `oldest_s`."""
    grid = end - np.arange(steps, -1, -1, dtype=np.int64) * step_s * 1000
    last = np.searchsorted(of.t, grid, side="right") - 1
    known = last >= 0
    known[known] = grid[known] - of.t[last[known]] <= oldest_s * 1000
    level = np.full(len(grid), np.nan)
    level[known] = of.x[last[known]]
    return np.diff(level)


def correlations(x: Floats, y: Floats, lags: int) -> tuple[Floats, Floats]:
    """(rho, pairs) of x[t] with y[t + k], k from -lags to +lags. rho is NaN where one of them never moved."""
    a, b = told(x), told(y)
    middle = len(x) - 1

    def summed(over_x: Floats, over_y: Floats) -> Floats:
        """At every lag, over the steps that both tell of."""
        return np.correlate(over_y, over_x, "full")[middle - lags : middle + lags + 1]

    n, sum_x, sum_y = summed(a.known, b.known), summed(a.x, b.known), summed(a.known, b.x)
    pairs = np.round(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_x = summed(a.x * a.x, b.known) - sum_x**2 / n
        of_y = summed(a.known, b.x * b.x) - sum_y**2 / n
        rho = (summed(a.x, b.x) - sum_x * sum_y / n) / np.sqrt(of_x * of_y)
    moved = (pairs > 1) & (of_x > STILL * pairs) & (of_y > STILL * pairs)
    return np.where(moved, np.clip(rho, -1.0, 1.0), np.nan), pairs


@dataclass(frozen=True, slots=True)
class Told:
    """A path of growth in own scales, zero where it is not known."""

    x: Floats
    known: Floats  # 1 where it is, else 0


def told(growth: Floats) -> Told:
    known = np.isfinite(growth)
    some = growth[known]
    scale = float(np.std(some)) if len(some) else 0.0
    middle = float(np.mean(some)) if len(some) else 0.0
    return Told(np.where(known, (growth - middle) / (scale or 1.0), 0.0), known.astype(float))


def pair(names: tuple[str, str], x: Ticks, y: Ticks, end: int, window_s: int, settings: Settings = DEFAULTS) -> Lagged:
    """The lag that stands out the most from noise, of those up to a quarter of the window either way."""
    step_s = ceil(max(settings.growth_step_s, settings.growth_step_cadences * max(x.cadence_s, y.cadence_s)))
    if not resolved(window_s, step_s, settings):
        return unresolved(names, window_s, step_s)
    oldest_s = max(step_s, settings.stored_floor_s)
    a, b = (grown(of, end, step_s, window_s // step_s, oldest_s) for of in (x, y))
    return compared(names, a, b, window_s, step_s, settings)


def resolved(window_s: int, step_s: int, settings: Settings) -> bool:
    """Whether at the longest lag enough steps are left."""
    count = window_s // step_s
    return count - int(count * settings.growth_lag_share) >= settings.growth_min_steps


def unresolved(names: tuple[str, str], window_s: int, step_s: int) -> Lagged:
    return Lagged(*names, window_s, step_s, None, None, None, 0, None, Code.UNRESOLVED_BY_SAMPLING)


def compared(names: tuple[str, str], x: Floats, y: Floats, window_s: int, step_s: int, settings: Settings) -> Lagged:
    """Growth of both by steps of `step_s`, NaN where it is not known, held against each other at every lag.

    `limit` is that of white noise, 1/sqrt(n), two-sided, divided among all lags (Bonferroni).
    """
    first, second = names
    lags = int(window_s // step_s * settings.growth_lag_share)
    rho, pairs = correlations(x, y, lags)
    some = np.isfinite(rho) & (pairs >= settings.growth_min_steps)
    if not some.any():
        return Lagged(first, second, window_s, step_s, None, None, None, int(pairs.max()), None, Code.NO_DATA)
    best = int(np.argmax(np.where(some, np.abs(rho) * np.sqrt(pairs), -1.0)))
    limit = float(norm.isf(settings.significance / (2 * int(some.sum()))) / np.sqrt(pairs[best]))
    p = min(1.0, 2.0 * int(some.sum()) * float(norm.sf(abs(rho[best]) * np.sqrt(pairs[best]))))
    ahead = first if best > lags else second
    sure = best != lags and abs(rho[best]) > limit
    lag_s = (best - lags) * step_s
    found = float(rho[best])
    return Lagged(
        first, second, window_s, step_s, lag_s, found, limit, int(pairs[best]), ahead if sure else None, None, p
    )  # fmt: skip


def together(found: Sequence[Lagged], settings: Settings) -> tuple[Lagged, ...]:
    """`settings.multiplicity` over the pairs of one window: who leads only by the chance that so many give does not."""
    tested = [f.p for f in found if f.p is not None]
    judged = iter(PROCEDURES[settings.multiplicity](tested, settings.fdr))
    out: list[Lagged] = []
    for f in found:
        if f.p is None:
            out.append(f)
            continue
        a = next(judged)
        out.append(
            replace(f, p_adjusted=a.adjusted, family=a.family, leader=f.leader if a.rejected else None)
        )  # fmt: skip
    return tuple(out)


def lagged(venues: Mapping[str, Ticks], end: int, window_s: int, settings: Settings = DEFAULTS) -> tuple[Lagged, ...]:
    """Every pair of venues over the `window_s` seconds before `end` [ms]; none where fewer than two venues are."""
    found = [pair((a, b), venues[a], venues[b], end, window_s, settings) for a, b in combinations(sorted(venues), 2)]
    return together(found, settings)


def within(seen: Panel, window_s: int, settings: Settings = DEFAULTS) -> tuple[Lagged, ...]:
    """Every pair of the `growth_venues` largest venues of a panel by equal steps that ends with the window.

    A venue is as slow as its largest contract; of the others those count that are no slower than half a step. Growth is
    that of the matched panel: a silence, a re-entry or another way of counting is no growth, but no step either.
    """
    if len(seen.t) < 3 or not seen.contracts:
        return ()
    grid_s = round(float(np.median(np.diff(seen.t))) / 1000)
    held = np.nan_to_num(seen.usd[-1])
    sizes = seen.by_venue(held)
    largest = [seen.venues[k] for k in np.argsort(-sizes, kind="stable")[: settings.growth_venues] if sizes[k] > 0]
    mine = {v: np.array([c.venue == v for c in seen.contracts], bool) for v in largest}
    slow = {v: float(seen.cadence_s[-1, np.argmax(np.where(m, held, -1.0))]) for v, m in mine.items()}
    grows: dict[int, dict[str, Floats]] = {}  # by step, by venue
    found: list[Lagged] = []
    for a, b in combinations(sorted(largest), 2):
        least = max(settings.growth_step_s, settings.growth_step_cadences * max(slow[a], slow[b]), float(grid_s))
        step_s = ceil(least / grid_s) * grid_s
        if not resolved(window_s, step_s, settings):
            found.append(unresolved((a, b), window_s, step_s))
            continue
        if step_s not in grows:
            grows[step_s] = growth(seen, mine, step_s // grid_s, step_s / settings.growth_step_cadences, settings)
        of = grows[step_s]
        found.append(compared((a, b), of[a], of[b], window_s, step_s, settings))
    return together(found, settings)


def growth(
    seen: Panel, mine: Mapping[str, NDArray[np.bool_]], rows: int, slowest_s: float, settings: Settings
) -> dict[str, Floats]:
    """d ln Q by venue over steps of so many rows, of its contracts (`mine`) that are no slower than `slowest_s`."""
    moved = steps(seen, settings, rows)
    often = seen.cadence_s[-1] <= slowest_s
    out: dict[str, Floats] = {}
    for venue, contracts in mine.items():
        g = moved.total_growth(contracts & often)[::-rows][::-1]
        out[venue] = np.log1p(g, out=np.full(len(g), np.nan), where=g > -1.0)
    return out
