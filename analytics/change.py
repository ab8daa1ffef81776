"""What changed between two moments, taken apart, and whether it is a drop (analytics.md, 1.5 to 1.7)."""

from dataclasses import dataclass

import numpy as np

from analytics.alignment import Panel
from analytics.carry import level
from analytics.matched import Window, window
from analytics.provenance import Basis, Reason, finite
from analytics.settings import DEFAULTS, HOUR_S, Settings


@dataclass(frozen=True, slots=True)
class Change:
    """`total_usd = quantity_usd + price_usd + gap_usd + unmatched_usd`, to the cent."""

    t0: int
    t1: int
    total_usd: float | None  # of the level, live and carried
    quantity_usd: float | None  # positions opened minus closed, matched panel
    price_usd: float | None  # revaluation of what was open, matched panel
    gap_usd: float | None  # happened while a venue was silent: when, nobody knows
    unmatched_usd: float | None  # carried, entered or left: no statement about traders
    growth: float | None  # of contracts on the matched panel, fraction; None when undetermined
    usd_growth: float | None  # of dollars on the same panel, fraction
    panel_share: float  # part of the level at t0 that was matched
    drop: str | None  # deleveraging | price_effect_drop | none, of a day; None: another length, or undetermined
    basis: str
    reasons: tuple[Reason, ...]


def between(panel: Panel, i: int, j: int = -1, settings: Settings = DEFAULTS) -> Change:
    """The change from row `i` to row `j`. The drop rule speaks of `drop_window_s`, give or take an hour (-15 % in
    a month is another thing), and only where the panel guard holds.
    """
    i, j = i % len(panel.t), j % len(panel.t)
    seen = window(panel, i, j, settings)
    parts = level(panel, settings)
    levels = np.where(parts.empty, np.nan, parts.total_usd)
    total = finite(levels[j] - levels[i])
    quantity, price, gap = float(seen.flow.sum()), float(seen.price_effect.sum()), float(seen.gap_change.sum())
    refused = seen.refusal(settings)
    growth = None if refused else finite(seen.total_growth)
    usd = None if refused else usd_growth(seen)
    asked = growth is not None and abs(seen.t1 - seen.t0 - settings.drop_window_s * 1000) <= HOUR_S * 1000
    fell = (drop(growth, usd, settings) or "none") if asked else None
    return Change(
        seen.t0, seen.t1, total, quantity, price, gap,
        None if total is None else total - quantity - price - gap, growth, usd, seen.panel_share,
        fell, Basis.DERIVED, (refused,) if refused else (),
    )  # fmt: skip


def usd_growth(seen: Window) -> float | None:
    whole = float(seen.usd0.sum())
    return float((seen.flow + seen.price_effect).sum()) / whole if whole > 0 else None


def drop(growth: float | None, usd: float | None, settings: Settings = DEFAULTS) -> str | None:
    """`deleveraging` when positions fell by 15 %; `price_effect_drop` when only their dollars did."""
    if growth is not None and growth <= settings.drop_share:
        return "deleveraging"
    if usd is not None and usd <= settings.drop_share:
        return "price_effect_drop"
    return None


def nearest(panel: Panel, t: int) -> int:
    """The row whose moment is nearest to `t`."""
    return int(np.argmin(np.abs(panel.t - t)))
