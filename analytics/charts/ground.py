"""What every series is made from: the market at the ends of equal steps, and what else was said about it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.alignment import DAY_MS, Floats, Panel, State
from analytics.chart import Chart
from analytics.matched import Steps
from analytics.provenance import Reason
from analytics.settings import Settings
from analytics.thresholds import rank

YEAR_MS = 365 * DAY_MS
HOUR_MS = 3_600_000
Words = tuple[str | None, ...]
Cells = Mapping[str, Floats | Words]  # [T] each, by column; the chart's own value first


@dataclass(frozen=True, slots=True)
class Beside:
    """What was said besides open interest; an empty frame where nothing was asked for."""

    ratios: pd.DataFrame = field(default_factory=pd.DataFrame)  # store.reader.ratios
    paid: pd.DataFrame = field(default_factory=pd.DataFrame)  # store.reader.fundings
    traded: pd.DataFrame = field(default_factory=pd.DataFrame)  # store.reader.traded, by the step
    noted: pd.DataFrame = field(default_factory=pd.DataFrame)  # what the clock or others noted, a row a moment `t`
    feeds: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """By venue: how its forced closes are published (full | throttled | inferred)."""
    since: Mapping[str, int] = field(default_factory=dict[str, int])  # by venue: its first forced close of them, ms


@dataclass(frozen=True, slots=True)
class Ground:
    """One market by one step. `coarse` is the same by longer steps, for what is held against its own past."""

    asset: str
    panel: Panel
    moved: Steps
    bars: pd.DataFrame
    step_ms: int
    settings: Settings
    beside: Beside
    venue: str | None = None
    coarse: "Ground | None" = None
    settled: NDArray[np.bool_] | None = None  # [T, I] whose rate in `panel` is what was paid last; None: nobody's
    listed: frozenset[int] | None = None  # ids of what is listed now; None: not known

    def guarded(self, values: Floats) -> Floats:
        """[K] of steps put at their ends [T]; NaN where the panel did not hold."""
        return np.concatenate([[np.nan], np.where(self.moved.guarded(self.settings), values, np.nan)])

    def each(self, frame: pd.DataFrame, name: str) -> Floats:
        """[T, I]: a column of rows (instrument_id, t) that end in each step, added up; NaN where none says anything."""
        out = np.zeros(self.panel.native.shape)
        said = np.zeros(out.shape, bool)
        if name in frame:
            row = np.searchsorted(self.panel.t, frame["t"].to_numpy(np.int64), side="left")
            place = {c.id: i for i, c in enumerate(self.panel.contracts)}
            column = frame["instrument_id"].map(place).fillna(-1).to_numpy(np.int64)
            x = frame[name].to_numpy(float)
            good = (row < len(out)) & (column >= 0) & np.isfinite(x)
            np.add.at(out, (row[good], column[good]), x[good])
            said[row[good], column[good]] = True
        return np.where(said, out, np.nan)

    def at(self, venues: Collection[str]) -> NDArray[np.bool_]:
        """[I]: contracts of these venues."""
        return np.array([c.venue in venues for c in self.panel.contracts], bool)

    def fresh(self) -> NDArray[np.bool_]:
        """[T, I]: heard at the end of the step."""
        return self.panel.state == State.FRESH


@dataclass(frozen=True, slots=True)
class Sheet:
    """A further table of a chart: of each venue, over the range."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]


def nothing(_: Ground, __: int) -> tuple[Reason, ...]:
    """No caveat of its own."""
    return ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart and the function that computes it."""

    chart: Chart
    of: Callable[[Ground], Cells]
    needs: frozenset[str] = frozenset()  # of `Beside`
    stock: bool = False  # it has a value at this moment, not only at the end of a step
    year: bool = False  # it is held against the days of the own year
    apart: bool = False  # open interest is no part of it, so how that is counted does not matter
    windows: Mapping[int, int] | None = None  # held against earlier windows: their length by the step, both ms
    mind: Callable[[Ground, int], tuple[Reason, ...]] = nothing  # of the rows from a moment [ms] on
    sheet: Callable[[Ground, int], Sheet] | None = None  # the same
    without: str = "no_data: no venue has said anything of the kind; ask get_status for what is heard."
    """Why there may be no value: a reason code, and a sentence."""


@dataclass(frozen=True, slots=True)
class Track:
    """Moments (ms UTC, ends of steps), and what is known at each, by column. A step that cannot be judged is None."""

    t: tuple[int, ...]
    columns: Mapping[str, tuple[float | str | None, ...]]
    reasons: tuple[Reason, ...] = ()
    sheet: Sheet | None = None

    @property
    def values(self) -> tuple[float | None, ...]:
        """The chart's own."""
        first = next(iter(self.columns.values()), ())
        return tuple(v if isinstance(v, float) else None for v in first)


def summed(values: Floats) -> Floats:
    """[T] of [T, I]: NaN only where nothing is said at all."""
    return np.where(np.isnan(values).all(axis=1), np.nan, np.nansum(values, axis=1))


def ratio(above: Floats, below: Floats) -> Floats:
    """NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full(np.broadcast_shapes(above.shape, below.shape), np.nan), where=below > 0)


def own_rank(values: Floats, g: Ground, daily: Floats | None = None) -> tuple[Floats, Floats]:
    """(fraction of the days of the year before each moment that lie below it, how many days those are).

    NaN with fewer than ninety of them. `daily`: the same series on `g.coarse`, where steps are shorter than a day.
    """
    days, seen = (g, values) if g.coarse is None or daily is None else (g.coarse, daily)
    t = days.panel.t
    out, n = np.full(len(values), np.nan), np.zeros(len(values))
    for k, x in enumerate(values):
        if np.isfinite(x):
            now = int(g.panel.t[k])
            past = seen[(t < now - (DAY_MS if days is not g else 0)) & (t >= now - YEAR_MS)]
            past = past[np.isfinite(past)]
            n[k] = len(past)
            if len(past) >= g.settings.overheat_min_days:
                out[k] = (rank(past, float(x)) or 0.0) / 100.0
    return out, n
