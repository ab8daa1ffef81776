"""Whether open interest moved from venue to venue rather than in or out (analytics.md, 3.1)."""

from dataclasses import dataclass

import numpy as np

from analytics.flips import patterns, share
from analytics.provenance import Threshold
from analytics.settings import DEFAULTS, Settings
from analytics.units import Floats

ROUNDING = 1e-9  # equal sums of the same numbers in another order


@dataclass(frozen=True, slots=True)
class Rotation:
    """R = 2*min(P+, M-)/(P+ + M-): 1 when as much came as went. R alone is no evidence: see p and persistence."""

    R: float | None
    rotated_usd: float
    inflow_usd: float  # P+
    outflow_usd: float  # M-, as a positive number
    net_usd: float
    p: float | None  # sign-flip: how often coins would cancel as well as this
    exact: bool
    moved: int  # venues with a flow
    vr: float | None  # persistence over consecutive windows: < 1 rotation, > 1 common build
    vr_p: float | None
    material: Threshold | None
    balanced: Threshold | None  # of |net|: what is left over may be no more than this
    label: str | None  # venue_rotation | rotation_like


def measured(flows: Floats, settings: Settings = DEFAULTS) -> Rotation:
    """R, the amounts and the exact sign-flip p of one window's flows [USD per venue]. No flow gives R None."""
    d = flows[np.isfinite(flows) & (flows != 0)]
    came, went = float(d[d > 0].sum()), float(-d[d < 0].sum())
    if not len(d):
        return Rotation(None, 0.0, 0.0, 0.0, 0.0, None, True, 0, None, None, None, None, None)
    size = np.abs(d)
    signs, exact = patterns(len(d), settings)
    p = share(np.abs(signs @ size) <= abs(came - went) + ROUNDING * float(size.sum()), exact)
    R = 2.0 * min(came, went) / (came + went)
    return Rotation(R, min(came, went), came, went, came - went, p, exact, len(d), None, None, None, None, None)


def persistence(windows: Floats, settings: Settings = DEFAULTS) -> tuple[float, float] | None:
    """(VR, p) over consecutive windows [K, V]: sum_k (sum_v d)^2 / sum_k sum_v d^2, p by sign flips per cell.

    None without any flow.
    """
    cells = np.nan_to_num(windows)
    whole = float(np.square(cells).sum())
    if whole <= 0:
        return None
    vr = float(np.square(cells.sum(axis=1)).sum()) / whole
    k, v = np.nonzero(cells)
    signs, exact = patterns(len(k), settings)
    onto = (k[:, None] == np.arange(len(cells))[None, :]).astype(float) * np.abs(cells[k, v])[:, None]
    flipped = np.square(signs @ onto).sum(axis=1) / whole
    return vr, share((flipped - vr) <= ROUNDING, exact)


def even(found: Rotation, settings: Settings = DEFAULTS) -> bool:
    """Whether about as much came as went, and what is left over is nothing unusual for the market."""
    if found.R is None or found.balanced is None:
        return False
    return settings.rotation_share <= found.R and abs(found.net_usd) <= found.balanced.value


def rotated(windows: Floats) -> Floats:
    """min(P+, M-) of each window [K], USD."""
    return np.minimum(np.where(windows > 0, windows, 0).sum(axis=1), np.where(windows < 0, -windows, 0).sum(axis=1))


def label(found: Rotation, settings: Settings = DEFAULTS) -> str | None:
    """`venue_rotation` when large, balanced and unlikely by chance; `rotation_like` when only large and balanced."""
    if found.material is None or found.rotated_usd < found.material.value or not even(found, settings):
        return None
    chances = [p for p in (found.p, found.vr_p if found.vr is not None and found.vr < 1 else None) if p is not None]
    return "venue_rotation" if chances and min(chances) <= settings.significance else "rotation_like"
