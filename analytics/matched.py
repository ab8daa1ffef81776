"""Change measured only on instruments that were fresh at both ends (analytics.md, 1.5 and 1.6).

The change of an instrument across its own silence is a `gap change`: part of the level, never of flow or growth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.alignment import Floats, Panel, State
from analytics.carry import level
from analytics.provenance import Code, Reason
from analytics.rows import REPORT_S
from analytics.settings import DEFAULTS, Settings
from analytics.split import split

OFTEN = 1.5  # a cadence is a median: a window may be so much shorter and still hold a statement


@dataclass(frozen=True, slots=True)
class Window:
    """One window between two rows of a panel, per instrument [I]. Zero outside the matched panel."""

    t0: int
    t1: int
    matched: NDArray[np.bool_]
    usd0: Floats  # N(t0) of the matched
    usd1: Floats
    growth: Floats  # n(t1)/n(t0) - 1 without gap changes
    flow: Floats  # USD: positions opened minus closed
    price_effect: Floats  # USD
    gap_change: Floats  # USD
    panel_share: float  # matched part of the level at t0, without reports that a window so short cannot hold

    @property
    def total_growth(self) -> float | None:
        """g = sum N(t0)*(n(t1)/n(t0) - 1) / sum N(t0); None where nothing matched."""
        whole = float(self.usd0.sum())
        return float((self.usd0 * self.growth).sum()) / whole if whole > 0 else None

    def refusal(self, settings: Settings = DEFAULTS) -> Reason | None:
        """The guard: below it no change may be stated, no alert may fire."""
        if not self.matched.any():
            return Reason(Code.NO_DATA, "No instrument was heard at both ends of the window.")
        if self.panel_share < settings.panel_guard:
            return Reason(
                Code.UNDETERMINED_PANEL,
                f"Only {self.panel_share:.1%} of the open interest was heard at both ends of the window; "
                f"{settings.panel_guard:.0%} is needed to state a change.",
            )
        return None


def window(panel: Panel, i: int, j: int, settings: Settings = DEFAULTS) -> Window:
    """The change between rows `i` and `j`. Rows in between are looked at for silences, so give a fine panel.

    An instrument whose way of counting changed in between is not matched.
    """
    n0, n1 = panel.native[i], panel.native[j]
    matched = (panel.state[i] == State.FRESH) & (panel.state[j] == State.FRESH) & ~panel.broken[i:j].any(axis=0)
    matched &= told_within(panel.cadence_s[j], float(panel.t[j] - panel.t[i]))
    silent = (panel.state[i:j] == State.DEAD) | panel.hole[i:j]
    steps = np.diff(panel.native[i : j + 1], axis=0)
    gap = np.where(silent, np.nan_to_num(steps), 0.0).sum(axis=0)
    parts = split(n0, n1, panel.usd[i], panel.usd[j])
    unit = np.divide(parts.quantity, n1 - n0, out=np.zeros_like(gap), where=(n1 != n0) & matched)
    gap_usd = np.where(matched, gap * unit, 0.0)
    traded = n1 - n0 - gap
    growth = np.divide(traded, n0, out=np.zeros_like(gap), where=matched & (n0 > 0))
    flow = np.where(matched, parts.quantity, 0.0) - gap_usd
    held = level(panel_rows(panel, i), settings)
    whole = float(np.nansum(np.where(asked_of(panel.cadence_s[j], float(panel.t[j] - panel.t[i])), held.usd, 0.0)))
    usd0 = np.where(matched, panel.usd[i], 0.0)
    share = float(usd0.sum()) / whole if whole > 0 else 0.0
    return Window(
        int(panel.t[i]), int(panel.t[j]), matched, usd0, np.where(matched, panel.usd[j], 0.0), growth, flow,
        np.where(matched, parts.price, 0.0), gap_usd, share,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Steps:
    """Consecutive windows of one panel: K = T - 1 rows. Zero outside the matched panel."""

    t: NDArray[np.int64]  # [K] ends
    matched: NDArray[np.bool_]  # [K, I]
    usd0: Floats  # [K, I]
    growth: Floats  # [K, I]
    flow: Floats  # [K, I] USD
    panel_share: Floats  # [K]
    total: Floats  # [K] level at the start, USD

    def guarded(self, settings: Settings = DEFAULTS) -> NDArray[np.bool_]:
        return self.panel_share >= settings.panel_guard

    def total_growth(self, keep: NDArray[np.bool_] | None = None) -> Floats:
        """g of each step over the instruments of `keep`; NaN where nothing matched."""
        weight = self.usd0 if keep is None else self.usd0 * keep
        whole = weight.sum(axis=1)
        return np.divide((weight * self.growth).sum(axis=1), whole, out=np.full(len(whole), np.nan), where=whole > 0)


def steps(panel: Panel, settings: Settings = DEFAULTS, rows: int = 1) -> Steps:
    """Every window between neighbouring rows, at once; or between rows that lie `rows` apart, each from its start to
    its end: an instrument that was interrupted inside is not matched. K = T - rows.
    """
    fresh = panel.state == State.FRESH
    hole = panel.hole[: len(panel.t) - rows]
    for k in range(1, rows):
        hole = hole | panel.hole[k : len(panel.t) - rows + k]
    matched = fresh[:-rows] & fresh[rows:] & ~hole
    matched &= told_within(panel.cadence_s[rows:], (panel.t[rows:] - panel.t[:-rows])[:, None].astype(float))
    n0, n1 = panel.native[:-rows], panel.native[rows:]
    usd0 = np.where(matched, panel.usd[:-rows], 0.0)
    growth = np.divide(n1 - n0, n0, out=np.zeros_like(n0), where=matched & (n0 > 0))
    flow = np.where(matched, split(n0, n1, panel.usd[:-rows], panel.usd[rows:]).quantity, 0.0)
    held = level(panel, settings).usd[:-rows]
    asked = asked_of(panel.cadence_s[rows:], (panel.t[rows:] - panel.t[:-rows])[:, None].astype(float))
    whole = np.nansum(np.where(asked, held, 0.0), axis=1)
    share = np.divide(usd0.sum(axis=1), whole, out=np.zeros_like(whole), where=whole > 0)
    return Steps(panel.t[rows:], matched, usd0, growth, flow, share, whole)


def told_within(cadence_s: Floats, window_ms: Floats | float) -> NDArray[np.bool_]:
    """Whether a feed states itself often enough to have said anything of a window (3.2): a week's report is in no
    change of an hour or a day. Half as long again, since a cadence is a median.
    """
    return np.nan_to_num(cadence_s) <= OFTEN * np.asarray(window_ms) / 1000.0


def asked_of(cadence_s: Floats, window_ms: Floats | float) -> NDArray[np.bool_]:
    """Who counts in the guard of a window: all but reports (by the day, by the week) that cannot speak within it."""
    return told_within(cadence_s, window_ms) | (np.nan_to_num(cadence_s) < REPORT_S)


def chained(growth: Floats, determined: NDArray[np.bool_]) -> Floats:
    """I_k = I_{k-1}*(1 + g_k), I_0 = 1. An undetermined step leaves the index where it was."""
    g = np.where(determined & ~np.isnan(growth), growth, 0.0)
    return np.concatenate([[1.0], np.cumprod(1.0 + g)])


def panel_rows(panel: Panel, i: int) -> Panel:
    """Row `i` alone, as a panel."""
    s = slice(i, i + 1) if i != -1 else slice(-1, None)
    return Panel(
        panel.t[s], panel.contracts, panel.native[s], panel.base[s], panel.usd[s], panel.mark[s], panel.funding_8h[s],
        panel.age_s[s], panel.cadence_s[s], panel.state[s], panel.price[s], panel.price_fresh[s], panel.hole[s],
        panel.broken[s],
    )  # fmt: skip
