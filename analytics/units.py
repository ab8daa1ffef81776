"""How many coins and dollars an open interest is (analytics.md, 1.1 and 1.2). One-sided, always.

Everything takes scalars or arrays alike. The board converts what venues publish; this is the same arithmetic, kept for
proofs, simulation and re-valuation.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Numbers = TypeVar("Numbers", float, Floats)

PAYOFFS = ("linear", "inverse", "quanto")


def unit_value(payoff: str, price: ArrayLike, *, size: ArrayLike = 1.0, sides: ArrayLike = 1.0, fx: ArrayLike = 1.0,
               settle_price: ArrayLike = 1.0) -> Floats:  # fmt: skip
    """nu(P): USD value of one published contract at price P [USD/contract] (analytics.md, 0 and 1.6).

    linear `size*P*fx/sides` (size in coins), inverse `size/sides` (size in USD, no price), quanto `size*P*X/sides`
    (size in settle coin per quote unit of price, X the settle coin's price).
    """
    P, c, s = np.asarray(price, float), np.asarray(size, float), np.asarray(sides, float)
    match payoff:
        case "linear":
            return c * P * np.asarray(fx, float) / s
        case "inverse":
            return np.broadcast_to(c / s, np.broadcast_shapes(P.shape, c.shape, s.shape)).astype(float)
        case "quanto":
            return c * P * np.asarray(settle_price, float) / s
        case _:
            raise ValueError(f"payoff {payoff!r} is none of {', '.join(PAYOFFS)}")


def one_sided(payoff: str, published: ArrayLike, price: ArrayLike, *, size: ArrayLike = 1.0, sides: ArrayLike = 1.0,
              fx: ArrayLike = 1.0, settle_price: ArrayLike = 1.0) -> tuple[Floats, Floats]:  # fmt: skip
    """(Q [coins], N [USD]) of a published open interest counted in contracts (analytics.md, 1.1).

    linear `Q = n*c/s, N = Q*P*fx`; inverse `N = n*c/s, Q = N/P`; quanto `N = n*m*P*X/s, Q = N/P`.
    """
    n, P = np.asarray(published, float), np.asarray(price, float)
    N = n * unit_value(payoff, P, size=size, sides=sides, fx=fx, settle_price=settle_price)
    if payoff == "linear":
        return n * np.asarray(size, float) / np.asarray(sides, float), N
    return N / P, N


def revalued(payoff: ArrayLike, base: Floats, usd: Floats, price: ArrayLike) -> tuple[Floats, Floats]:
    """(Q, N) of an unchanged position at another price: inverse contracts keep dollars, the others coins."""
    inverse = np.asarray(payoff) == "inverse"
    P = np.asarray(price, float)
    return np.where(inverse, usd / P, base), np.where(inverse, usd, base * P)
