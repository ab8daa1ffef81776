"""Series that follow from flows, forced closes, ratios and the calendar, one value a step (analytics.md, 2 to 7).

A step that cannot be judged is None, never zero.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics import conventions, regime, rotation, supply
from analytics.alignment import DAY_MS, Floats, Panel, grid, only, panel
from analytics.carry import level
from analytics.conviction import INSTITUTIONAL, SPECULATIVE
from analytics.levels import funding
from analytics.matched import Steps, steps
from analytics.provenance import Reason, finite
from analytics.settings import DEFAULTS, Settings
from analytics.supply import ERA_START
from analytics.thresholds import centre_and_scale, rank

ERA_BLOCKS = 210_000  # between two halvings
YEAR = 365  # days
FEWEST = 30  # earlier steps behind a z-score
RATIOS = ("account", "top_account", "top_position", "taker")
NEEDS_YEAR = frozenset({"liquidation_intensity", "overheat"})


@dataclass(frozen=True, slots=True)
class Track:
    """Moments (ms UTC, ends of steps) and what is known at each."""

    t: tuple[int, ...]
    values: tuple[float | None, ...]
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """What every series is made from."""

    asset: str
    panel: Panel
    moved: Steps
    bars: pd.DataFrame
    ratios: pd.DataFrame
    step_ms: int
    settings: Settings

    def summed(self, columns: tuple[str, ...], unit: Floats | None = None) -> Floats:
        """[T]: columns of the bars that end in each step, added up; NaN where none says anything.

        In USD if `unit` gives the value of a native contract by row and instrument.
        """
        out, said = np.zeros(len(self.panel.t)), np.zeros(len(self.panel.t), bool)
        row = np.searchsorted(self.panel.t, self.bars["t"].to_numpy(np.int64), side="left")
        place = {c.id: i for i, c in enumerate(self.panel.contracts)}
        column = self.bars["instrument_id"].map(place).to_numpy(float)
        fits = (row < len(out)) & np.isfinite(column)
        for name in columns:
            x = self.bars[name].to_numpy(float)
            good = fits & np.isfinite(x)
            if unit is not None:  # a step in what is counted is neither opened nor closed
                good[good] &= ~self.panel.broken[np.maximum(row[good] - 1, 0), column[good].astype(int)]
            worth = 1.0 if unit is None else unit[row[good], column[good].astype(int)]
            np.add.at(out, row[good], np.nan_to_num(x[good] * worth))
            said[row[good]] = True
        return np.where(said, out, np.nan)


def of(series: str, asset: str, *, bars: pd.DataFrame, start: int, end: int, step_s: int,
       gaps: pd.DataFrame | None = None, ratios: pd.DataFrame | None = None, venue: str | None = None,
       settings: Settings = DEFAULTS) -> Track:  # fmt: skip
    """One series from `start` to `end` (ms). `bars` of the step, a year more of them for what is held against a year.

    `ratios` (store.reader.ratios) for long/short; `venue` limits all to one. Empty in, empty out.
    """
    first = int(bars["t"].min()) if len(bars) else end
    if series in NEEDS_YEAR:  # a percentile is taken: all of it in today's counting
        bars = conventions.spliced(bars, gaps)
    seen = panel(bars, grid(end, first, step_s), settings=settings, gaps=gaps)
    if venue is not None:
        seen = only(seen, np.array([c.venue == venue for c in seen.contracts], bool))
    if not seen.contracts or len(seen.t) < 2:
        return Track((), ())
    told = ratios if ratios is not None else pd.DataFrame()
    if venue is not None and len(told):
        told = told[told["venue"] == venue]
    values = SERIES[series](Ground(asset, seen, steps(seen, settings), bars, told, step_s * 1000, settings))
    keep = np.flatnonzero(seen.t >= start)
    why = conventions.reasons(seen.contracts, seen.t[keep], seen.broken[keep])
    return Track(tuple(int(t) for t in seen.t[keep]), tuple(finite(values[k]) for k in keep), why)


def guarded(g: Ground, values: Floats) -> Floats:
    """[K] of steps put at their ends [T]; NaN where the panel did not hold."""
    return np.concatenate([[np.nan], np.where(g.moved.guarded(g.settings), values, np.nan)])


def flow(g: Ground) -> Floats:
    """Positions opened minus closed [USD a step], matched panel."""
    return guarded(g, g.moved.flow.sum(axis=1))


def gross(g: Ground) -> Floats:
    """Opened plus closed [USD a step]: a lower bound at the stored cadence."""
    p = g.panel
    unit = np.divide(p.usd, p.native, out=np.full_like(p.usd, np.nan), where=p.native > 0)
    return g.summed(("opened", "closed"), unit)


def rotated(g: Ground) -> Floats:
    """R of each step's flows by venue."""
    flows = g.panel.by_venue(g.moved.flow)
    whole = np.abs(flows).sum(axis=1)
    R = np.divide(2 * rotation.rotated(flows), whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return guarded(g, R)


def conviction(g: Ground) -> Floats:
    """Native growth of speculative minus that of institutional venues, a fraction a step."""
    classes = [np.array([c.klass == k for c in g.panel.contracts], bool) for k in (SPECULATIVE, INSTITUTIONAL)]
    s, i = (g.moved.total_growth(mine) for mine in classes)
    return guarded(g, s - i)


def zscore(g: Ground) -> Floats:
    """Robust z of each step's growth of contracts against the steps before it (at least thirty)."""
    growth = np.log1p(np.maximum(guarded(g, g.moved.total_growth()), -0.999))
    out = np.full(len(growth), np.nan)
    for k in range(len(growth)):
        past = growth[:k][np.isfinite(growth[:k])]
        if len(past) >= FEWEST and np.isfinite(growth[k]):
            middle, spread = centre_and_scale(past)
            out[k] = np.nan if spread is None else (growth[k] - middle) / spread
    return out


def liquidations(g: Ground) -> Floats:
    """Force-closed [USD a step], both sides, as far as feeds show it."""
    return g.summed(("liquidated_long", "liquidated_short"))


def liquidation_intensity(g: Ground) -> Floats:
    """Percentile (0-100) of force-closed USD over the level, among the year before. Daily steps."""
    total = level(g.panel, g.settings).total_usd
    share = np.divide(liquidations(g), total, out=np.full(len(total), np.nan), where=total > 0)
    return 100.0 * own_rank(share, g)


def own_rank(values: Floats, g: Ground) -> Floats:
    """Fraction of the year before each step that lies below it; NaN with fewer than ninety days of it."""
    width = round(YEAR * DAY_MS / g.step_ms)
    need = max(1, round(g.settings.overheat_min_days * DAY_MS / g.step_ms))
    out = np.full(len(values), np.nan)
    for k, x in enumerate(values):
        past = values[max(0, k - width) : k]
        past = past[np.isfinite(past)]
        if len(past) >= need and np.isfinite(x):
            out[k] = (rank(past, float(x)) or 0.0) / 100.0
    return out


def long_short(kind: str) -> Callable[[Ground], Floats]:
    """exp(sum w ln ratio) over the venues that state this kind, by one-sided open interest; never two kinds at once."""

    def series(g: Ground) -> Floats:
        out = np.full(len(g.panel.t), np.nan)
        rows = g.ratios
        if not len(rows) or kind not in set(rows["kind"]):
            return out
        rows = rows[(rows["kind"] == kind) & (rows["ratio"] > 0)]
        place = {c.id: i for i, c in enumerate(g.panel.contracts)}
        column = rows["instrument_id"].map(place).to_numpy(float)
        t, ratio = rows["ts"].to_numpy(np.int64), rows["ratio"].to_numpy(float)
        for k, end in enumerate(g.panel.t):
            mine = np.flatnonzero((t > end - g.step_ms) & (t <= end) & np.isfinite(column))
            newest = {int(column[m]): float(ratio[m]) for m in mine[np.argsort(t[mine], kind="stable")]}
            held = [float(np.nan_to_num(g.panel.usd[k, i])) for i in newest]
            found = regime.long_short(list(newest.values()), held)
            out[k] = np.nan if found is None else found
        return out

    return series


def cap_share(g: Ground) -> Floats:
    """Coins open over coins in existence, by the block schedule (BTC only: modelled); NaN where no supply is known."""
    base = level(g.panel, g.settings).total_base
    exists = [supply.known(g.asset, int(t))[0] for t in g.panel.t]
    return base / np.array([np.nan if x is None else x for x in exists])


def cycle(g: Ground) -> Floats:
    """(height - 840,000)/210,000 by the block schedule: four cycles are four observations."""
    heights = [supply.estimated_height(int(t)) for t in g.panel.t]
    return np.array([np.nan if h is None else (h - ERA_START) / ERA_BLOCKS for h in heights])


def overheat(g: Ground) -> Floats:
    """OHI, 0-100: percentiles of OI/market cap, of funding and of the accounts' long/short logit, by 0.4, 0.4, 0.2."""
    ratio = long_short("account")(g)
    parts = [own_rank(x, g) for x in (cap_share(g), funding(g.panel), np.log(ratio))]
    enough = g.settings.overheat_min_days
    out = np.full(len(g.panel.t), np.nan)
    for k in range(len(out)):
        u = [finite(p[k]) for p in parts]
        found = regime.overheat(*u, days=(enough, enough, enough), settings=g.settings)
        out[k] = np.nan if found.index is None else found.index
    return out


SERIES: Mapping[str, Callable[[Ground], Floats]] = {
    "flow": flow, "gross": gross, "rotation": rotated, "conviction": conviction, "zscore": zscore,
    "liquidations": liquidations, "liquidation_intensity": liquidation_intensity, "cap_share": cap_share,
    "cycle": cycle, "overheat": overheat, **{f"long_short_{kind}": long_short(kind) for kind in RATIOS},
}  # fmt: skip
