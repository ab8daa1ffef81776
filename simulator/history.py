"""The market's past as anybody could have recorded it: daily, then hourly, then every five minutes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.market import Contract, Market

DAY_MS = 86_400_000
DAYS = 400  # so that every percentile over a year has its year (decisions.md, 27)
STEPS = ((DAYS, 90, DAY_MS), (90, 7, 3_600_000), (7, 0, 300_000))  # from and to in days ago, ms between points


@dataclass(frozen=True, slots=True)
class Past:
    """One contract's past, oldest first. Every array has the same length."""

    contract: Contract
    ts: npt.NDArray[np.int64]  # ms UTC
    step_ms: npt.NDArray[np.int64]  # resolution of each point
    mark: npt.NDArray[np.float64]  # USD a coin
    coins: npt.NDArray[np.float64]  # one-sided
    funding: npt.NDArray[np.float64]  # fraction per interval


def moments(end_ms: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(moments, resolution of each) of the recorded past, up to but not including `end_ms`."""
    parts = [
        np.arange(-(-(end_ms - start * DAY_MS) // step) * step, end_ms - stop * DAY_MS, step, dtype=np.int64)
        for start, stop, step in STEPS
    ]
    steps = [np.full(len(part), step, dtype=np.int64) for part, (_, _, step) in zip(parts, STEPS, strict=True)]
    return np.concatenate(parts), np.concatenate(steps)


def past(market: Market, end_ms: int, since_ms: int = 0) -> Iterator[Past]:
    """Every contract's past in [since_ms, end_ms)."""
    ts, step_ms = moments(end_ms)
    ts, step_ms = ts[ts >= since_ms], step_ms[ts >= since_ms]
    for key, contract in market.contracts.items():
        mark, coins = market.series(key, ts)
        yield Past(contract, ts, step_ms, mark, coins, market.fundings(contract, ts))
