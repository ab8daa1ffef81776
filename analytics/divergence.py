"""Do venues agree on where open interest is going? One label, and all that it rests on (analytics.md, 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analytics import conviction, coverage, crosscorr, rotation, windows
from analytics import quadrant as quadrants
from analytics import usual as usuals
from analytics.alignment import Floats, Panel
from analytics.carry import level
from analytics.conviction import Conviction
from analytics.coverage import Coverage
from analytics.inflow import Inflow, inflow
from analytics.matched import Window, window
from analytics.multiplicity import PROCEDURES, Adjusted
from analytics.provenance import Basis, Code, Method, Reason, Threshold, finite
from analytics.rotation import Rotation
from analytics.settings import DEFAULTS, Settings
from analytics.usual import Usual


@dataclass(frozen=True, slots=True)
class VenueMove:
    venue: str
    klass: str
    flow_usd: float
    growth: float  # of contracts, fraction
    x: float | None  # growth in own scales
    share: float  # of the level, fraction


@dataclass(frozen=True, slots=True)
class Tested:
    """One of the tests behind the label; `adjusted` over the family of this call."""

    name: str
    result: Adjusted


@dataclass(frozen=True, slots=True)
class Divergence:
    label: str  # insufficient_data | concentrated_inflow | conviction_* | relative_tilt | venue_rotation | ... | quiet
    flags: tuple[str, ...]  # every label that holds, the primary one included
    window_s: int
    t0: int | None
    t1: int | None
    level_usd: float | None
    net_usd: float | None  # sum of flows, matched panel
    gap_usd: float | None  # change across silences: not flow
    rotation: Rotation | None
    conviction: Conviction | None
    inflow: Inflow | None
    quadrant: quadrants.Quadrant | None
    venues: tuple[VenueMove, ...]  # by flow, largest inflow first
    sources: tuple[str, ...]  # venues that lost, largest first
    destinations: tuple[str, ...]
    thresholds: tuple[Threshold, ...]
    tests: tuple[Tested, ...]
    windows: int  # earlier windows of this length whose panel held
    panel_share: float
    coverage: Coverage
    basis: str
    method: Method
    reasons: tuple[Reason, ...]
    lags: tuple[crosscorr.Lagged, ...] = ()  # of growth within the window, where they were asked for


METHOD = Method("divergence.rotation_conviction")


def assess(*, latest: pd.DataFrame, recent: pd.DataFrame, history: pd.DataFrame, now: int, window_s: int,
           gaps: pd.DataFrame | None = None, plausible: Mapping[str, float] | None = None, usual: Usual | None = None,
           lags: bool = False, sizes: Mapping[int, float] | None = None,
           settings: Settings = DEFAULTS) -> Divergence:  # fmt: skip
    """The last `window_s` seconds, labelled against earlier windows of the same length.

    `recent`: minute bars of the window (five minutes for a day); `history`: bars of the 30 d (1 h), 90 d (4 h) or 365 d
    (24 h) before, of which `usual` makes all but the last six windows needless. Below the panel guard the label is
    `insufficient_data` and no flag is raised. `sizes`: coverage.sizes of the day. `lags`: also whose growth follows
    whose, by the steps of `recent`.
    """
    seen = windows.recent(recent, latest, now, window_s, gaps=gaps, settings=settings)
    heard = coverage.of(seen, settings=settings, plausible=plausible, gaps=gaps, sizes=sizes)
    if not seen.contracts or len(seen.t) < 2:
        return refused(window_s, heard, (coverage.ONE_END if seen.contracts else coverage.NOBODY,))
    w = window(seen, 0, len(seen.t) - 1, settings)
    why = w.refusal(settings)
    if why:
        return refused(window_s, heard, (why,), w)
    held = np.nan_to_num(seen.by_venue(level(seen, settings).usd[-1]))
    total = float(held.sum())
    earlier = windows.past(history, w.t0, window_s, gaps=gaps, settings=settings)
    past = windows.flows(earlier, seen.venues, settings, w.t0)
    need = settings.min_history(window_s)
    own = usuals.measured(earlier, None, w.t0, settings) if usual is None else usual
    moves = by_venue(seen, w, held, own)
    flow = seen.by_venue(w.flow)
    net = float(flow.sum())

    turned = rotated(flow, past, total, need, own, settings)
    parted = parting(seen, w, moves, own, need, settings)
    limit = own.material("inflow", settings.inflow_material_share * total, unit="USD", need=need)
    grown = {m.venue: m.growth for m in moves}
    came = inflow(seen.venues, flow, held, past, window_s, settings, limit, own.unusual(grown, need))
    against = quadrants.of(
        w.total_growth,
        float(seen.price[0]),
        float(seen.price[-1]),
        own.number("contracts_scale"),
        own.number("price_scale"),
        own.count("contracts_scale"),
        settings.conviction_min_history,
        settings,
    )
    broad = own.material("net_flow", settings.rotation_material_share * total, unit="USD", need=need)

    # a tilt of two classes that move the same way is no conviction: it comes after what they have in common
    strict, tilt = (None, parted.label) if parted.label == "relative_tilt" else (parted.label, None)
    found = (came.flag, strict, turned.label, broadly(net, moves, broad, settings), tilt)
    flags = tuple(f for f in found if f)
    extra = ("opposite_sign",) if against.opposite_sign else ()
    reasons = [*heard.reasons, *parted.reasons, *against.reasons]
    if heard.grade == "D":
        reasons.append(Reason(Code.INSUFFICIENT_COVERAGE, "Confidence grade D: labels are shown, nothing is alerted."))
    if turned.R is None:
        reasons.append(Reason(Code.IMMATERIAL_FLOW, "No venue's contracts changed in the window."))
    elif turned.moved < 6:
        words = f"{turned.moved} venues moved: below six, one window alone cannot be significant."
        reasons.append(Reason(Code.TOO_FEW_VENUES, words))
    return Divergence(
        flags[0] if flags else "quiet", flags + extra, window_s, w.t0, w.t1, total, net, float(w.gap_change.sum()),
        turned, parted, came, against, moves, tuple(m.venue for m in reversed(moves) if m.flow_usd < 0),
        tuple(m.venue for m in moves if m.flow_usd > 0),
        tuple(t for t in (turned.material, turned.balanced, parted.threshold, came.material, broad) if t is not None),
        family(turned, parted, came, settings), own.count("windows"), w.panel_share, heard,
        Basis.CARRIED if heard.carried else Basis.DERIVED, METHOD, tuple(dict.fromkeys(reasons)),
        crosscorr.within(seen, window_s, settings) if lags else (),
    )  # fmt: skip


def refused(window_s: int, heard: coverage.Coverage, why: tuple[Reason, ...], w: Window | None = None) -> Divergence:
    return Divergence(
        "insufficient_data", (), window_s, w.t0 if w else None, w.t1 if w else None, None, None, None, None, None, None,
        None, (), (), (), (), (), 0, w.panel_share if w else 0.0, heard, Basis.DERIVED, METHOD,
        tuple(dict.fromkeys((*why, *heard.reasons))),
    )  # fmt: skip


def by_venue(seen: Panel, w: Window, held: Floats, own: Usual) -> tuple[VenueMove, ...]:
    """Venues of the matched panel, largest inflow first."""
    weight, moved, flow = seen.by_venue(w.usd0), seen.by_venue(w.usd0 * w.growth), seen.by_venue(w.flow)
    klass = {c.venue: c.klass for c in seen.contracts}
    total = float(held.sum())
    rows: list[VenueMove] = []
    for k, venue in enumerate(seen.venues):
        if weight[k] > 0:
            g = float(moved[k] / weight[k])
            middle, scale = own.number(f"growth_centre {venue}"), own.number(f"growth_scale {venue}")
            x = None if middle is None or scale is None or g <= -1 else (float(np.log1p(g)) - middle) / scale
            rows.append(
                VenueMove(venue, klass[venue], float(flow[k]), g, x, float(held[k]) / total if total > 0 else 0.0)
            )
    return tuple(sorted(rows, key=lambda m: -m.flow_usd))


def rotated(flow: Floats, past: Floats, total: float, need: int, own: Usual, settings: Settings) -> rotation.Rotation:
    """Rotation of this window, its persistence over the last six, and its label."""
    found = rotation.measured(flow, settings)
    limit = own.material("rotated", settings.rotation_material_share * total, unit="USD", need=need)
    run = np.vstack([past[-(settings.rotation_windows - 1) :], flow[None, :]])
    whole = len(run) == settings.rotation_windows and bool(np.isfinite(run).all())  # consecutive, or nothing is said
    lasting = rotation.persistence(run, settings) if whole else None
    vr, vr_p = lasting or (None, None)
    left = own.material("net_flow", settings.rotation_net_share * total, unit="USD", need=need)
    left = replace(left, name="net_left_over")  # the same past as of a broad flow, another fixed share
    full = replace(found, vr=vr, vr_p=vr_p, material=limit, balanced=left)
    return replace(full, label=rotation.label(full, settings))


def parting(
    seen: Panel, w: Window, moves: tuple[VenueMove, ...], own: Usual, need: int, settings: Settings
) -> conviction.Conviction:
    """Class growths now, against what is usual for them by `need` earlier windows."""
    now: list[float | None] = []
    for klass in (conviction.SPECULATIVE, conviction.INSTITUTIONAL):
        mine = np.array([c.klass == klass for c in seen.contracts], bool)
        weight = float(w.usd0[mine].sum())
        now.append(finite((w.usd0 * w.growth)[mine].sum() / weight) if weight > 0 else None)
    live = [tuple(m.venue for m in moves if m.klass == k) for k in (conviction.SPECULATIVE, conviction.INSTITUTIONAL)]
    x = [
        np.array([m.x for m in moves if m.klass == k and m.x is not None], float)
        for k in (conviction.SPECULATIVE, conviction.INSTITUTIONAL)
    ]
    return conviction.of(
        now[0], now[1], np.empty(0), np.empty(0), speculative=live[0], institutional=live[1], x_s=x[0], x_i=x[1],
        own=own.classes(), need=need, settings=settings,
    )  # fmt: skip


def broadly(net: float, moves: tuple[VenueMove, ...], limit: Threshold, settings: Settings) -> str | None:
    """`broad_build` or `broad_unwind`: a material net flow that 70 % of the open interest shares the sign of."""
    if abs(net) < limit.value or not moves:
        return None
    whole = sum(m.share for m in moves)
    same = sum(m.share for m in moves if m.flow_usd * net > 0)
    if whole <= 0 or same / whole < settings.broad_same_sign:
        return None
    return "broad_build" if net > 0 else "broad_unwind"


def family(
    turned: rotation.Rotation, parted: conviction.Conviction, came: Inflow, settings: Settings
) -> tuple[Tested, ...]:
    """`settings.multiplicity` over the tests of this call; a sweep over assets and windows adjusts over all of them."""
    named = [
        ("rotation", turned.p),
        ("rotation_persistence", turned.vr_p),
        ("conviction", parted.p),
        ("inflow", came.p),
    ]
    tested = [(name, p) for name, p in named if p is not None]
    results = PROCEDURES[settings.multiplicity]([p for _, p in tested], settings.fdr)
    return tuple(Tested(name, r) for (name, _), r in zip(tested, results, strict=True))
