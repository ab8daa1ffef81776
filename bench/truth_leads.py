"""Who leads, and by how much, on the market with known truth: three hours of native ticks."""

from itertools import combinations
from typing import Any

import numpy as np

from analytics import leadlag
from analytics.leadlag import Ticks
from simulator.truth import World
from simulator.truth_ticks import EVERY_S, stated

HOURS = 3
GRID_S = 1.0  # the analysis counts whole seconds


def leads(world: World, minute: int, seed: int) -> dict[str, Any]:
    """One episode on a fork of the market: the leader named, and by pair of venues the lag against the known one."""
    names = sorted(EVERY_S)
    leader = names[int(np.random.default_rng([seed, 17]).integers(len(names)))]
    told = stated(world.fork(minute, HOURS * 60, ()), leader, seed)
    ticks = {v: Ticks(s.t, np.log(s.amount), s.every_s) for v, s in told.items()}
    found = leadlag.lead(ticks, 0, HOURS * 3_600_000)
    pairs: list[dict[str, Any]] = []
    for a, b in combinations(names, 2):
        true = told[b].lag_s - told[a].lag_s  # above zero: the first leads
        cadence = max(told[a].every_s, told[b].every_s, GRID_S)
        mine = [p.lag_s for p in found.pairs if (p.first, p.second) == (a, b) and p.lag_s is not None]
        coarse = (told[a].every_s + told[b].every_s) / 2
        pairs.append({
            "pair": [a, b], "true_s": true, "cadence_s": cadence, "resolvable": abs(true) >= coarse,
            "measured_s": float(np.median(mine)) if mine else None,
        })  # fmt: skip
    return {"leader": leader, "named": found.leader, "pairs": pairs}
