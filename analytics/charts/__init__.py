"""The charts: each with its guide as data beside the function that computes it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics import conventions, settled
from analytics.alignment import Panel, extended, grid, only, panel, snapshot
from analytics.charts import between, crowd, flows, forced, heat, level, unusual
from analytics.charts.ground import Beside, Cells, Drawn, Ground, Track
from analytics.matched import steps
from analytics.provenance import Code, Reason, finite
from analytics.rows import reports
from analytics.settings import DEFAULTS, Settings

__all__ = ["CHARTS", "DRAWN", "Beside", "Drawn", "Track", "of"]

EVERY = (*between.CHARTS, *flows.CHARTS, *unusual.CHARTS, *crowd.CHARTS, *forced.CHARTS, *heat.CHARTS)
DRAWN: Mapping[str, Drawn] = {d.chart.series: d for d in EVERY}
CHARTS = (*level.CHARTS, *(d.chart for d in EVERY))
NOTHING = Beside()


def of(series: str, asset: str, *, bars: pd.DataFrame, start: int, end: int, step_s: int,
       latest: pd.DataFrame | None = None, now: int | None = None, coarse: pd.DataFrame | None = None,
       coarse_s: int = 86_400, gaps: pd.DataFrame | None = None, beside: Beside = NOTHING, venue: str | None = None,
       settings: Settings = DEFAULTS) -> Track:  # fmt: skip
    """One series from `start` to `end` (ms), and of a stock (`latest`, `now`) as of now. Empty in, empty out.

    `bars` of the step, from before `start` as far as the series is held against its own steps; `coarse` those of longer
    steps (`coarse_s`) for what is held against days or longer windows. `venue` limits all to one.
    """
    drawn = DRAWN[series]
    if drawn.year or drawn.windows is not None:  # held against its past: all of it in today's counting
        bars = conventions.spliced(bars, gaps)
        coarse = None if coarse is None else conventions.spliced(coarse, gaps)
    slow = {} if latest is None else reports(latest)
    g = ground(asset, bars, end, step_s, gaps, beside, venue, settings, slow)
    if coarse is not None and len(coarse) and coarse_s > step_s:
        whole = end - end % (min(coarse_s, 86_400) * 1000)
        longer = ground(asset, coarse, whole, coarse_s, gaps, beside, venue, settings, slow)
        if longer.panel.contracts:
            g = replace(g, coarse=longer)
    if drawn.stock and latest is not None and now is not None and len(latest):
        g = current(g, chosen(snapshot(latest, now, settings), venue), gaps)
    g = paid(g)
    if latest is not None:
        ids = frozenset(int(i) for i in latest["instrument_id"]) if len(latest) else frozenset[int]()
        g = replace(g, listed=ids, coarse=None if g.coarse is None else replace(g.coarse, listed=ids))
    if not g.panel.contracts or len(g.panel.t) < 2:
        return Track((), {})
    cells = drawn.of(g)
    keep = np.flatnonzero(g.panel.t >= start)
    resting = slice(max(int(keep[0]) - (1 if drawn.windows is None else reach(g)), 0), None) if len(keep) else slice(0)
    broken = g.panel.broken[resting] & (not drawn.apart)
    changed = conventions.reasons(conventions.changes(g.panel.contracts, g.panel.t[resting], broken, gaps))
    last = (Reason(Code.NO_DATA, "It has no value now: the last one shown is older."),)
    first = np.asarray(next(iter(cells.values())), float)
    stale = len(keep) > 0 and np.isfinite(first[keep]).any() and not np.isfinite(first[keep[-1]])
    stale &= drawn.stock or not drawn.apart  # what is said once a day has no value at most moments
    reasons = (*drawn.mind(g, start), *changed, *(last if stale else ()))
    return Track(
        tuple(int(t) for t in g.panel.t[keep]), picked(cells, keep), reasons,
        None if drawn.sheet is None else drawn.sheet(g, start),
    )  # fmt: skip


def ground(asset: str, bars: pd.DataFrame, end: int, step_s: int, gaps: pd.DataFrame | None, beside: Beside,
           venue: str | None, settings: Settings, slow: Mapping[int, float]) -> Ground:  # fmt: skip
    """The market at the ends of steps counted back from `end`, as far as `bars` go; those of reports (`slow`: seconds
    between them, by instrument) may begin long before.
    """
    often = bars if not slow else bars[~bars["instrument_id"].isin(list(slow))]
    first = int((often if len(often) else bars)["t"].min()) if len(bars) else end
    inside = bars[bars["t"] >= first] if slow else bars
    seen = chosen(panel(bars, grid(end, first, step_s), settings=settings, gaps=gaps, cadence=slow), venue)
    return Ground(asset, seen, steps(seen, settings), inside, step_s * 1000, settings, beside, venue)


def paid(g: Ground) -> Ground:
    """The same with what was paid as funding where no reading carried a rate."""
    if not len(g.beside.paid):
        return g
    seen, where = settled.filled(g.panel, g.beside.paid)
    return replace(g, panel=seen, settled=where, coarse=None if g.coarse is None else paid(g.coarse))


def reach(g: Ground) -> int:
    """How many steps a window has that a value tells of."""
    return 1 if g.coarse is None else max(1, round(g.coarse.step_ms / g.step_ms))


def current(g: Ground, now: Panel, gaps: pd.DataFrame | None) -> Ground:
    """The same with one row more: this moment."""
    seen = extended(g.panel, now, gaps, g.settings)
    if not seen.contracts:
        return g
    return replace(g, panel=seen, moved=steps(seen, g.settings))


def chosen(seen: Panel, venue: str | None) -> Panel:
    return seen if venue is None else only(seen, np.array([c.venue == venue for c in seen.contracts], bool))


def picked(cells: Cells, keep: NDArray[np.int64]) -> dict[str, tuple[float | str | None, ...]]:
    """The cells of some moments as plain values: what is no number is None."""
    return {
        name: tuple(values[k] for k in keep) if isinstance(values, tuple) else tuple(finite(values[k]) for k in keep)
        for name, values in cells.items()
    }
