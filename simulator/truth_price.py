"""How the mark of the market with known truth moves by itself."""

import numpy as np
from scipy.signal import lfilter

from simulator.truth_positions import DAY, Array


def price_shocks(rng: np.random.Generator, minutes: int, daily: float) -> tuple[Array, Array]:
    """(ln moves, their sd) a minute: two volatility components, one of days and one of hours, and Student jumps."""
    level = np.zeros(minutes)
    for hours, sd in ((60.0, 0.45), (3.0, 0.35)):
        keep = np.exp(-1 / (60 * hours))
        kicks = rng.normal(0, sd * np.sqrt(1 - keep**2), minutes)
        level += lfilter([1.0], [1.0, -keep], kicks)
    sigma = daily / np.sqrt(DAY) * np.exp(level - 0.5 * level.var())
    moves = sigma * rng.standard_normal(minutes)
    jumps = rng.random(minutes) < 1.5 / DAY
    moves[jumps] += np.clip(0.004 * rng.standard_t(3, int(jumps.sum())), -0.04, 0.04)
    return moves, sigma


def reach(move: float, sigma: float, u: Array) -> tuple[float, float]:
    """Lowest and highest point of a Brownian bridge from 0 to `move` within the minute, relative to its start."""
    far = np.sqrt(move * move - 2 * sigma * sigma * np.log(np.maximum(u, 1e-12)))
    return float((move - far[0]) / 2), float((move + far[1]) / 2)
