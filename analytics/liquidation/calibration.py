"""The loop that keeps the map honest: per venue and distance class, what died over what the map said would (6.9).

omega_d = (alpha + sum obs_d) / (beta + sum exp_d), unit 1 M USD, alpha = beta = 2, yesterday counts 0.98 of today.
exp_d is the mass of class d in the bins that were swept; what died in a bin is shared among the classes by
responsibility omega_d exp_d / sum omega exp. Dividing by exposure is what removes the bias of liquidated samples
towards high leverage.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from analytics.liquidation.prior import CLASSES, Floats, Omega
from analytics.settings import DEFAULTS, Settings

UNIT_USD = 1e6


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one venue, by class, millions of USD, the past forgotten by 0.98 a day."""

    observed: Floats = field(default_factory=lambda: np.zeros(CLASSES))
    expected: Floats = field(default_factory=lambda: np.zeros(CLASSES))

    def omega(self, s: Settings = DEFAULTS) -> Omega:
        alpha, beta = s.map_alpha + self.observed, s.map_beta + self.expected
        return Omega(tuple(map(float, alpha)), tuple(map(float, beta)))


def posterior(observed: float, expected: float, s: Settings = DEFAULTS) -> tuple[float, float]:
    """(mean, sd) of omega after `observed` and `expected` million USD."""
    alpha, beta = s.map_alpha + observed, s.map_beta + expected
    return alpha / beta, alpha**0.5 / beta


def learned(
    counts: Counts, realised: Floats, seen: Floats, legacy: Floats, days: float = 1.0, settings: Settings = DEFAULTS
) -> Counts:
    """Counts after one frozen window. `realised` [n] USD in swept bins; `seen` [CLASSES, n] USD of observed entries
    there, before omega; `legacy` [n] USD of entries nobody saw, which omega does not scale but which also die."""
    omega = counts.omega(settings).mean()
    weight = omega[:, None] * seen
    below = weight.sum(axis=0) + legacy
    part = np.divide(weight, below, out=np.zeros_like(weight), where=below > 0)
    keep = settings.map_forgetting**days
    return Counts(
        counts.observed * keep + (part * realised).sum(axis=1) / UNIT_USD,
        counts.expected * keep + seen.sum(axis=1) / UNIT_USD,
    )


def omegas(
    counts: Mapping[str, Counts],
    venue_class: Mapping[str, str],
    throttled: Collection[str],
    s: Settings = DEFAULTS,
) -> dict[str, Omega]:
    """What the map is scaled by, per venue. A venue whose feed hides amounts borrows from the full feeds of its class,
    shrunk half-way to 1 and as wide as the prior; without any it keeps the prior."""
    found = {venue: c.omega(s) for venue, c in counts.items() if venue not in throttled}
    for venue in throttled:
        peers = [c for v, c in counts.items() if v not in throttled and venue_class.get(v) == venue_class.get(venue)]
        observed, expected = (sum((getattr(c, n) for c in peers), np.zeros(CLASSES)) for n in ("observed", "expected"))
        mean = Counts(observed, expected).omega(s).mean()
        shrunk = 1 + s.map_borrowed * (mean - 1)
        found[venue] = Omega(tuple(float(s.map_beta * m) for m in shrunk), (s.map_beta,) * CLASSES)
    return found
