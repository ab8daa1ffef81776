"""The window that is asked about, and the earlier ones it is held against (analytics.md, 3.4)."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from analytics import conventions
from analytics.alignment import Floats, Panel, extended, grid, panel, snapshot
from analytics.matched import steps
from analytics.rows import reports
from analytics.settings import DEFAULTS, HOUR_S, Settings


def recent(bars: pd.DataFrame, latest: pd.DataFrame, now: int, window_s: int, *, gaps: pd.DataFrame | None = None,
           settings: Settings = DEFAULTS) -> Panel:  # fmt: skip
    """A panel from `now - W` to `now`, by the minute up to an hour, else by five: fine enough to see silences.

    `bars` by the minute or by five minutes; the last row is `latest`.
    """
    step = 60 if window_s <= HOUR_S else 300
    moments = grid(now, now - window_s * 1000, step)[:-1]
    slow = reports(latest)
    bars = since(bars, now - window_s * 1000, settings, slow)
    last = snapshot(latest, now, settings)
    return extended(panel(bars, moments, settings=settings, gaps=gaps, cadence=slow), last, gaps, settings)


def since(
    bars: pd.DataFrame, start: int, settings: Settings = DEFAULTS, slow: Collection[int] = ()
) -> pd.DataFrame:  # fmt: skip
    """Bars that can matter from `start` on: what has been silent for longer than T_carry before it counts no more,
    unless it is a report (`slow`: instruments).
    """
    if not len(bars):
        return bars
    needed = bars["t"].to_numpy(np.int64) >= start - round((settings.carry_s + HOUR_S) * 1000)
    if slow:
        needed |= np.isin(bars["instrument_id"].to_numpy(np.int64), list(slow))
    return bars if needed.all() else bars.loc[needed]


def past(history: pd.DataFrame, before: int, window_s: int, *, gaps: pd.DataFrame | None = None,
         settings: Settings = DEFAULTS) -> Panel:  # fmt: skip
    """Non-overlapping windows of the same length that end at or before `before`: rows at stride W, oldest first.

    `history` of any step that divides W (hours for 1 h and 4 h, hours or days for 24 h). `gaps` of all that time: an
    instrument that was interrupted in a window is in no change of it. What was said before a change of convention is in
    today's counting.
    """
    if not len(history):
        return panel(history, [], settings=settings)
    t = history["t"].to_numpy(np.int64)
    t = t[t <= before]
    if not len(t):
        return panel(history.iloc[:0], [], settings=settings)
    moments = grid(int(t.max()), int(t.min()), window_s)
    return panel(
        conventions.spliced(history, gaps), moments, settings=settings, gaps=interruptions(gaps, window_s, settings)
    )


def interruptions(gaps: pd.DataFrame | None, window_s: int, settings: Settings = DEFAULTS) -> pd.DataFrame | None:
    """Of `gaps` what a past window of this length minds: a hundredth of it, in which a tenth of what is usual moves
    (sqrt), is let pass, else hardly a day of a socket would count. A change of convention always counts.
    """
    if gaps is None or not len(gaps):
        return None
    lasted = gaps["end"].astype(float).fillna(np.inf).to_numpy(float) - gaps["start"].to_numpy(float)
    long = lasted > 1000.0 * settings.past_gap_share * window_s
    counted = (gaps["reason"] == conventions.CHANGED).to_numpy(bool) if "reason" in gaps else np.zeros(len(gaps), bool)
    return gaps[long | counted]


def flows(earlier: Panel | None, venues: tuple[str, ...], settings: Settings = DEFAULTS,
          before: int | None = None) -> Floats:  # fmt: skip
    """[K, V] USD in the order of `venues`: flows of earlier windows, oldest first and one after the other.

    NaN where the panel did not hold; and up to `before` (ms UTC) where nothing was heard.
    """
    if earlier is None or len(earlier.t) < 2 or not earlier.contracts:
        return np.empty((0, len(venues)))
    moved = steps(earlier, settings)
    out = in_order(earlier, earlier.by_venue(moved.flow), venues, 0.0)
    out[~moved.guarded(settings)] = np.nan
    if before is None:
        return out
    missing = max(0, (before - int(earlier.t[-1])) // int(earlier.t[-1] - earlier.t[-2]))
    return np.vstack([out, np.full((missing, len(venues)), np.nan)])


def in_order(of: Panel, values: Floats, venues: tuple[str, ...], missing: float) -> Floats:
    """Columns by `of.venues` put in the order of `venues`."""
    out = np.full((len(values), len(venues)), missing)
    for k, name in enumerate(venues):
        if name in of.venues:
            out[:, k] = values[:, of.venues.index(name)]
    return out
