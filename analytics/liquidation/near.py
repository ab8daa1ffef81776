"""What of a map lies near the mark, small enough to be kept every hour: so that a later fall can be held against it."""

from dataclasses import dataclass
from math import isfinite

from analytics.liquidation.answer import LiquidationMap

REACH_PCT = 5.0  # analytics.md, 3.5


@dataclass(frozen=True, slots=True)
class Near:
    """Estimated USD closed by force at each 10 bp bin within 5 % of the mark, by the price of the bin's middle."""

    as_of: int  # ms UTC
    mark: float  # USD a coin
    longs: tuple[tuple[float, float], ...]  # (price, USD) below the mark
    shorts: tuple[tuple[float, float], ...]  # above


def near(found: LiquidationMap) -> Near | None:
    """Of a map with 10 bp bins. None where it holds nothing."""
    if found.mark is None or found.as_of is None:
        return None
    bins = [b for b in found.bins if abs(b.distance_pct) <= REACH_PCT]
    middle = {id(b): (b.price_low + b.price_high) / 2 for b in bins}
    return Near(
        found.as_of,
        found.mark,
        tuple((middle[id(b)], b.long_usd) for b in bins if b.long_usd > 0),
        tuple((middle[id(b)], b.short_usd) for b in bins if b.short_usd > 0),
    )


def crossed(of: Near, low: float, high: float, falling: bool) -> float | None:
    """The share of one side's mass near the mark that prices from `low` to `high` went through.

    Longs where it fell, shorts where it rose. None where there is no mass, or no price.
    """
    side = of.longs if falling else of.shorts
    whole = sum(usd for _, usd in side)
    if not whole > 0 or not (isfinite(low) and isfinite(high)):
        return None
    return sum(usd for price, usd in side if (price >= low if falling else price <= high)) / whole
