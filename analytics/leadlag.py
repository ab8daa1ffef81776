"""Which venue's open interest moves first (analytics.md, 3.3; decisions 18).

Hayashi-Yoshida on native ticks: no common grid, no interpolation. Named only where sampling can tell it: a polled venue
always looks late by about half its poll.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import correlate

from analytics.provenance import Code, Method, Reason
from analytics.settings import DEFAULTS, Settings
from analytics.units import Floats

FINEST_S = 0.25  # between lags that are tried
METHOD = Method("leadlag.hayashi_yoshida")


@dataclass(frozen=True, slots=True)
class Ticks:
    """One venue's path: ms UTC ascending, ln of its open interest, and its usual gap between statements [s]."""

    t: NDArray[np.int64]
    x: Floats
    cadence_s: float
    delay_s: float = 0.0  # from its own time to ours, usually; 0 where it states no time and `t` is ours


@dataclass(frozen=True, slots=True)
class Lead:
    """One pair in one window. `lag_s` > 0: the first leads."""

    first: str
    second: str
    lag_s: float | None  # of the largest |rho| up to the longest lag; None where sampling does not resolve that one
    rho: float | None  # at that lag
    llr: float | None  # sum of rho^2 where the first leads over that where the second does
    p: float | None  # by circular shifts, of the stronger half
    resolution_s: float  # lags below this cannot be told apart
    leader: str | None
    reason: str | None  # unresolved_by_sampling | no_data


@dataclass(frozen=True, slots=True)
class Leadership:
    """`leader` leads the most of its peers in two of three windows (settings); None where nobody does."""

    leader: str | None
    pairs: tuple[Lead, ...]  # all windows, oldest first
    led: Mapping[str, int]  # peers that each venue leads
    resolved: int  # pairs that sampling could resolve in at least two windows
    method: Method
    reasons: tuple[Reason, ...]
    note: str | None = None  # why nobody is named although sampling could tell: in words, no reason code fits


def covariance(x_t: ArrayLike, x: ArrayLike, y_t: ArrayLike, y: ArrayLike, lag: float = 0.0) -> float:
    """U(lag) = sum dX_k*dY_l over intervals of which I_k meets J_l - lag. Times in any one unit, ascending."""
    a, b = np.asarray(x_t, float), np.asarray(y_t, float) - lag
    dx, dy = np.diff(np.asarray(x, float)), np.diff(np.asarray(y, float))
    upto = np.concatenate([[0.0], np.cumsum(dy)])
    low = np.searchsorted(b[1:], a[:-1], side="right")
    high = np.searchsorted(b[:-1], a[1:], side="left")
    return float((dx * (upto[np.maximum(high, low)] - upto[low])).sum())


def correlation(x_t: ArrayLike, x: ArrayLike, y_t: ArrayLike, y: ArrayLike, lag: float = 0.0) -> float | None:
    """rho = U/sqrt(sum dX^2 * sum dY^2); None where one of them never moved."""
    size = float(np.square(np.diff(np.asarray(x, float))).sum() * np.square(np.diff(np.asarray(y, float))).sum())
    return covariance(x_t, x, y_t, y, lag) / size**0.5 if size > 0 else None


def turned(x: Ticks, y: Ticks, start: int, seconds: int) -> Floats:
    """U at every lag from -seconds to +seconds - 1 s, y being a circle: the value at lag s is that of a shift by s.

    Times are taken to the full second. One correlation gives all lags and all shifts.
    """
    n = seconds
    a, dx = by_second(x, start, n)
    b, dy = by_second(y, start, n)
    ends, begins = np.zeros(n + 1), np.zeros(n + 1)
    ends[a[1:]] += dx
    begins[a[:-1]] += dx
    began, ended = np.zeros(3 * n + 2), np.zeros(3 * n + 2)
    for lap in range(3):  # three laps of the circle: any shift of one lap either way stays inside
        np.add.at(began, b[:-1] + lap * n + 1, dy)  # J begins before the end of I: strictly
        np.add.at(ended, b[1:] + lap * n, dy)
    high, low = np.cumsum(began)[: 3 * n + 1], np.cumsum(ended)[: 3 * n + 1]
    found = correlate(high, ends, "valid", "fft") - correlate(low, begins, "valid", "fft")
    return np.asarray(found, np.float64)[: 2 * n]


def by_second(of: Ticks, start: int, seconds: int) -> tuple[NDArray[np.int64], Floats]:
    """(whole seconds since `start`, moves between them) of the last statement in each second that had one."""
    at = np.clip((of.t - start) // 1000, 0, seconds).astype(np.int64)
    last = np.append(np.diff(at) > 0, True)
    return at[last], np.diff(of.x[last])


def pair(names: tuple[str, str], x: Ticks, y: Ticks, start: int, end: int, settings: Settings = DEFAULTS) -> Lead:
    """Who of two leads within [start, end) ms. Lags below `finest` say nothing and are left out."""
    first, second = names
    resolution = finest(x, y)
    x, y = cut(x, start, end), cut(y, start, end)
    lags = np.array([s for s in settings.lead_lags_s if s >= resolution])
    if len(x.t) < 3 or len(y.t) < 3 or not np.diff(x.x).any() or not np.diff(y.x).any():
        return Lead(first, second, None, None, None, None, resolution, None, Code.NO_DATA)
    if not len(lags):
        return Lead(first, second, None, None, None, None, resolution, None, Code.UNRESOLVED_BY_SAMPLING)
    n = (end - start) // 1000
    size = float(np.square(by_second(x, start, n)[1]).sum() * np.square(by_second(y, start, n)[1]).sum()) ** 0.5
    if size == 0:
        return Lead(first, second, None, None, None, None, resolution, None, Code.NO_DATA)
    squared = turned(x, y, start, n) / size
    at = {int(s): float(squared[n + s]) for s in (*-lags[::-1], *lags)}
    ahead, behind = (float(sum(at[int(k) * s] ** 2 for k in lags)) for s in (1, -1))
    block = settings.lead_block_s
    every_shift = np.linspace(block, n - block, settings.lead_shifts).round().astype(int)
    shifts = every_shift if n > 3 * block else np.empty(0, int)
    stronger = 1 if ahead >= behind else -1
    chance = np.square(squared[(n + shifts[:, None] + stronger * lags[None, :]) % (2 * n)]).sum(axis=1)
    p = (1 + int((chance >= max(ahead, behind)).sum())) / (1 + len(shifts)) if len(shifts) else None
    far = settings.lead_lags_s[-1]
    best, rho = nearest(x, y, int(np.argmax(np.abs(squared[n - far : n + far + 1]))) - far)
    told = (
        abs(best) >= resolution
    )  # else what stands out most lies where none can be told, and any other would be noise
    llr = ahead / behind if behind > 0 else float("inf")
    ratio = max(llr, 1.0 / llr if llr > 0 else float("inf"))
    sure = ratio >= settings.lead_ratio and p is not None and p <= settings.significance
    leader = None if not sure else first if ahead > behind else second
    return Lead(
        first, second, best if told else None, rho if told else None, min(llr, 1e9), p, resolution, leader, None
    )  # fmt: skip


def finest(x: Ticks, y: Ticks) -> float:
    """The lag [s] below which two venues cannot be told apart: (kappa_X + kappa_Y)/2 plus publication delay.

    Of the two delays the larger: it bounds how far both together can shift a lag, and stands in for the one that a
    venue without a time of its own does not tell.
    """
    return (x.cadence_s + y.cadence_s) / 2.0 + max(x.delay_s, y.delay_s, 0.0)


def nearest(x: Ticks, y: Ticks, about: int) -> tuple[float, float]:
    """(lag [s], rho) that stands out most within a second of `about`, by the times as they are: full seconds may put
    two statements together, or apart by one. Steps of half the two cadences, a quarter of a second at least.
    """
    step = min(max((x.cadence_s + y.cadence_s) / 2.0, FINEST_S), 1.0)
    beside = np.arange(step, 1.0 + 1e-9, step)
    lags = about + np.concatenate([[0.0], *([-s, s] for s in beside)])
    found = np.array([correlation(x.t / 1000.0, x.x, y.t / 1000.0, y.x, lag) or 0.0 for lag in lags])
    k = int(np.argmax(np.abs(found)))
    return round(float(lags[k]), 2), float(found[k])


def cut(of: Ticks, start: int, end: int) -> Ticks:
    inside = (of.t >= start) & (of.t < end)
    return Ticks(of.t[inside], of.x[inside], of.cadence_s, of.delay_s)


def lead(venues: Mapping[str, Ticks], start: int, end: int, settings: Settings = DEFAULTS) -> Leadership:
    """Over all pairs and three consecutive windows of [start, end) ms. Fewer than two venues: `too_few_venues`."""
    names = sorted(venues)
    if len(names) < 2:
        why = Reason(Code.TOO_FEW_VENUES, "Two venues are needed to tell who moves first.")
        return Leadership(None, (), {}, 0, METHOD, (why,))
    edges = np.linspace(start, end, settings.lead_windows + 1).astype(np.int64) // 1000 * 1000
    found = [
        pair((a, b), venues[a], venues[b], int(edges[k]), int(edges[k + 1]), settings)
        for k in range(settings.lead_windows)
        for a, b in combinations(names, 2)
    ]
    led = dict.fromkeys(names, 0)
    resolved = 0
    for a, b in combinations(names, 2):
        mine = [f for f in found if (f.first, f.second) == (a, b)]
        resolved += sum(f.reason is None for f in mine) >= settings.lead_agreeing
        for name in (a, b):
            led[name] += sum(f.leader == name for f in mine) >= settings.lead_agreeing
    top = max(names, key=lambda v: led[v])
    named = top if 2 * led[top] > len(names) - 1 else None
    if named is not None:
        return Leadership(named, tuple(found), led, resolved, METHOD, ())
    if not resolved:
        return Leadership(named, tuple(found), led, resolved, METHOD, (unresolved(found),))
    often = f"{settings.lead_agreeing} of {settings.lead_windows} windows"
    note = f"{resolved} pairs could be told apart, and no venue leads most of its peers in {often}."
    return Leadership(named, tuple(found), led, resolved, METHOD, (), note)


def unresolved(found: Sequence[Lead]) -> Reason:
    coarse = max((f.resolution_s for f in found), default=0.0)
    words = f"No pair of venues is heard often enough to tell who moves first (lags below {coarse:.0f} s are blind)."
    return Reason(Code.UNRESOLVED_BY_SAMPLING, words)
