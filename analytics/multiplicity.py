"""Many questions asked at once: adjusted p-values, and intervals for shares (analytics.md, 3.4 and 3.5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from analytics.settings import Procedure

Z95 = 1.959963984540054  # two-sided 95 % of the normal law


@dataclass(frozen=True, slots=True)
class Adjusted:
    p: float
    adjusted: float
    rejected: bool
    family: int  # how many were tested together


def benjamini_hochberg(p: Sequence[float], q: float = 0.10) -> tuple[Adjusted, ...]:
    """False discovery rate q for independent or positively dependent tests, in the order given. Empty in, empty out."""
    return adjusted(p, q, 1.0)


def benjamini_yekutieli(p: Sequence[float], q: float = 0.10) -> tuple[Adjusted, ...]:
    """The same under any dependence: the strict mode."""
    return adjusted(p, q, float(np.sum(1.0 / np.arange(1, len(p) + 1))))


PROCEDURES: Mapping[Procedure, Callable[[Sequence[float], float], tuple[Adjusted, ...]]] = {
    "benjamini_hochberg": benjamini_hochberg,
    "benjamini_yekutieli": benjamini_yekutieli,
}


def adjusted(p: Sequence[float], q: float, factor: float) -> tuple[Adjusted, ...]:
    m = len(p)
    if m == 0:
        return ()
    given = np.asarray(p, float)
    order = np.argsort(given, kind="stable")
    raised = given[order] * m * factor / np.arange(1, m + 1)
    stepped = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    out = np.empty(m)
    out[order] = stepped
    return tuple(Adjusted(float(a), float(b), bool(b <= q), m) for a, b in zip(given, out, strict=True))


def expected_false(m: int, q: float = 0.10, procedure: Procedure = "benjamini_hochberg") -> float:
    """How many of `m` independent tests a procedure rejects on average where nothing is the matter at all.

    More than q, since what is rejected comes in company: q/(1 - q)^2 for many tests (Finner and Roters 2002). With k of
    the m sure to be rejected a_k = k + (m - k) q/m a_{k+1}, a_m = m; asked is a_0.
    """
    if m <= 0:
        return 0.0
    level = q if procedure == "benjamini_hochberg" else q / float(np.sum(1.0 / np.arange(1, m + 1)))
    found = float(m)
    for k in range(m - 1, -1, -1):
        found = k + (m - k) * level / m * found
    return found


def wilson(hits: int, n: int, z: float = Z95) -> tuple[float, float] | None:
    """Wilson's 95 % interval of a share; None without trials."""
    if n <= 0:
        return None
    share, zz = hits / n, z * z
    middle = (share + zz / (2 * n)) / (1 + zz / n)
    half = z * sqrt(share * (1 - share) / n + zz / (4 * n * n)) / (1 + zz / n)
    return middle - half, middle + half
