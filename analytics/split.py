"""What part of a change in dollars was positions, and what part price: exact, no residual (analytics.md, 1.6)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analytics.units import Floats


@dataclass(frozen=True, slots=True)
class Split:
    """Per element [USD]. `quantity + price` is the whole change."""

    quantity: Floats  # nubar * dn: positions opened, net
    price: Floats  # nbar * dnu

    @property
    def total(self) -> Floats:
        return self.quantity + self.price


def split(n0: ArrayLike, n1: ArrayLike, usd0: ArrayLike, usd1: ArrayLike) -> Split:
    """Midpoint decomposition of N = n*nu between two moments.

    `n` contracts, `usd` their one-sided value; nu = usd/n. An end without contracts takes nu from the other end (its
    own says nothing), two such ends change nothing. NaN stays NaN: sums are the caller's.
    """
    a, b = np.asarray(n0, float), np.asarray(n1, float)
    N0, N1 = np.asarray(usd0, float), np.asarray(usd1, float)
    nu0 = np.divide(N0, a, out=np.full(np.broadcast_shapes(N0.shape, a.shape), np.nan), where=a > 0)
    nu1 = np.divide(N1, b, out=np.full(np.broadcast_shapes(N1.shape, b.shape), np.nan), where=b > 0)
    nu0, nu1 = np.where(a == 0, nu1, nu0), np.where(b == 0, nu0, nu1)
    nothing = (a == 0) & (b == 0)
    quantity = np.where(nothing, 0.0, (nu0 + nu1) / 2.0 * (b - a))
    price = np.where(nothing, 0.0, (a + b) / 2.0 * (nu1 - nu0))
    return Split(quantity, price)
