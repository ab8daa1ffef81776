"""How much of the open interest, and of the new one, sits on few venues (analytics.md, 4)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics import closes as days
from analytics import coverage, windows
from analytics import usual as usuals
from analytics.alignment import Floats
from analytics.carry import level
from analytics.coverage import Coverage
from analytics.inflow import Inflow, inflow
from analytics.matched import window
from analytics.multiplicity import PROCEDURES, Adjusted
from analytics.provenance import Basis, Code, Method, Reason, Threshold
from analytics.settings import DAY_S, DEFAULTS, Settings
from analytics.usual import Usual
from analytics.zscore import venue_growth


@dataclass(frozen=True, slots=True)
class Shape:
    """Of shares p over k venues with something open."""

    k: int
    hhi: float  # sum p^2, in [1/k, 1]
    effective: float  # 1/HHI venues
    normalised: float | None  # (HHI - 1/k)/(1 - 1/k); None for a single venue
    entropy: float  # nats
    exp_entropy: float  # venues, weighing small ones
    theil: float  # ln k - entropy
    cr1: float  # largest share
    cr3: float  # three largest


@dataclass(frozen=True, slots=True)
class VenueShare:
    venue: str
    usd: float
    share: float  # p, of the level
    phi: float | None  # of the new open interest; it and the next two None where it was not heard at both ends
    lq: float | None  # phi/p
    flow_usd: float | None


@dataclass(frozen=True, slots=True)
class Concentration:
    level_usd: float | None
    shape: Shape | None
    inflow: Inflow | None
    venues: tuple[VenueShare, ...]  # largest first
    window_s: int
    percentile_hhi: float | None  # among the trailing year's closes, 0-100
    percentile_new: float | None  # among days of the trailing year; None for a shorter window
    index: float | None  # 0-100: half of each; the new part counts as 0 when inflow is immaterial
    days: int  # closes behind the percentile
    windows: int
    thresholds: tuple[Threshold, ...]  # what the inflow and both concentrations were held against
    tested: Adjusted | None  # the inflow's sign flip, the only test of this answer
    flags: tuple[str, ...]  # concentrated_inflow | fragility | partial_universe
    coverage: Coverage
    basis: str
    method: Method
    reasons: tuple[Reason, ...]


METHOD = Method("concentration.hhi_entropy_inflow")


def shape(held: Floats) -> Shape | None:
    """The measures of one set of sizes (any unit). None where nothing is open."""
    sizes = held[np.isfinite(held) & (held > 0)]
    if not len(sizes):
        return None
    p = np.sort(sizes / sizes.sum())[::-1]
    k, hhi = len(p), float(np.square(p).sum())
    entropy = float(-(p * np.log(p)).sum())
    normalised = (hhi - 1 / k) / (1 - 1 / k) if k > 1 else None
    return Shape(
        k,
        hhi,
        1 / hhi,
        normalised,
        entropy,
        float(np.exp(entropy)),
        float(np.log(k)) - entropy,
        float(p[0]),
        float(p[:3].sum()),
    )


def assess(*, latest: pd.DataFrame, recent: pd.DataFrame, now: int, window_s: int = 86_400,
           closes: pd.DataFrame | None = None, history: pd.DataFrame | None = None, gaps: pd.DataFrame | None = None,
           plausible: Mapping[str, float] | None = None, usual: Usual | None = None,
           sizes: Mapping[int, float] | None = None, settings: Settings = DEFAULTS) -> Concentration:  # fmt: skip
    """Concentration as of `now` and of the inflow of the last `window_s` seconds.

    `recent`: minute bars of the window; `closes`: the last year, for the HHI's percentile; `history`: coarser bars for
    the inflow's (without them daily closes serve a window of 24 h). With `usual` the last three windows are history
    enough and closes are needless. `sizes`: coverage.sizes of the day. Empty in, `no_data` out.
    """
    seen = windows.recent(recent, latest, now, window_s, gaps=gaps, settings=settings)
    heard = coverage.of(seen, settings=settings, plausible=plausible, gaps=gaps, sizes=sizes)
    held = seen.by_venue(level(seen, settings).usd[-1]) if seen.contracts else np.empty(0)
    now_shape = shape(held)
    if now_shape is None:
        return Concentration(None, None, None, (), window_s, None, None, None, 0, 0, (), None, (), heard,
                             Basis.DERIVED, METHOD, heard.reasons or (coverage.NOBODY,))  # fmt: skip
    before = int(seen.t[0])
    closes = None if closes is None else days.spliced(closes, gaps)
    if history is None:
        some = latest.iloc[:0] if closes is None or window_s < DAY_S else closes
        earlier = days.panel(some, end=now - 1, gaps=gaps, settings=settings)
    else:
        earlier = windows.past(history, before, window_s, gaps=gaps, settings=settings)
    own = usuals.measured(earlier, closes, now - 1, settings) if usual is None else usual
    flows = windows.flows(earlier, seen.venues, settings, before)
    total = float(held.sum())
    w = window(seen, 0, len(seen.t) - 1, settings) if len(seen.t) > 1 else None
    refused = w.refusal(settings) if w else coverage.ONE_END
    grown = dict(zip(seen.venues, venue_growth(seen, w), strict=True)) if w else {}
    both = {c.venue for c, m in zip(seen.contracts, w.matched, strict=True) if m} if w else set[str]()
    flow = seen.by_venue(w.flow) if w else np.zeros_like(held)
    came = None if refused or w is None else inflow(
        seen.venues, flow, held, flows, window_s, settings,
        own.material("inflow", settings.inflow_material_share * total, unit="USD", need=settings.min_history(window_s)),
        own.unusual(grown, settings.min_history(window_s)),
    )  # fmt: skip
    reasons = [*heard.reasons, *coverage.disputed(latest), *((refused,) if refused else ())]
    flags = [came.flag] if came and came.flag else []
    if heard.coverage is not None and heard.coverage < settings.partial_universe:
        flags.append("partial_universe")
    closed, news = own.count("hhi q50"), own.count("hhi_new q50")
    enough = closed >= settings.fragility_min_days
    if not enough:
        reasons.append(Reason(Code.INSUFFICIENT_HISTORY, f"{closed} daily closes; a percentile of the HHI needs "
                              f"{settings.fragility_min_days}."))  # fmt: skip
    stands = float(coverage.standing(seen, settings, {int(i) for i in latest["instrument_id"]})[-1])
    if enough and stands < settings.panel_guard:  # no close of the year was counted that was heard so badly
        enough = False
        reasons.append(Reason(Code.INSUFFICIENT_COVERAGE, f"Only {stands:.0%} of the usual open interest is in these "
                              "shares: they are held against no year."))  # fmt: skip
    top = own.rank("hhi", now_shape.hhi) if enough else None
    fresh, daily = None, window_s >= DAY_S and news >= settings.fragility_min_days
    if not daily:
        reasons.append(short(window_s, news, settings))
    if came is not None and daily:
        fresh = own.rank("hhi_new", came.hhi_new) if came.hhi_new is not None and came.is_material else 0.0
    if any(x is not None and x >= settings.fragility_percentile for x in (top, fresh)):
        flags.append("fragility")
    index = 0.5 * top + 0.5 * fresh if top is not None and fresh is not None else None
    judged = PROCEDURES[settings.multiplicity]([came.p], settings.fdr)[0] if came and came.p is not None else None
    rows = [
        VenueShare(v, float(h), float(h) / total, came.phi[k] if came and v in both else None,
                   came.lq[k] if came and v in both else None, float(flow[k]) if v in both else None)
        for k, (v, h) in enumerate(zip(seen.venues, held, strict=True))
    ]  # fmt: skip
    return Concentration(
        total, now_shape, came, tuple(sorted(rows, key=lambda r: -r.usd)), window_s, top, fresh, index, closed,
        news, held_against(came, own, enough, daily, settings), judged, tuple(flags), heard,
        Basis.CARRIED if heard.carried else Basis.DERIVED, METHOD, tuple(reasons),
    )  # fmt: skip


def short(window_s: int, n: int, settings: Settings) -> Reason:
    """Why the new open interest has no percentile: a year is told by days, not by ninety of the last hours."""
    need = settings.fragility_min_days
    words = f"{n} windows of a day; a percentile of the HHI of new open interest needs {need}."
    if window_s < DAY_S:
        words = f"The HHI of new open interest has a percentile among days only ({need} at least): ask for a day."
    return Reason(Code.INSUFFICIENT_HISTORY, words)


def held_against(
    came: Inflow | None, own: Usual, closes: bool, daily: bool, settings: Settings
) -> tuple[Threshold, ...]:
    """What the inflow and the concentrations were held against, of those that could be judged."""
    out: list[Threshold] = []
    if came is not None:
        out.append(came.material)
        out.append(Threshold("inflow_largest_share", settings.inflow_phi, "fraction", "fixed", 0))
        out.append(Threshold("location_quotient", settings.inflow_lq, "ratio", "fixed", 0))
    for name, known in (("hhi", closes), ("hhi_new", daily)):
        limit = own.at(name, settings.fragility_percentile)
        if known and limit is not None:
            out.append(Threshold(name, limit, "sum of squared shares", "own_history", own.count(f"{name} q50")))
    return tuple(out)
