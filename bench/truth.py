"""The acceptance numbers of a market whose truth is known: `python -m bench.truth [--seeds 20] [--days 40]`.

Seeds run in two processes; what a seed found is kept as JSON in a cache outside the project, so that a run can be
broken off and goes on. The table goes to bench/truth.json, from which docs/methods.md is generated.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from bench.truth_labels import FAULTS, LABELS, Seen, labels, sides
from bench.truth_map import walk
from simulator.truth import run
from simulator.truth_people import PLACES
from simulator.truth_positions import DAY
from simulator.truth_script import schedule

RESULT = Path(__file__).parent / "truth.json"
VERSION = 1  # of what a seed's file says; another one is run again
WARM = 12  # days that teach the map and are not scored
QUIET_DAYS = 14  # before the first episode, so that every hour has its history
BUSY_DAYS = 12  # with an episode every twelve hours


def one(seed: int, days: int, cache: Path) -> dict[str, Any]:
    """Everything one seed shows; from the cache if it is there."""
    kept = cache / f"{VERSION}-{days}-{seed}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    whole = sum(p.coins for p in PLACES)
    places = [(p.venue, p.cls, p.coins / whole) for p in PLACES]
    calm = run(seed, days)
    until = QUIET_DAYS + BUSY_DAYS
    busy = run(seed, until, script=schedule(places, QUIET_DAYS * DAY, until * DAY, DAY // 2, seed))
    seen = Seen(busy)
    found = {
        "seed": seed,
        "uneven": max(calm.uneven, busy.uneven),
        "map": walk(calm, WARM),
        "uncalibrated": walk(calm, WARM, calibrated=False)["map"],
        "labels": labels(busy, seen, seed),
        "sides": sides(busy, seen),
    }
    cache.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(".draft")
    draft.write_text(json.dumps(found))
    draft.replace(kept)
    return found


def table(seeds: list[dict[str, Any]], days: int) -> list[dict[str, Any]]:
    """Rows of what was measured, what is wanted, and why where it is not reached."""
    rows: list[dict[str, Any]] = []

    def row(what: str, value: float | None, wanted: str, reached: bool | None, note: str = "") -> None:
        rows.append({"what": what, "value": value, "wanted": wanted, "reached": reached, "note": note})

    def skills(which: str) -> list[float]:
        parts = [s["map"][which] if which != "uncalibrated" else s[which] for s in seeds]
        return [p["skill"][0] for p in parts if p["skill"] is not None]

    ours, true = skills("map"), skills("true")
    middle = median(ours)
    row("map: median skill over the better of B0 and B1, nats/USD", middle, ">= 0.05", middle >= 0.05)
    share = float(np.mean([x >= 0 for x in ours]))
    row("map: seeds with skill >= 0", share, ">= 0.80", share >= 0.8)
    part = sum(ours) / sum(true) if sum(true) > 0 else None
    words = "" if part is not None else "the true map itself gains nothing over the distance law"
    row("map: share of the true map's gain, in total", part, ">= 0.50", part is not None and part >= 0.5, words)
    ratio = median(s["map"]["map"]["ratio"] for s in seeds)
    row("map: predicted / realised USD, median", ratio, "0.75 to 1.33", 0.75 <= ratio <= 1.33)
    row("true positions (ceiling): median skill", median(true), "", None)
    fixed = median(skills("ladder"))
    row("fixed ladder 10/25/50/100: median skill", fixed, "below the map", fixed < middle)
    row("map without calibration: median skill", median(skills("uncalibrated")), "", None)
    bare = median(s["uncalibrated"]["ratio"] for s in seeds)
    row("map without calibration: predicted / realised USD, median", bare, "", None)
    sure = float(np.mean([s["map"]["map"]["validated"] for s in seeds]))
    row("map: seeds whose 90 % interval lies above 0 (status validated)", sure, "", None)
    drift = max(s["map"]["drift"] for s in seeds)
    row("map: sides against open interest, largest relative error", drift, "<= 1e-9", drift <= 1e-9)
    uneven = max(s["uneven"] for s in seeds)
    row("market: longs against shorts, largest relative error", uneven, "<= 1e-9", uneven <= 1e-9)
    for label in LABELS:
        n = {k: sum(s["labels"]["labels"][label][k] for s in seeds) for k in ("hit", "missed", "false")}
        below = 2 * n["hit"] + n["missed"] + n["false"]
        f1 = 2 * n["hit"] / below if below else None
        words = f"{n['hit']} found, {n['missed']} missed, {n['false']} false"
        row(f"label {label}: F1", f1, ">= 0.90", f1 is not None and f1 >= 0.9, words)
    quiet = sum(s["labels"]["quiet"] for s in seeds)
    wrong = sum(s["labels"]["quiet_labelled"] for s in seeds)
    row("quiet hours with a label", wrong / quiet, "<= 0.05", wrong / quiet <= 0.05, f"{wrong} of {quiet}")
    for fault in (*FAULTS, "price_only"):
        n = {k: sum(s["labels"]["faults"][fault][k] for s in seeds) for k in ("hours", "divergence", "deleveraging")}
        words = f"{n['divergence']} divergence, {n['deleveraging']} deleveraging in {n['hours']} hours"
        alerts = n["divergence"] + n["deleveraging"]
        row(f"{fault}: alerts", float(alerts), "0", alerts == 0, words)
    answers = [(venue, answer) for s in seeds for venue, answer in s["sides"].items()]
    wrongly = [a for v, a in answers if a == "two_sided" and v.endswith("(1)")]
    told = sum(a == "two_sided" for v, a in answers if v.endswith("(2)"))
    double = sum(v.endswith("(2)") for v, _ in answers)
    row("sides: one-sided venues called two-sided", float(len(wrongly)), "0", not wrongly)
    shown = told / double if double else None
    row("sides: share of two-sided venues shown to be so", shown, "1", shown == 1.0)
    row("lag of a leader; label of a resolution", None, "one cadence; >= 0.90", None, "not measured")
    return rows


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=20)
    asked.add_argument("--days", type=int, default=40)
    asked.add_argument("--processes", type=int, default=2)
    asked.add_argument("--cache", type=Path, default=user_cache_path("crossoi") / "truth")
    asked.add_argument("--kept-only", action="store_true", help="only make the table of what the cache holds")
    said = asked.parse_args()
    seeds = range(1, said.seeds + 1)
    if said.kept_only:
        seeds = [s for s in seeds if (said.cache / f"{VERSION}-{said.days}-{s}.json").exists()]
    found: list[dict[str, Any]] = []
    with ProcessPoolExecutor(said.processes) as pool:
        for result in pool.map(one, seeds, [said.days] * len(seeds), [said.cache] * len(seeds)):
            found.append(result)
            print(f"seed {result['seed']}: skill {result['map']['map']['skill']}", flush=True)
    rows = table(found, said.days)
    RESULT.write_text(json.dumps({"seeds": len(found), "days": said.days, "warm": WARM, "rows": rows}, indent=1) + "\n")
    for r in rows:
        print(f"{r['what']:70} {r['value']!s:24} {r['wanted']:15} {r['reached']!s:6} {r['note']}")


if __name__ == "__main__":
    main()
