"""Which venue's growth comes first, over windows of an hour and more (analytics.md, 3.3).

Plain cross-correlation of d ln Q on one grid. A step is two of the coarser cadences: what a poll is late by is then
less than half a step, and falls to lag zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import ceil

import numpy as np
from scipy.stats import norm

from analytics.leadlag import Ticks
from analytics.provenance import Code
from analytics.settings import DEFAULTS, Settings
from analytics.units import Floats


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
    leader: str | None  # None at lag zero and within the limit
    reason: str | None  # unresolved_by_sampling | no_data


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
    rho, pairs = np.full(2 * lags + 1, np.nan), np.zeros(2 * lags + 1)
    for k in range(-lags, lags + 1):
        a, b = (x[: len(x) - k], y[k:]) if k >= 0 else (x[-k:], y[:k])
        both = np.isfinite(a) & np.isfinite(b)
        a, b = a[both], b[both]
        pairs[k + lags] = len(a)
        if len(a) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0:
            rho[k + lags] = np.corrcoef(a, b)[0, 1]
    return rho, pairs


def pair(names: tuple[str, str], x: Ticks, y: Ticks, end: int, window_s: int, settings: Settings = DEFAULTS) -> Lagged:
    """The lag that stands out the most from noise, of those up to a quarter of the window either way.

    `limit` is that of white noise, 1/sqrt(n), two-sided, divided among all lags (Bonferroni).
    """
    step_s = ceil(max(settings.growth_step_s, settings.growth_step_cadences * max(x.cadence_s, y.cadence_s)))
    steps = window_s // step_s
    lags = int(steps * settings.growth_lag_share)
    first, second = names
    if steps - lags < settings.growth_min_steps:
        return Lagged(first, second, window_s, step_s, None, None, None, 0, None, Code.UNRESOLVED_BY_SAMPLING)
    oldest_s = max(step_s, settings.stored_floor_s)
    a, b = (grown(of, end, step_s, steps, oldest_s) for of in (x, y))
    rho, pairs = correlations(a, b, lags)
    told = np.isfinite(rho) & (pairs >= settings.growth_min_steps)
    if not told.any():
        return Lagged(first, second, window_s, step_s, None, None, None, int(pairs.max()), None, Code.NO_DATA)
    best = int(np.argmax(np.where(told, np.abs(rho) * np.sqrt(pairs), -1.0)))
    limit = float(norm.isf(settings.significance / (2 * int(told.sum()))) / np.sqrt(pairs[best]))
    ahead = first if best > lags else second
    sure = best != lags and abs(rho[best]) > limit
    lag_s = (best - lags) * step_s
    found = float(rho[best])
    return Lagged(first, second, window_s, step_s, lag_s, found, limit, int(pairs[best]), ahead if sure else None, None)


def lagged(venues: Mapping[str, Ticks], end: int, window_s: int, settings: Settings = DEFAULTS) -> tuple[Lagged, ...]:
    """Every pair of venues over the `window_s` seconds before `end` [ms]; none where fewer than two venues are."""
    return tuple(
        pair((a, b), venues[a], venues[b], end, window_s, settings) for a, b in combinations(sorted(venues), 2)
    )
