"""What was opened and closed, venue by venue, in dollars (analytics.md, 1.6 and 2)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics import coverage, windows
from analytics.alignment import Floats, Panel, State
from analytics.coverage import Coverage
from analytics.gross import blindness_law
from analytics.matched import Window, window
from analytics.provenance import Basis, Method, Reason
from analytics.settings import DEFAULTS, Settings

POLL_S = 30.0  # the poll whose blindness is told


@dataclass(frozen=True, slots=True)
class VenueFlow:
    venue: str
    flow_usd: float  # opened minus closed, at the mean of the two ends' values
    price_usd: float  # revaluation of what was open
    gap_usd: float  # change across a silence of the venue
    opened_usd: float  # G+: lower bound at the stored cadence
    closed_usd: float  # G-
    cadence_s: float
    blindness_30s: float  # what a 30 s poll would hide, by the square-root law: modelled


@dataclass(frozen=True, slots=True)
class Flow:
    window_s: int
    t0: int | None
    t1: int | None
    flow_usd: float | None
    price_usd: float | None
    gap_usd: float | None
    opened_usd: float | None
    closed_usd: float | None
    venues: tuple[VenueFlow, ...]
    panel_share: float
    coverage: Coverage
    basis: str
    method: Method
    reasons: tuple[Reason, ...]


METHOD = Method("flow.midpoint_gross")


def assess(*, latest: pd.DataFrame, recent: pd.DataFrame, now: int, window_s: int, gaps: pd.DataFrame | None = None,
           plausible: Mapping[str, float] | None = None,
           settings: Settings = DEFAULTS) -> Flow:  # fmt: skip
    """Flow of the last `window_s` seconds. `recent`: minute bars of that window. Empty in, `no_data` out."""
    seen = windows.recent(recent, latest, now, window_s, gaps=gaps, settings=settings)
    heard = coverage.of(seen, settings=settings, plausible=plausible, gaps=gaps)
    if not seen.contracts or len(seen.t) < 2:
        why = (coverage.ONE_END if seen.contracts else coverage.NOBODY,)
        return Flow(window_s, None, None, None, None, None, None, None, (), 0.0, heard, Basis.DERIVED, METHOD, why)
    w = window(seen, 0, len(seen.t) - 1, settings)
    opened, closed = moves(seen, recent, w)
    flow, price, gap, up, down = (seen.by_venue(x) for x in (w.flow, w.price_effect, w.gap_change, opened, closed))
    rows: list[VenueFlow] = []
    for k, venue in enumerate(seen.venues):
        mine = [i for i, c in enumerate(seen.contracts) if c.venue == venue and w.matched[i]]
        if mine:
            cadence = float(np.median(seen.cadence_s[-1, mine]))
            rows.append(
                VenueFlow(venue, float(flow[k]), float(price[k]), float(gap[k]), float(up[k]), float(down[k]), cadence,
                          blindness_law(cadence, POLL_S))
            )  # fmt: skip
    refused = w.refusal(settings)
    reasons = (refused,) if refused else ()
    totals = [None if refused else float(x.sum()) for x in (flow, price, gap, up, down)]
    return Flow(
        window_s, w.t0, w.t1, totals[0], totals[1], totals[2], totals[3], totals[4],
        tuple(sorted(rows, key=lambda r: -abs(r.flow_usd))), w.panel_share, heard, Basis.DERIVED, METHOD, reasons,
    )  # fmt: skip


def moves(seen: Panel, bars: pd.DataFrame, w: Window) -> tuple[Floats, Floats]:
    """(G+, G-) per instrument in USD from the bars' gross rises and falls inside the window, each in its own unit.

    The first bar after a silence holds the change across it, which is not flow: it is left out.
    """
    opened, closed = np.zeros(len(seen.contracts)), np.zeros(len(seen.contracts))
    if not len(bars) or not {"opened", "closed"} <= set(bars.columns):
        return opened, closed
    inside = bars.loc[(bars["t"] > w.t0) & (bars["t"] <= w.t1)]
    column = {c.id: i for i, c in enumerate(seen.contracts)}
    place = inside["instrument_id"].map(column).to_numpy()
    t = inside["t"].to_numpy(np.int64)
    row = np.clip(np.searchsorted(seen.t, t, side="left"), 1, len(seen.t) - 1)
    known = ~pd.isna(place)
    place = np.where(known, place, 0).astype(int)
    use = known & w.matched[place] & (seen.state[row - 1, place] != State.DEAD) & ~seen.hole[row - 1, place]
    unit = worth(inside)[use]
    for name, into in (("opened", opened), ("closed", closed)):
        np.add.at(into, place[use], np.nan_to_num(inside[name].to_numpy(float)[use] * unit))
    return opened, closed


def worth(bars: pd.DataFrame) -> Floats:
    """USD a contract in the unit of each bar, whatever size a contract has since; NaN where the bar has none."""
    native, usd = bars["native"].to_numpy(float), bars["usd"].to_numpy(float)
    said = (native > 0) & np.isfinite(native) & np.isfinite(usd)
    return np.divide(usd, native, out=np.full(len(bars), np.nan), where=said)
