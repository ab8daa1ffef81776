"""At which mark a position is closed by force: exact formulas with maintenance tiers.

`side` is +1 for a long and -1 for a short; prices in USD a coin; rates are fractions of 1. None means that no price
closes the position.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, log

BORDER = (
    1e-12  # relative: maintenance is continuous, so at a border both tiers give one price and rounding may miss both
)


@dataclass(frozen=True, slots=True)
class Tier:
    """Maintenance of positions whose notional at the liquidation price lies in [lower, upper)."""

    lower: float  # USD; coin where the margin is coin
    upper: float
    rate: float  # maintenance margin, fraction of notional
    deduction: float  # same unit as lower; makes maintenance continuous


def tiers(steps: Sequence[tuple[float, float]]) -> tuple[Tier, ...]:
    """Tiers from (lower bound, maintenance rate) in rising order, the first at 0. Deductions are derived:
    a_0 = 0, a_k = a_(k-1) + lower_k * (r_k - r_(k-1)). No steps give no tiers."""
    made: list[Tier] = []
    deduction = 0.0
    for (lower, rate), (upper, _) in pairwise([*steps, (inf, 0.0)]):
        if made:
            deduction += lower * (rate - made[-1].rate)
        made.append(Tier(lower, upper, rate, deduction))
    return tuple(made)


def tiers_of_leverage(steps: Sequence[tuple[float, float]]) -> tuple[Tier, ...]:
    """Tiers from (lower bound, maximum leverage), where maintenance is half the initial margin: r = 1 / (2 L_max)."""
    return tiers([(lower, 0.5 / leverage) for lower, leverage in steps])


def linear(side: int, entry: float, quantity: float, leverage: float, ladder: Sequence[Tier]) -> float | None:
    """Isolated margin in the quote currency; `quantity` in coins.
    long (q pe - Mg - a) / (q (1 - r)), short (q pe + Mg + a) / (q (1 + r)), Mg = q pe / L."""
    value = quantity * entry

    def price(tier: Tier) -> float:
        return (value - side * (value / leverage + tier.deduction)) / (quantity * (1 - side * tier.rate))

    return _accepted(price, lambda p: quantity * p, ladder)


def inverse(side: int, entry: float, notional: float, leverage: float, ladder: Sequence[Tier]) -> float | None:
    """Margin in coin, size in USD; the ladder's bounds and deductions are coin.
    long nu (1 + r) / (nu (1 + 1/L) / pe + a), short nu (1 - r) / (nu (1 - 1/L) / pe - a)."""

    def price(tier: Tier) -> float:
        coin = notional * (1 + side / leverage) / entry + side * tier.deduction
        return notional * (1 + side * tier.rate) / coin if coin > 0 else inf

    return _accepted(price, lambda p: notional / p, ladder)


def quanto(side: int, entry: float, leverage: float, rate: float) -> float | None:
    """Margin in a third coin: the linear formula in price, without deduction."""
    return linear(side, entry, 1.0, leverage, (Tier(0.0, inf, rate, 0.0),))


def cross(side: int, mark: float, quantity: float, account_value: float, ladder: Sequence[Tier]) -> float | None:
    """Linear position backed by a whole account [USD]: p = P - side (AV - MM(P)) / (q (1 - side r)),
    MM(P) = q P r - a."""

    def price(tier: Tier) -> float:
        maintenance = quantity * mark * tier.rate - tier.deduction
        return mark - side * (account_value - maintenance) / (quantity * (1 - side * tier.rate))

    return _accepted(price, lambda p: quantity * p, ladder)


def log_distance(payoff: str, side: int, leverage: float, rate: float) -> float | None:
    """ln(liquidation price / entry) of a small isolated position, for aggregate mass whose sizes are unknown."""
    if payoff == "inverse":
        price = inverse(side, 1.0, 1.0, leverage, (Tier(0.0, inf, rate, 0.0),))
    else:
        price = quanto(side, 1.0, leverage, rate)
    return None if price is None else log(price)


def _accepted(
    price: Callable[[Tier], float], notional: Callable[[float], float], ladder: Sequence[Tier]
) -> float | None:
    """The price of the one tier that holds the notional at that very price; the tier at entry is the wrong one."""
    for tier in ladder:
        p = price(tier)
        if 0 < p < inf and tier.lower * (1 - BORDER) <= notional(p) <= tier.upper * (1 + BORDER):
            return p
    return None
