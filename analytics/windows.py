"""The window that is asked about, and the earlier ones it is held against (analytics.md, 3.4)."""

import numpy as np
import pandas as pd

from analytics import conventions
from analytics.alignment import Floats, Panel, extended, grid, panel, snapshot
from analytics.matched import steps
from analytics.settings import DEFAULTS, HOUR_S, Settings


def recent(bars: pd.DataFrame, latest: pd.DataFrame, now: int, window_s: int, *, gaps: pd.DataFrame | None = None,
           settings: Settings = DEFAULTS) -> Panel:  # fmt: skip
    """A panel from `now - W` to `now`, by the minute up to an hour, else by five: fine enough to see silences.

    `bars` by the minute or by five minutes; the last row is `latest`.
    """
    step = 60 if window_s <= HOUR_S else 300
    moments = grid(now, now - window_s * 1000, step)[:-1]
    bars = since(bars, now - window_s * 1000, settings)
    last = snapshot(latest, now, settings)
    return extended(panel(bars, moments, settings=settings, gaps=gaps), last, gaps, settings)


def since(bars: pd.DataFrame, start: int, settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Bars that can matter from `start` on: what has been silent for longer than T_carry before it counts no more."""
    if not len(bars):
        return bars
    needed = bars["t"].to_numpy(np.int64) >= start - round((settings.carry_s + HOUR_S) * 1000)
    return bars if needed.all() else bars.loc[needed]


def past(history: pd.DataFrame, before: int, window_s: int, *, gaps: pd.DataFrame | None = None,
         settings: Settings = DEFAULTS) -> Panel:  # fmt: skip
    """Non-overlapping windows of the same length that end at or before `before`: rows at stride W, oldest first.

    `history` of any step that divides W (hours for 1 h and 4 h, hours or days for 24 h). Of `gaps` only changes of
    convention count: what was said before one is in today's counting, and the window it lies in has a hole.
    """
    if not len(history):
        return panel(history, [], settings=settings)
    t = history["t"].to_numpy(np.int64)
    t = t[t <= before]
    if not len(t):
        return panel(history.iloc[:0], [], settings=settings)
    moments = grid(int(t.max()), int(t.min()), window_s)
    found = conventions.only(gaps)
    return panel(conventions.spliced(history, found), moments, settings=settings, gaps=found)


def flows(earlier: Panel | None, venues: tuple[str, ...], settings: Settings = DEFAULTS) -> Floats:
    """[K, V] USD in the order of `venues`: flows of earlier windows whose panel held, oldest first."""
    if earlier is None or len(earlier.t) < 2 or not earlier.contracts:
        return np.empty((0, len(venues)))
    moved = steps(earlier, settings)
    return in_order(earlier, earlier.by_venue(moved.flow), venues, 0.0)[moved.guarded(settings)]


def in_order(of: Panel, values: Floats, venues: tuple[str, ...], missing: float) -> Floats:
    """Columns by `of.venues` put in the order of `venues`."""
    out = np.full((len(values), len(venues)), missing)
    for k, name in enumerate(venues):
        if name in of.venues:
            out[:, k] = values[:, of.venues.index(name)]
    return out
