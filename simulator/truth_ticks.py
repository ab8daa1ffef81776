"""Statements within the minute: a leader whose bursts the other venues repeat some seconds later (analytics.md, 8)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.truth import Truth
from simulator.truth_positions import Array

EVERY_S = {"north": 0.1, "south": 1.0, "east": 3.0, "west": 30.0, "coast": 0.5, "dale": 5.0}  # between statements
BURSTS = 1 / 15  # a second
BURST, OWN = 4e-4, 1.5e-5  # of ln Q: a burst (times Student 3), and sd of a second's own noise
LAGS_S = (2.0, 90.0)  # of the others, log-uniform


@dataclass(frozen=True, slots=True)
class Stated:
    """One venue: times [ms since the truth's first minute] and what it stated, the book's unit."""

    t: npt.NDArray[np.int64]
    amount: Array
    every_s: float
    lag_s: float  # behind the leader


def stated(truth: Truth, leader: str, seed: int) -> Mapping[str, Stated]:
    """Every statement of the venues that speak more often than by the minute, over all minutes of `truth`."""
    rng = np.random.default_rng([seed, 13])
    seconds = len(truth.mark) * 60
    names = [p.venue for p in truth.places]
    least = round(LAGS_S[1]) + 1
    hit = rng.random(seconds + least) < BURSTS
    bursts = np.where(hit, BURST * rng.standard_t(3, seconds + least), 0.0)
    common = np.append(0.0, np.cumsum(bursts))
    out: dict[str, Stated] = {}
    for venue, every in EVERY_S.items():
        lag = 0.0 if venue == leader else float(np.exp(rng.uniform(*np.log(LAGS_S))))
        own = np.append(0.0, np.cumsum(rng.normal(0, OWN, seconds)))
        t = np.arange(rng.uniform(0, every), seconds, every)
        base = np.interp(t, np.arange(1, len(truth.mark) + 1) * 60.0, np.log(truth.amount[:, names.index(venue)]))
        # a burst happens at once, in its second; what a venue states is what it held then
        led = common[np.floor(t - lag).astype(np.int64) + least]
        x = base + led + own[np.floor(t).astype(np.int64)]
        out[venue] = Stated(np.round(t * 1000).astype(np.int64), np.exp(x), every, lag)
    return out
