"""Whether new open interest went to one venue more than chance would send it (analytics.md, 4)."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from analytics.flips import patterns, share
from analytics.provenance import Threshold
from analytics.settings import DEFAULTS, Settings
from analytics.thresholds import material
from analytics.units import Floats


@dataclass(frozen=True, slots=True)
class Inflow:
    """phi_v = max(F_v, 0)/sum max(F, 0)."""

    gross_usd: float  # sum of positive flows
    phi: tuple[float | None, ...]  # in the order of the venues
    lq: tuple[float | None, ...]  # phi/p
    leader: str | None
    max_phi: float | None
    hhi_new: float | None
    kl: float | None  # nats from the stock's shares to the flow's
    p: float | None  # sign-flip
    persistent: bool  # the same leader over 3 windows, each above the share
    unusual: bool  # the leader's own growth is beyond the far percentile of its own history
    is_material: bool
    material: Threshold
    flag: str | None  # concentrated_inflow


def limit_of(total: float, past: Floats, window_s: int, settings: Settings = DEFAULTS) -> Threshold:
    """What an inflow onto `total` [USD] must reach to matter, by the flows of earlier windows [K, V]."""
    came = np.maximum(past, 0.0).sum(axis=1) if past.size else np.empty(0)
    fixed = settings.inflow_material_share * total
    return material(
        "inflow", came, settings.inflow_percentile, fixed, unit="USD", need=settings.min_history(window_s)
    )  # fmt: skip


def inflow(venues: tuple[str, ...], flow: Floats, held: Floats, past: Floats, window_s: int,
           settings: Settings = DEFAULTS, limit: Threshold | None = None,
           unusual: Set[str] = frozenset()) -> Inflow:  # fmt: skip
    """Of one window's flows [USD per venue] onto what is `held` [USD]; `past` [K, V]: flows of earlier windows.

    `limit`: what is material, where it is known already; else by `past`. `unusual`: venues that grew as they hardly
    ever do.

    Flag: max phi >= 0.60, gross inflow material, LQ >= 1.5, and p <= 0.05, the same over 3 windows, or growth that is
    unusual for that venue. Flipping signs cannot tell the last: with one large flow among small ones p is about half
    the place of the others' inflow among their patterns, however large the flow is.
    """
    total = float(held.sum())
    came = np.maximum(flow, 0.0)
    gross = float(came.sum())
    limit = limit_of(total, past, window_s, settings) if limit is None else limit
    if gross <= 0 or total <= 0:
        nothing: tuple[float | None, ...] = (None,) * len(venues)
        return Inflow(gross, nothing, nothing, None, None, None, None, None, False, False, False, limit, None)
    phi, p = came / gross, held / total
    lq = np.divide(phi, p, out=np.full_like(phi, np.nan), where=p > 0)
    k = int(np.argmax(phi))
    into = (phi > 0) & (p > 0)
    kl = float((phi[into] * np.log(phi[into] / p[into])).sum())
    chance = flip_p(flow, settings)
    again = persistent(past, k, len(venues), settings) and float(phi[k]) >= settings.inflow_phi
    is_material = gross >= limit.value
    extreme = bool(phi[k] >= settings.inflow_phi and lq[k] >= settings.inflow_lq and is_material)
    far = venues[k] in unusual
    unlikely = (chance is not None and chance <= settings.significance) or again or far
    return Inflow(
        gross, tuple(float(x) for x in phi), tuple(float(x) if np.isfinite(x) else None for x in lq), venues[k],
        float(phi[k]), float(np.square(phi).sum()), kl, chance, again, far, is_material, limit,
        "concentrated_inflow" if extreme and unlikely else None,
    )  # fmt: skip


def flip_p(flow: Floats, settings: Settings = DEFAULTS) -> float | None:
    """Share of sign patterns of |F| whose max phi reaches the observed one; patterns without inflow are left out."""
    size = np.abs(flow[np.isfinite(flow) & (flow != 0)])
    came = np.maximum(flow, 0.0)
    if not len(size) or came.sum() <= 0:
        return None
    signs, exact = patterns(len(size), settings)
    sums = (signs @ size + size.sum()) / 2.0
    some = sums > 1e-12 * size.sum()
    order = np.argsort(-size)
    first = np.argmax(signs[:, order] > 0, axis=1)  # the largest size that a pattern lets in
    tops = size[order][first][some] / sums[some]
    return share(tops >= float(came.max() / came.sum()) - 1e-12, exact)


def persistent(past: Floats, k: int, width: int, settings: Settings) -> bool:
    """Whether column `k` took the share in each of the windows before, so that with this one they make three."""
    n = settings.inflow_windows - 1
    if past.ndim != 2 or len(past) < n or past.shape[1] != width:
        return False
    came = np.maximum(past[-n:], 0.0)
    sums = came.sum(axis=1)
    return bool((sums > 0).all() and (came[:, k] >= settings.inflow_phi * sums).all())


def new_hhi(past: Floats) -> Floats:
    """HHI of the new open interest of each earlier window that had any inflow."""
    came = np.maximum(past, 0.0)
    sums = came.sum(axis=1) if past.size else np.empty(0)
    phi = came[sums > 0] / sums[sums > 0][:, None] if past.size else np.empty((0, 0))
    return np.square(phi).sum(axis=1)
