"""The acceptance numbers of a market whose truth is known: `python -m bench.truth [--seeds 20] [--days 40]`.

Seeds run in two processes, each in stages; what a stage of a seed found is kept as JSON in a cache outside the project,
named by all code that it rests on, so that a run can be broken off and goes on, and nothing stale is used again.
The table goes to bench/truth.json, from which docs/methods.md is generated.
"""

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path
from scipy.stats import kurtosis

from bench.truth_endings import ending, plan
from bench.truth_faults import faults, price_only, sides
from bench.truth_labels import episode, quiet, sized
from bench.truth_leads import leads
from bench.truth_map import walk
from bench.truth_seen import Seen
from bench.truth_table import table
from bench.truth_variants import VARIANTS, policies, variant
from simulator.truth import Truth, World
from simulator.truth_people import PLACES
from simulator.truth_positions import DAY
from simulator.truth_script import Scripted, schedule

ROOT = Path(__file__).parent.parent
RESULT = Path(__file__).parent / "truth.json"
RESTS_ON = ("simulator/truth*.py", "bench/truth*.py", "analytics/**/*.py", "collectors/checks.py")
WARM = 12  # days that teach the map and are not scored
QUIET_DAYS = 14  # before the first episode, so that every hour has its history
FAULTY_HOURS = 6
POLICIES_EVERY = 4  # seeds: the three other policies take some four minutes of a processor together


@cache
def code() -> str:
    """What all code that a result rests on hashes to."""
    found = blake2b(digest_size=6)
    for pattern in RESTS_ON:
        for path in sorted(ROOT.glob(pattern)):
            if path.name not in ("truth_table.py", "truth.json"):
                found.update(path.read_bytes())
    return found.hexdigest()


@dataclass
class Case:
    """One seed. The market is made when the first stage asks for it, and forked from then on."""

    seed: int
    days: int

    @cached_property
    def script(self) -> tuple[Scripted, ...]:
        return schedule(sized(PLACES), QUIET_DAYS * DAY, (self.days - 1) * DAY, DAY, self.seed)

    @cached_property
    def played(self) -> tuple[World, Truth]:
        world = World(self.seed, self.days)
        moments = {s.start for s in self.script} | {minute for _, minute in plan(QUIET_DAYS * DAY)}
        return world, world.played(keep=moments)

    @property
    def world(self) -> World:
        """With its moments to fork it at."""
        return self.played[0]

    @property
    def calm(self) -> Truth:
        return self.played[1]

    @cached_property
    def seen(self) -> Seen:
        return Seen(self.calm)

    def market(self) -> dict[str, Any]:
        moves = np.diff(np.log(self.calm.mark))
        size = np.abs(moves)
        falls = []
        for s in self.script:
            if s.kind == "cascade":
                fork = self.world.fork(s.start, 100, [s])
                coins = fork.amount / np.where(self.world.inverse, fork.mark[:, None], 1.0)
                falls.append(float(coins.sum(axis=1).min() / coins[0].sum() - 1))
        return {
            "uneven": self.calm.uneven, "kurtosis": float(kurtosis(moves, fisher=False)), "falls": falls,
            "lasting": float(np.corrcoef(size[60:], size[:-60])[0, 1]),
        }  # fmt: skip

    def labels(self) -> dict[str, Any]:
        seen, world = self.seen, self.world
        return {
            "episodes": [episode(seen, world, s) for s in self.script if s.kind != "price_only"],
            "quiet": quiet(seen, self.seed, QUIET_DAYS * 24),
        }

    def faults(self) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, 5])
        hours = np.sort(rng.choice(np.arange(QUIET_DAYS * 24, self.days * 24), FAULTY_HOURS, replace=False))
        seen, found = self.seen, [s for s in self.script if s.kind == "price_only"]
        prices = [price_only(seen, self.world, s) for s in found]
        summed = {k: sum(p[k] for p in prices) for k in ("hours", "divergence", "deleveraging", "forced")}
        return faults(seen, hours.tolist()) | {"price_only": summed}

    def endings(self) -> list[dict[str, Any]]:
        seen = self.seen
        return [ending(seen, self.world, which, minute, self.seed) for which, minute in plan(QUIET_DAYS * DAY)]

    def leads(self) -> dict[str, Any]:
        return leads(self.world, self.script[0].start, self.seed)

    def sides(self) -> dict[str, str]:
        return sides(self.seen, self.world, self.script)

    def map(self) -> dict[str, Any]:
        return walk(self.calm, WARM)

    def variant(self) -> dict[str, Any]:
        which = VARIANTS[self.seed % len(VARIANTS)]
        return variant(self.seed, which, self.calm if which == "throttled" else None)

    def policies(self) -> dict[str, Any]:
        """Empty for the seeds that do not ask."""
        return {} if self.seed % POLICIES_EVERY else policies(self.calm, WARM)


STAGES = ("market", "labels", "faults", "endings", "leads", "sides", "map", "variant", "policies")


def one(seed: int, days: int, folder: Path) -> dict[str, Any]:
    """Everything one seed shows; from the cache what is there."""
    found: dict[str, Any] = {"seed": seed}
    case = Case(seed, days)
    for stage in STAGES:
        kept = folder / f"{code()}-{days}-{seed}-{stage}.json"
        if not kept.exists():
            work: Callable[[], Any] = getattr(case, stage)
            told = json.dumps(work())
            folder.mkdir(parents=True, exist_ok=True)
            draft = kept.with_suffix(".draft")
            draft.write_text(told)
            draft.replace(kept)
        found[stage] = json.loads(kept.read_text())
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=20)
    asked.add_argument("--first", type=int, default=1, help="the first seed; what is developed on uses others")
    asked.add_argument("--days", type=int, default=40)
    asked.add_argument("--processes", type=int, default=2)
    asked.add_argument("--cache", type=Path, default=user_cache_path("crossoi") / "truth")
    asked.add_argument("--kept-only", action="store_true", help="only make the table of what the cache holds")
    asked.add_argument("--dry", action="store_true", help="show the table and write nothing")
    said = asked.parse_args()
    seeds = range(said.first, said.first + said.seeds)
    if said.kept_only:
        wanted = [f"{code()}-{said.days}-{{}}-{stage}.json" for stage in STAGES]
        seeds = [s for s in seeds if all((said.cache / name.format(s)).exists() for name in wanted)]
    found: list[dict[str, Any]] = []
    with ProcessPoolExecutor(said.processes) as pool:
        for result in pool.map(one, seeds, [said.days] * len(seeds), [said.cache] * len(seeds)):
            found.append(result)
            print(f"seed {result['seed']}: skill {result['map']['map']['skill']}", flush=True)
    rows = table(found)
    if not said.dry:
        told = {"seeds": len(found), "days": said.days, "warm": WARM, "rows": rows}
        RESULT.write_text(json.dumps(told, indent=1) + "\n")
    for r in rows:
        print(f"{r['what']:72} {r['value']!s:24} {r['wanted']:15} {r['reached']!s:6} {r['note']}")


if __name__ == "__main__":
    main()
