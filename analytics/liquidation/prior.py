"""What is assumed before data speak: distance classes, their mix and holding times, the particles, the exposure draws.

Sources: stock mix of one venue's positions (12/2025: 36 % below 3x, 49 % at 3-7x, 15 % above), which a fixed ladder of
10/25/50/100 contradicts; holding times fall along the rungs. All of it is `modelled`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma, norm

from analytics.liquidation.price import log_distance
from analytics.settings import DEFAULTS, Policy, Settings

POLICIES: tuple[Policy, ...] = get_args(Policy)  # of removal
BY_AGE: tuple[Policy, ...] = ("fifo", "lifo")  # those that ask who came first
Floats = NDArray[np.float64]

RUNGS = (2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 75.0, 100.0)  # effective leverage
CLASSES = len(RUNGS)
PARTS = 16  # of a rung's range
MAX_LEVERAGE = 100.0  # where a venue does not say


@dataclass(frozen=True, slots=True)
class Terms:
    """What a venue lets its traders do."""

    max_leverage: float = MAX_LEVERAGE
    maintenance: float | None = None  # of usual positions; None: half the initial margin at max_leverage
    large: float | None = None  # maintenance of a large position; None: unknown, or the same

    def rate(self) -> float:
        return 0.5 / self.max_leverage if self.maintenance is None else self.maintenance


def of_ladder(max_leverage: float, steps: Sequence[tuple[float, float]], large_usd: float) -> Terms:
    """Terms of (lower bound [USD], maintenance rate), in rising order, of which those count that begin below a large
    position. Usual positions have the mean rate of the first two (analytics.md, 6.4), but never more than half-way to
    the margin that opens one at the highest leverage; a large one has that of the last. No steps: only the leverage."""
    rates = [rate for lower, rate in steps if lower <= large_usd]
    if not rates:
        return Terms(max_leverage)
    usual = min(sum(rates[:2]) / len(rates[:2]), (rates[0] + 1 / max_leverage) / 2)
    return Terms(max_leverage, usual, max(rates[-1], usual))


def tier_spread(terms: Terms) -> float:
    """How much nearer to its entry a large position is closed than a usual one [ln price], at any leverage. Of sides
    and payoffs, which differ by less than a tenth of it, the larger."""
    return 0.0 if terms.large is None else float(np.log((1 - terms.rate()) / (1 - terms.large)))


@dataclass(frozen=True, slots=True)
class Particles:
    """Eight fixed corners around chi, tau and l0: deterministic, symmetric, of equal weight."""

    chi: Floats = field(default_factory=lambda: corners(DEFAULTS)[0])
    tau: Floats = field(default_factory=lambda: corners(DEFAULTS)[1])  # times the holding days, but not of "none"
    exposed: Floats = field(default_factory=lambda: corners(DEFAULTS)[2])  # l0

    def __len__(self) -> int:
        return len(self.chi)


def corners(s: Settings) -> tuple[Floats, Floats, Floats]:
    """chi, tau and l0 of the particles; by default 0.2, 1 and 0.6, give or take 0.1, 0.3 and 0.1."""
    signs = np.array(list(product((-1.0, 1.0), repeat=3)))
    chi = s.map_transfer_share + s.map_transfer_spread * signs[:, 0]
    tau = s.map_holding_scale * (1 + s.map_holding_spread * signs[:, 1])
    exposed = s.map_exposed_share + s.map_exposed_spread * signs[:, 2]
    return np.clip(chi, 0.0, 1.0), tau, np.clip(exposed, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Omega:
    """Realised over predicted mass of one venue, per class: Gamma(alpha, beta). The place of the calibration."""

    alpha: tuple[float, ...] = (DEFAULTS.map_alpha,) * CLASSES
    beta: tuple[float, ...] = (DEFAULTS.map_beta,) * CLASSES

    def mean(self) -> Floats:
        return np.asarray(self.alpha) / np.asarray(self.beta)


def unlearned(s: Settings = DEFAULTS) -> Omega:
    """Omega before any day was judged."""
    return Omega((s.map_alpha,) * CLASSES, (s.map_beta,) * CLASSES)


def mix(venue_class: str, max_leverage: float, s: Settings = DEFAULTS) -> Floats:
    """Share of exposed mass per rung [CLASSES], sums to 1. Rungs above the venue's maximum join the highest allowed.
    Mixed venues, and an unknown class, are half-way between the two others."""
    ends = {"speculative": np.array(s.map_mix_speculative), "institutional": np.array(s.map_mix_institutional)}
    ends = {name: weights / weights.sum() for name, weights in ends.items()}
    weights = ends.get(venue_class, (ends["speculative"] + ends["institutional"]) / 2)
    allowed = max(int(np.searchsorted(RUNGS, max_leverage, side="right")), 1)
    weights[allowed - 1] += weights[allowed:].sum()
    weights[allowed:] = 0.0
    return weights / weights.sum()


@lru_cache(maxsize=256)  # one a venue and payoff: the same until it changes its terms
def distances(payoff: str, terms: Terms) -> Floats:
    """ln(liquidation price / entry) [2 sides: long, short][CLASSES]; NaN where no price closes the position.
    Internal: NaN marks mass that belongs to "none" and never leaves this package. Not to be written to."""
    rate = terms.rate()
    found = [[log_distance(payoff, side, rung, rate) for rung in RUNGS] for side in (1, -1)]
    table = np.array([[np.nan if x is None else x for x in row] for row in found])
    table[0, table[0] >= 0] = np.nan  # margin below maintenance: such a position cannot be opened
    table[1, table[1] <= 0] = np.nan
    table.flags.writeable = False
    return table


@lru_cache(maxsize=256)
def spread(payoff: str, terms: Terms) -> Floats:
    """The same for PARTS leverages inside each rung's range [2 sides][CLASSES][PARTS], even in ln leverage.

    A rung stands for all leverage up to half-way to its neighbours (geometric), capped at the venue's maximum: nobody's
    margin is exactly a rung, and a comb of rungs gives prices at which nobody dies a mass that others lack.
    """
    edges = np.sqrt(np.array([RUNGS[0] ** 2 / RUNGS[1], *RUNGS]) * np.array([*RUNGS, RUNGS[-1] ** 2 / RUNGS[-2]]))
    inside = (np.arange(PARTS) + 0.5) / PARTS
    leverage = np.minimum(edges[:-1, None] * (edges[1:] / edges[:-1])[:, None] ** inside, terms.max_leverage)
    rate = terms.rate()
    table = np.array(
        [[[log_distance(payoff, side, float(x), rate) for x in row] for row in leverage] for side in (1, -1)], float
    )  # None becomes NaN
    rungs = distances(payoff, terms)[:, :, None]
    wrong = np.isnan(table) | (table * np.array([-1.0, 1.0])[:, None, None] <= 0) | np.isnan(rungs)
    found = np.where(wrong, rungs, table)
    found.flags.writeable = False
    return found


def astray(count: int = PARTS) -> Floats:
    """Steps of a standard normal distribution, of equal weight, mean 0 and variance 1 [count]."""
    steps = norm.ppf((np.arange(count) + 0.5) / count)
    return np.asarray(steps / steps.std(), np.float64)


def hazards(tau: Floats, s: Settings = DEFAULTS) -> Floats:
    """Closing weight of a contract per class, "none" last [CLASSES + 1][particles], 1/day.

    With exponentially distributed holding times of mean tau_d the chance to close next is 1/tau_d whatever the age, so
    ages need not be kept.
    """
    rungs = 1.0 / (np.asarray(s.map_holding_days)[:, None] * tau[None, :])
    return np.vstack([rungs, np.full((1, len(tau)), 1.0 / s.map_holding_none_days)])


def omega_draws(alpha: Floats, beta: Floats, draws: int = 8) -> Floats:
    """Quantile-spaced draws of Gamma(alpha, beta) [draws][CLASSES], each class in another order, mean alpha / beta.
    No random numbers, so that the same state gives the same bands. Not to be written to."""
    return drawn(tuple(alpha.tolist()), tuple(beta.tolist()), draws)


@lru_cache(maxsize=128)  # one a venue that has been calibrated: the same until the next day
def drawn(alphas: tuple[float, ...], betas: tuple[float, ...], draws: int) -> Floats:
    alpha, beta = np.array(alphas), np.array(betas)
    levels = (np.arange(draws) + 0.5) / draws
    table = gamma.ppf(levels[:, None], alpha[None, :]) / beta[None, :]
    table *= (alpha / beta)[None, :] / table.mean(axis=0)[None, :]
    order = (np.arange(draws)[:, None] * 3 + np.arange(len(alpha))[None, :] * 5) % draws
    found = np.take_along_axis(table, order, axis=0)
    found.flags.writeable = False
    return found
