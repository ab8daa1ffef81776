"""How unusual each venue's open interest is, by its own past (analytics.md, 5).

Open interest is close to a random walk: a high level z is common. Changes decide, and their percentile, not their z.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import theilslopes

from analytics import coverage, windows
from analytics.alignment import Floats, Panel, State, holes
from analytics.coverage import Coverage
from analytics.matched import Steps, Window, panel_rows, steps, window
from analytics.provenance import Basis, Code, Method, Reason, finite
from analytics.settings import DEFAULTS, Settings
from analytics.thresholds import centre_and_scale, rank

LINE_POINTS = 240  # Theil-Sen looks at every pair: thinned evenly beyond this many


@dataclass(frozen=True, slots=True)
class VenueZ:
    """ "+2.5" means 2.5 own scales, not a probability."""

    venue: str
    z_level: float | None  # of ln Q: mean and sd
    z_level_rob: float | None  # of ln Q: median and 1.4826 MAD
    z_detr: float | None  # off a Theil-Sen line through ln Q
    z_chg: float | None  # of native growth over the window, robust: ranks
    percentile: float | None  # of |growth - median|, 0-100: decides the alert
    z_gap: float | None  # z_chg minus the median of the other venues'
    z_gap_percentile: float | None
    gap_alert: bool  # z_gap by its own percentile
    interrupted: bool  # a contract of it was silent within the window, and left out: wholly so, it has no z_chg
    growth: float | None  # of contracts over the window, fraction
    n: int
    span_s: float
    observed: float  # part of the slots that were heard
    alert: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class ZScores:
    window_s: int
    t0: int | None
    t1: int | None
    venues: tuple[VenueZ, ...]  # most unusual first
    coverage: Coverage
    basis: str
    method: Method
    reasons: tuple[Reason, ...]


METHOD = Method("zscore.own_history")


def classical(history: Floats, x: float) -> float | None:
    """(x - mean)/sd, the current point left out of the reference. None where nothing varies."""
    sd = float(np.std(history, ddof=1)) if len(history) > 1 else 0.0
    return float(x - history.mean()) / sd if sd > 0 else None


def robust(history: Floats, x: float) -> float | None:
    """(x - median)/(1.4826 MAD), with the fallbacks of `centre_and_scale`."""
    middle, scale = centre_and_scale(history)
    return None if scale is None else float(x - middle) / scale


def detrended(t: Floats, history: Floats, now: float, x: float) -> float | None:
    """Residual of x at `now` off a Theil-Sen line through the history, in robust scales of its residuals."""
    found = line(t, history)
    return None if found is None else float(x - (found[1] + found[0] * now)) / found[2]


def line(t: Floats, history: Floats) -> tuple[float, float, float] | None:
    """(slope, intercept, robust scale of the residuals) of a Theil-Sen line; None where nothing varies off it."""
    if len(history) < 3:
        return None
    thin = np.unique(np.linspace(0, len(t) - 1, min(len(t), LINE_POINTS)).round().astype(int))
    slope, intercept = np.asarray(theilslopes(history[thin], t[thin])[:2], float).tolist()
    scale = centre_and_scale(history - (intercept + slope * t))[1]
    return None if scale is None else (slope, intercept, scale)


def smoothed(mean: float, variance: float, x: float, dt_s: float, tau_s: float) -> tuple[float, float]:
    """One exponential step for tick use: mu += al*(x - mu), S = (1 - al)*(S + al*(x - mu_old)^2)."""
    al = 1.0 - exp(-dt_s / tau_s)
    return mean + al * (x - mean), (1.0 - al) * (variance + al * (x - mean) ** 2)


def assess(*, latest: pd.DataFrame, recent: pd.DataFrame, history: pd.DataFrame, now: int, window_s: int,
           gaps: pd.DataFrame | None = None, plausible: Mapping[str, float] | None = None,
           settings: Settings = DEFAULTS) -> ZScores:  # fmt: skip
    """All variants per venue for the last `window_s` seconds.

    `recent`: minute bars of the window; `history`: bars of the 30 d (1 h), 90 d (4 h) or 365 d (24 h) before it. Slots
    are `window_s` apart; those in which a venue was not heard are left out, never filled. Empty in, `no_data` out.
    """
    seen = windows.recent(recent, latest, now, window_s, gaps=gaps, settings=settings)
    heard = coverage.of(seen, settings=settings, plausible=plausible, gaps=gaps)
    if not seen.contracts or len(seen.t) < 2:
        why = coverage.ONE_END if seen.contracts else coverage.NOBODY
        return ZScores(window_s, None, None, (), heard, Basis.DERIVED, METHOD, (why,))
    w = window(seen, 0, len(seen.t) - 1, settings)
    through = w.usd0 * ~interrupted(seen, gaps, window_s, settings)
    weight, moved = seen.by_venue(through), seen.by_venue(through * w.growth)
    cut = seen.by_venue(w.usd0 - through) > 0
    growth = np.divide(moved, weight, out=np.full_like(weight, np.nan), where=weight > 0)
    now_logs = venue_logs(panel_rows(seen, -1))[0]
    earlier = windows.past(history, int(seen.t[0]), window_s, gaps=gaps, settings=settings)
    stride = steps(earlier, settings) if len(earlier.t) > 1 and earlier.contracts else None
    changes = windows.in_order(earlier, venue_growth(earlier, stride), seen.venues, np.nan)
    logs = windows.in_order(earlier, venue_logs(earlier), seen.venues, np.nan)
    d = np.log1p(np.where(growth > -1, growth, np.nan))
    chg = [robust(known(np.log1p(changes[:, k])), x) if np.isfinite(x) else None for k, x in enumerate(d)]
    gap, gap_rank = gaps_to_others(np.log1p(changes), np.array([np.nan if z is None else z for z in chg]))
    when = earlier.t.astype(float)
    refused = w.refusal(settings)
    sound = refused is None and heard.grade != "D"
    rows = [
        one(v, when, logs[:, k], finite(now_logs[k]), changes[:, k], finite(growth[k]), (chg[k], gap[k], gap_rank[k]),
            bool(cut[k]), now, window_s, settings, sound)
        for k, v in enumerate(seen.venues)
    ]  # fmt: skip
    rows.sort(key=lambda r: (-(r.percentile or -1.0), -abs(r.z_chg or 0.0)))
    return ZScores(
        window_s, w.t0, w.t1, tuple(rows), heard, Basis.DERIVED, METHOD, (refused,) if refused else ()
    )  # fmt: skip


def one(venue: str, t: Floats, logs: Floats, x: float | None, changes: Floats, growth: float | None,
        moved: tuple[float | None, float | None, float | None], cut: bool, now: int, window_s: int,
        settings: Settings, sound: bool) -> VenueZ:  # fmt: skip
    """One venue's row; a history that is too short, too young or too holey gives a reason and no number. Where the
    market is not heard well (`sound`) nothing alerts."""
    slots = np.isfinite(logs)
    n = int(np.isfinite(changes).sum())
    first = int(np.argmax(slots)) if slots.any() else 0
    span = float(t[slots][-1] - t[slots][0]) / 1000.0 if slots.any() else 0.0
    observed = float(slots[first:].mean()) if slots.any() else 0.0
    need = settings.min_history(window_s)
    if n < need or span < settings.z_min_span_s or observed < settings.z_observed:
        words = (
            f"{venue}: {n} windows over {span / 86_400:.1f} days, {observed:.0%} of the slots heard; needed: {need}, "
            f"{settings.z_min_span_s / 86_400:.0f} days and {settings.z_observed:.0%}."
        )
        why = (Reason(Code.INSUFFICIENT_HISTORY, words),)
        return VenueZ(
            venue, None, None, None, None, None, None, None, False, cut, growth, n, span, observed, False, why
        )  # fmt: skip
    reference, when = logs[slots], t[slots]
    level = (None, None, None)
    unheard = (
        Reason(Code.INSUFFICIENT_COVERAGE, f"Not every contract of {venue} is heard now: its level is unknown."),
    )
    if x is not None:
        level = (classical(reference, x), robust(reference, x), detrended(when, reference, float(now), x))
        unheard = ()
    if growth is None or growth <= -1:
        words = "was interrupted within the window" if cut else "was not heard at both ends of the window"
        why = (Reason(Code.UNDETERMINED_PANEL, f"{venue} {words}."), *unheard)
        return VenueZ(venue, *level, None, None, None, None, False, cut, growth, n, span, observed, False, why)
    past = known(np.log1p(changes))
    middle = float(np.median(past))
    place = rank(np.abs(past - middle), abs(float(np.log1p(growth)) - middle))
    alert = sound and place is not None and place >= settings.z_alert_percentile
    z_chg, z_gap, gap_rank = moved
    apart = sound and gap_rank is not None and gap_rank >= settings.z_alert_percentile
    return VenueZ(
        venue, *level, z_chg, place, z_gap, gap_rank, apart, cut, growth, n, span, observed, alert, unheard
    )  # fmt: skip


def interrupted(seen: Panel, gaps: pd.DataFrame | None, window_s: int, settings: Settings) -> NDArray[np.bool_]:
    """[I]: silent within the window for longer than an earlier window could have been without being left out."""
    known = holes(windows.interruptions(gaps, window_s, settings), seen.contracts, seen.t, settings)
    return known.any(axis=0) | (seen.state[:-1] == State.DEAD).any(axis=0)


def venue_growth(earlier: Panel, stride: Steps | Window | None) -> Floats:
    """[K, V], or [V] of one window: native growth; NaN where a venue was not heard at both ends."""
    if stride is None:
        return np.empty((0, len(earlier.venues)))
    weight = earlier.by_venue(stride.usd0)
    moved = earlier.by_venue(stride.usd0 * stride.growth)
    out = np.divide(moved, weight, out=np.full_like(weight, np.nan), where=weight > 0)
    return np.where(out > -1.0, out, np.nan)


def venue_logs(earlier: Panel) -> Floats:
    """[T, V]: ln Q of the venues whose every known instrument was fresh; NaN elsewhere."""
    if not earlier.contracts:
        return np.empty((len(earlier.t), 0))
    fresh = earlier.state == State.FRESH
    base = earlier.by_venue(np.where(fresh, earlier.base, np.nan))
    holes = earlier.by_venue((~fresh & (earlier.state != State.ABSENT)).astype(float)) > 0
    good = (base > 0) & ~holes
    return np.log(base, out=np.full_like(base, np.nan), where=good)


def gaps_to_others(changes: Floats, now: Floats) -> tuple[list[float | None], list[float | None]]:
    """(z_gap, its percentile) per venue: z_chg minus the median of the others', against the same of the past."""
    n, width = changes.shape
    scales = [centre_and_scale(changes[:, k]) for k in range(width)]
    z = np.full((n, width), np.nan)
    for k, (middle, scale) in enumerate(scales):
        if scale is not None:
            z[:, k] = (changes[:, k] - middle) / scale
    out: list[float | None] = []
    ranks: list[float | None] = []
    for k in range(width):
        others = known(np.delete(now, k))
        if not np.isfinite(now[k]) or not len(others):
            out.append(None)
            ranks.append(None)
            continue
        rest = np.delete(z, k, axis=1)
        full = np.isfinite(rest).any(axis=1)
        past = z[full, k] - np.nanmedian(rest[full], axis=1) if full.any() else np.empty(0)
        gap = float(now[k] - np.median(others))
        out.append(gap)
        ranks.append(rank(np.abs(past), abs(gap)))
    return out, ranks


def known(values: Floats) -> Floats:
    return values[np.isfinite(values)]
