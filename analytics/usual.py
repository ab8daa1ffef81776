"""What is usual for one market over windows of one length, so that one reading of it serves every later question.

Worked out by the hourly clock and stored as rows (analytics.md, 3.4; decisions 12); without a stored one the same
numbers come from the history itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, log1p

import numpy as np
import pandas as pd

from analytics import closes as days
from analytics import conviction, coverage, rotation, windows
from analytics.alignment import Floats, Panel
from analytics.carry import level
from analytics.conviction import INSTITUTIONAL, SPECULATIVE, Scales
from analytics.inflow import new_hhi
from analytics.matched import steps
from analytics.provenance import Threshold
from analytics.settings import DEFAULTS, Settings
from analytics.thresholds import centre_and_scale
from analytics.zscore import known, venue_growth

VERSION = "3"  # of the rules below; stored with every row
QUANTILES = tuple(range(0, 101, 5))
CLASS_SCALES = ("limit", "centre", "scale", "speculative", "institutional")


@dataclass(frozen=True, slots=True)
class Usual:
    """By name of the metric: its value and the points of own history behind it. A value may be NaN: too few points."""

    values: Mapping[str, tuple[float, int]]

    def number(self, name: str) -> float | None:
        value = self.values.get(name, (float("nan"), 0))[0]
        return value if isfinite(value) else None

    def count(self, name: str) -> int:
        return self.values.get(name, (0.0, 0))[1]

    def material(self, name: str, fixed: float, *, unit: str, need: int) -> Threshold:
        """The larger of a fixed size and the own percentile (decisions 16); the fixed one where history is short."""
        value, n = self.number(name), self.count(name)
        if value is None or n < need:
            return Threshold(name, float(fixed), unit, "default_threshold", n)
        return Threshold(name, max(value, float(fixed)), unit, "own_history" if value >= fixed else "fixed", n)

    def classes(self) -> Scales:
        """What is usual for the two classes of venues."""
        return Scales(self.count("conviction_limit"), *(self.number(f"conviction_{name}") for name in CLASS_SCALES))

    def unusual(self, growth: Mapping[str, float], need: int) -> frozenset[str]:
        """Venues whose growth (fraction) exceeds what is usual for them by the percentile of alerts (analytics.md, 5);
        none of those with fewer than `need` earlier windows."""
        found: set[str] = set()
        for venue, g in growth.items():
            middle, far = self.number(f"growth_centre {venue}"), self.number(f"growth_far {venue}")
            if middle is None or far is None or self.count(f"growth_far {venue}") < need:
                continue
            if g > -1 and log1p(g) - middle > far:
                found.add(venue)
        return frozenset(found)

    def quantiles(self, name: str) -> list[float] | None:
        """Those that are stored; None without all of them."""
        q = [self.number(f"{name} q{k:02d}") for k in QUANTILES]
        points = [v for v in q if v is not None]
        return points if len(points) == len(QUANTILES) else None

    def at(self, name: str, percentile: float) -> float | None:
        """What stands at a percentile of the own past; None without quantiles."""
        points = self.quantiles(name)
        return None if points is None else float(np.interp(percentile, QUANTILES, points))

    def rank(self, name: str, x: float) -> float | None:
        """Where `x` stands among the own past, 0-100, between the stored quantiles; None without them."""
        points = self.quantiles(name)
        if points is None:
            return None
        if x <= points[0]:
            return 0.0
        return float(np.interp(x, points, QUANTILES)) if x <= points[-1] else 100.0


def of(history: pd.DataFrame, before: int, window_s: int, *, closes: pd.DataFrame | None = None,
       gaps: pd.DataFrame | None = None, settings: Settings = DEFAULTS) -> Usual:  # fmt: skip
    """From bars of the 30 d (1 h), 90 d (4 h) or 365 d (24 h) before `before` (ms UTC), and a year of `closes`.

    `gaps`: the interruptions of all that time.
    """
    some = None if closes is None else days.spliced(closes, gaps)
    return measured(windows.past(history, before, window_s, gaps=gaps, settings=settings), some, before, settings)


def measured(earlier: Panel, closes: pd.DataFrame | None, before: int, settings: Settings = DEFAULTS) -> Usual:
    """Of earlier windows: rows of a panel at stride W. Flows in USD, growths as fractions."""
    out: dict[str, tuple[float, int]] = {}
    stride = steps(earlier, settings) if len(earlier.t) > 1 and earlier.contracts else None
    flows = windows.flows(earlier, earlier.venues, settings)
    flows = flows[np.isfinite(flows).all(axis=1)]
    n = len(flows)
    out["windows"] = (float(n), n)
    for name, values, percentile in (
        ("rotated", rotation.rotated(flows), settings.rotation_percentile),
        ("net_flow", np.abs(flows.sum(axis=1)), settings.rotation_percentile),
        ("inflow", np.maximum(flows, 0.0).sum(axis=1), settings.inflow_percentile),
    ):
        out[name] = (float(np.percentile(values, percentile)) if n else float("nan"), n)
    news = new_hhi(flows) if flows.size else np.empty(0)
    out |= quantiles("hhi_new", news)
    if closes is not None:
        out |= quantiles("hhi", daily_hhi(days.panel(closes, end=before, settings=settings), settings)[-365:])
    if stride is None:
        return Usual(out)
    held = stride.guarded(settings)
    growth = np.where(held, stride.total_growth(), np.nan)
    whole = growth[np.isfinite(growth) & (growth > -1.0)]
    prices = known(np.diff(np.log(earlier.price)))
    out["contracts_scale"] = scale(np.log1p(whole))
    out["price_scale"] = scale(prices)
    parts: list[Floats] = []
    for klass in (SPECULATIVE, INSTITUTIONAL):
        mine = np.array([c.klass == klass for c in earlier.contracts], bool)
        parts.append(np.where(held, stride.total_growth(mine), np.nan))
    gap = conviction.scales(parts[0], parts[1], settings)
    for name in CLASS_SCALES:
        value = getattr(gap, name)
        out[f"conviction_{name}"] = (float("nan") if value is None else value, gap.n)
    by_venue = venue_growth(earlier, stride)
    for k, venue in enumerate(earlier.venues):
        own = known(np.log1p(by_venue[:, k]))
        middle, spread = centre_and_scale(own)
        out[f"growth_centre {venue}"] = (middle, len(own))
        far = np.percentile(np.abs(own - middle), settings.z_alert_percentile) if len(own) else float("nan")
        out[f"growth_far {venue}"] = (float(far), len(own))
        out[f"growth_scale {venue}"] = (float("nan") if spread is None else spread, len(own))
    return Usual(out)


def scale(values: Floats) -> tuple[float, int]:
    spread = centre_and_scale(values)[1]
    return (float("nan") if spread is None else spread, len(values))


def quantiles(name: str, values: Floats) -> dict[str, tuple[float, int]]:
    n = len(values)
    found = np.percentile(values, QUANTILES) if n else np.full(len(QUANTILES), np.nan)
    return {f"{name} q{k:02d}": (float(v), n) for k, v in zip(QUANTILES, found, strict=True)}


def daily_hhi(daily: Panel, settings: Settings) -> Floats:
    """HHI of each close that was heard well enough."""
    if not daily.contracts:
        return np.empty(0)
    held = daily.by_venue(level(daily, settings).usd)
    ok = (np.nan_to_num(coverage.shares(daily)) >= settings.panel_guard) & (held.sum(axis=1) > 0)
    p = held[ok] / held[ok].sum(axis=1, keepdims=True)
    return np.square(p).sum(axis=1)
