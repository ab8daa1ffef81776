"""A map held against positions that a venue shows to everyone, which it never saw (analytics.md, 6.8).

The map is made of the venue's public totals; the positions are a sample of whoever traded in our sight. Shapes are
compared side by side: where in price it says that mass lies, not how much the sample happens to hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analytics.liquidation.answer import LiquidationMap
from analytics.liquidation.prior import Floats

NEAR_PCT = 5.0
FEWEST = 20  # positions of a side with a liquidation price within the map's range


@dataclass(frozen=True, slots=True)
class Against:
    """One side of one venue."""

    side: str  # long | short
    positions: int  # with a liquidation price within the map's range
    covered: float | None  # the sample's size over the side's open interest, fraction
    wasserstein_bp: float | None  # mean distance in ln price that mass would have to be moved, basis points
    jensen_shannon: float | None  # 0 the same, 1 nothing in common
    mass_ratio_5pct: float | None  # the map's USD within 5 % over the sample's, scaled to the whole side


def against(found: LiquidationMap, side: Sequence[str], base: Floats, liquidation: Floats) -> tuple[Against, ...]:
    """Longs and shorts of one venue's map (10 bp bins) against positions: side, coins, liquidation price or NaN."""
    if found.mark is None or not found.bins or not found.open_interest_usd:
        return ()
    edges = np.array([b.price_low for b in found.bins] + [found.bins[-1].price_high])
    words, out = np.array(list(side), dtype=object), list[Against]()
    for name in ("long", "short"):
        mine = words == name
        held = float(np.nansum(base[mine])) * found.mark
        own = mine & np.isfinite(liquidation) & np.isfinite(base)
        own &= (liquidation < found.mark) if name == "long" else (liquidation > found.mark)
        own &= (liquidation >= edges[0]) & (liquidation < edges[-1])
        sample = np.histogram(liquidation[own], bins=edges, weights=(base * liquidation)[own])[0]
        model = np.array([b.long_usd if name == "long" else b.short_usd for b in found.bins])
        covered = held / found.open_interest_usd
        count = int(own.sum())
        if count < FEWEST or sample.sum() <= 0 or model.sum() <= 0:
            out.append(Against(name, count, covered, None, None, None))
            continue
        near = np.abs(np.array([b.distance_pct for b in found.bins])) <= NEAR_PCT
        seen = float(sample[near].sum()) / covered
        ratio = float(model[near].sum()) / seen if seen > 0 else None
        width = np.diff(np.log(edges)) * 1e4
        out.append(Against(name, count, covered, moved(model, sample, width), apart(model, sample), ratio))
    return tuple(out)


def moved(a: Floats, b: Floats, width_bp: Floats) -> float:
    """Wasserstein-1 of two masses over the same bins, in basis points of ln price."""
    gap = np.cumsum(a / a.sum()) - np.cumsum(b / b.sum())
    return float((np.abs(gap[:-1]) * (width_bp[:-1] + width_bp[1:]) / 2).sum())


def apart(a: Floats, b: Floats) -> float:
    """Jensen-Shannon divergence of two masses over the same bins, base 2."""
    p, q = a / a.sum(), b / b.sum()
    m = (p + q) / 2
    return float(sum(0.5 * (x[x > 0] * np.log2(x[x > 0] / m[x > 0])).sum() for x in (p, q)))
