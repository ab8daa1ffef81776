"""Who trades in the market with known truth, where, how much and how long: drawn once, before the first minute."""

from dataclasses import dataclass
from math import gamma
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from simulator.truth_positions import DAY, START_PRICE, Array, Whole

RATE = 1.2  # openings a minute and venue


@dataclass(frozen=True, slots=True)
class Place:
    """A venue: who trades there, and what of it is shown how."""

    venue: str
    cls: str
    coins: float  # about how much is open
    inverse: bool = False
    leverage: float = 8.0  # median of what is opened
    most: float = 100.0  # highest leverage
    premium: float = 1.0  # its mark over the common one
    sides: int = 1  # published open interest counts each contract so often
    cadence: int = 1  # minutes between published values
    feed: str = "full"  # of forced closes: full | throttled


PLACES = (
    Place("north", "speculative", 60_000.0, leverage=9.0, most=125.0),
    Place("south", "speculative", 45_000.0, leverage=10.0, premium=1.0002, sides=2),
    Place("east", "mixed", 70_000.0, leverage=7.0, most=125.0, premium=0.9999, feed="throttled"),
    Place("west", "speculative", 25_000.0, leverage=11.0, most=50.0, cadence=5),
    Place("coast", "institutional", 30_000.0, inverse=True, leverage=4.0, most=50.0, premium=0.9997),
    Place("hill", "institutional", 20_000.0, leverage=3.5, most=20.0, premium=1.0003),
    Place("dale", "mixed", 24_000.0, leverage=8.0, premium=1.0001),
    Place("marsh", "speculative", 16_000.0, leverage=10.0, most=50.0, premium=0.9998),
    Place("lake", "institutional", 14_000.0, leverage=4.0, most=25.0, premium=1.0001),
    Place("heath", "speculative", 12_000.0, inverse=True, leverage=9.0),
)
"""Ten, since fewer than six venues cannot rotate significantly in one window, and six can only if they cancel to the
dollar (analytics.md, 3.1); the classes are large enough for their permutation check."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How this seed's people are. Drawn around plain middles; no model knows them."""

    volatility: float  # of ln P a day
    spread: float  # sd of ln leverage
    patience: float  # mean holding in days of leverage 1; falls with leverage
    haste: float  # exponent of that fall
    shape: float  # of Weibull holding times
    cross: float  # share of positions that lean on a whole account
    paired: float  # share of openings whose other side is a trader too
    closes: float  # share of closures after which the absorber closes as well: open interest falls
    traders: float  # share of open interest that traders hold

    @staticmethod
    def drawn(rng: np.random.Generator) -> "Habits":
        u = rng.uniform
        return Habits(
            u(0.02, 0.03), u(0.75, 0.95), u(10, 16), u(0.8, 1.0), u(0.7, 0.9), u(0.3, 0.6), u(0.5, 0.7), u(0.6, 0.85),
            u(0.55, 0.7),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Who opens when, in order of minutes; minute t's are `first[t]` to `first[t + 1]`.

    First those who came, then those who take the other side of some of them, with habits of their own.
    """

    first: Whole
    venue: Whole
    side: Whole
    amount: Array
    leverage: Array
    cross: npt.NDArray[np.bool_]
    holding: Whole  # minutes
    came: Array  # [T, 2, V] amounts of those who came
    alone: Array  # [T, 2, V] of them those whose other side the absorber takes


def arrivals(rng: np.random.Generator, minutes: int, places: tuple[Place, ...], habits: Habits) -> Arrivals:
    """Poisson per venue; sides lean with a mood that lasts for hours; sizes are log-normal."""
    counts = rng.poisson(RATE, (minutes, len(places)))
    minute, venue = np.repeat(np.indices(counts.shape).reshape(2, -1), counts.ravel(), axis=1)
    n = len(minute)
    keep = np.exp(-1 / 600)
    mood = lfilter([1.0], [1.0, -keep], rng.normal(0, np.sqrt(1 - keep**2), minutes))
    side = (rng.random(n) > 0.5 + 0.12 * np.tanh(mood[minute])).astype(np.int64)
    middle = np.array([p.leverage for p in places])
    most = np.array([p.most for p in places])

    def habit() -> tuple[Array, npt.NDArray[np.bool_], Whole]:
        stated = np.clip(middle[venue] * np.exp(rng.normal(0, habits.spread, n)), 1.1, most[venue])
        cross = rng.random(n) < habits.cross
        leverage = np.maximum(np.where(cross, stated * rng.uniform(0.3, 1.0, n), stated), 1.05)
        mean = habits.patience * DAY / leverage**habits.haste
        held = mean * rng.weibull(habits.shape, n) / gamma(1 + 1 / habits.shape)
        return leverage, cross, np.maximum(held, 1).astype(np.int64)

    leverage, cross, holding = habit()
    other_leverage, _, other_holding = habit()
    paired = rng.random(n) < habits.paired
    stay = habits.patience * DAY * np.exp(-habits.haste * np.log(middle) + 0.5 * habits.haste**2 * habits.spread**2)
    unit = np.where([p.inverse for p in places], START_PRICE, 1.0)
    usual = np.array([p.coins for p in places]) * unit * habits.traders / (RATE * stay * (0.5 + 0.5 * habits.paired))
    amount = usual[venue] * np.exp(rng.normal(0, 1.0, n) - 0.5)
    order = np.argsort(np.concatenate((minute * 2, minute[paired] * 2 + 1)), kind="stable")

    def both(own: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.concatenate((own, other[paired]))[order]

    def sums(some: npt.NDArray[np.bool_]) -> Array:
        place = (minute[some] * 2 + side[some]) * len(places) + venue[some]
        found = np.bincount(place, amount[some], minutes * 2 * len(places))
        return found.astype(np.float64).reshape(minutes, 2, len(places))

    first = np.searchsorted(both(minute, minute), np.arange(minutes + 1))
    return Arrivals(
        first, both(venue, venue), both(side, 1 - side), both(amount, amount), both(leverage, other_leverage),
        both(cross, cross), both(holding, other_holding), sums(np.ones(n, np.bool_)), sums(~paired),
    )  # fmt: skip
