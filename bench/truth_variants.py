"""Markets that the map's assumptions do not fit: it must say that it does not know, rather than be sure and wrong. And
the map with other policies of removal, on markets as they are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from analytics.liquidation import Policy
from bench.truth_map import walk
from simulator.truth import Truth, World
from simulator.truth_people import PLACES, Habits

VARIANTS = ("other_leverage", "no_transfers", "throttled")
DAYS, WARM = 20, 8
POLICIES: tuple[Policy, ...] = ("pro_rata", "fifo", "lifo")  # beside the one of every seed's map


def variant(seed: int, which: str, calm: Truth | None = None) -> dict[str, Any]:
    """The walk of one misspecified market. `throttled`: every feed shows one forced close a minute and says it is full.

    `no_transfers`: every closure ends a contract, so that no entry is ever refreshed (chi = 0).
    """
    habits = Habits.drawn(np.random.default_rng([seed, 1]))
    match which:
        case "other_leverage":  # many with little, many with much, few between
            places = [replace(p, leverage=p.leverage * (0.4 if k % 2 else 2.5)) for k, p in enumerate(PLACES)]
            truth = World(seed, DAYS, places).played()
        case "no_transfers":
            truth = World(seed, DAYS, habits=replace(habits, closes=1.0)).played()
        case _:
            truth = throttled(World(seed, DAYS).played() if calm is None else calm)
    found = walk(truth, WARM, full=[p.venue for p in truth.places])
    return {"variant": which, "drift": found["drift"], **{k: found[k] for k in ("map", "true", "early", "later")}}


def policies(calm: Truth, warm: int) -> dict[str, Any]:
    """By policy of removal: how the map of one market fares, and its worst relative error of a side."""
    found = {name: walk(calm, warm, policy=name) for name in POLICIES}
    return {name: {"drift": f["drift"], "map": f["map"]} for name, f in found.items()}


def throttled(truth: Truth) -> Truth:
    """The first days, of which only the largest forced close of each minute and venue is shown."""
    f = truth.forced
    order = np.lexsort((-f["amount"], f["venue"], f["minute"]))
    key = f["minute"][order] * len(truth.places) + f["venue"][order]
    first = np.append(True, np.diff(key) > 0) if len(key) else np.zeros(0, bool)
    kept = order[first]
    kept = kept[f["minute"][kept] < DAYS * 1440]
    cut = {n: getattr(truth, n)[: DAYS * 1440] for n in
           ("mark", "low", "high", "amount", "opened", "closed", "volume", "bought", "funding")}  # fmt: skip
    return replace(truth, forced={n: x[kept] for n, x in f.items()}, **cut)


def nonsense(runs: Sequence[dict[str, Any]]) -> int:
    """Maps that were validated by the first half of their days and surely worse than the baseline in the second."""
    return sum(r["early"]["validated"] and r["later"]["skill"] is not None and r["later"]["skill"][2] < 0 for r in runs)
