"""The acceptance table: what was measured, what is wanted, and why where it is not reached."""

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from bench.truth_faults import FAULTS
from bench.truth_labels import LABELS, counted
from bench.truth_variants import POLICIES, VARIANTS, nonsense
from simulator.truth_script import ENDINGS

Row = dict[str, Any]


def table(seeds: Sequence[dict[str, Any]]) -> list[Row]:
    parts = (maps, policies, variants, labels, endings, leads, market)
    return [row for part in parts for row in part(seeds)]


def row(what: str, value: float | None, wanted: str = "", reached: bool | None = None, note: str = "") -> Row:
    return {"what": what, "value": value, "wanted": wanted, "reached": reached, "note": note}


def maps(seeds: Sequence[dict[str, Any]]) -> list[Row]:
    def skills(which: str) -> list[float]:
        return [s["map"][which]["skill"][0] for s in seeds if s["map"][which]["skill"] is not None]

    ours, true, fixed, bare = (skills(n) for n in ("map", "true", "ladder", "uncalibrated"))
    middle, share = median(ours), float(np.mean([x >= 0 for x in ours]))
    part = sum(ours) / sum(true) if sum(true) > 0 else None
    words = "" if part is not None else "the true positions, in total, gain nothing over the distance law"
    ratio = median(s["map"]["map"]["ratio"] for s in seeds)
    plain = median(s["map"]["uncalibrated"]["ratio"] for s in seeds)
    sure = float(np.mean([s["map"]["map"]["validated"] for s in seeds]))
    drift = max(run["drift"] for s in seeds for run in (s["map"], *s["policies"].values()))
    uneven = max(s["market"]["uneven"] for s in seeds)
    even = [median(s["map"][n]["gains"]["uniform"][0] for s in seeds) for n in ("map", "true")]
    return [
        row("map: median skill over the better of B0 and B1, nats/USD", middle, ">= 0.05", middle >= 0.05),
        row("map: seeds with skill >= 0", share, ">= 0.80", share >= 0.8),
        row("map: share of the true positions' gain, in total", part, ">= 0.50", part is not None and part >= 0.5,
            words),
        row("map: predicted / realised USD, median", ratio, "0.75 to 1.33", 0.75 <= ratio <= 1.33),
        row("true positions: median skill", median(true)),
        row("gain over B0 alone: map, median", even[0], "", None, f"true positions {even[1]:.3g}"),
        row("fixed ladder 10/25/50/100: median skill", median(fixed), "below the map", median(fixed) < middle),
        row("map without calibration: median skill", median(bare)),
        row("map without calibration: predicted / realised USD, median", plain),
        row("map: seeds whose 90 % interval lies above 0 (status validated)", sure),
        row("map: sides against open interest, largest relative error", drift, "<= 1e-9", drift <= 1e-9),
        row("market: longs against shorts, largest relative error", uneven, "<= 1e-9", uneven <= 1e-9),
    ]  # fmt: skip


def policies(seeds: Sequence[dict[str, Any]]) -> list[Row]:
    """Who leaves when contracts are closed: the default against the others, on the same markets."""
    asked = [s for s in seeds if s["policies"]]
    runs = {"age_hazard": [s["map"] for s in asked]} | {name: [s["policies"][name] for s in asked] for name in POLICIES}
    out: list[Row] = []
    for name, found in runs.items():
        skills = [r["map"]["skill"][0] for r in found if r["map"]["skill"] is not None]
        if skills:
            words = f"{len(skills)} markets, {sum(x >= 0 for x in skills)} with skill >= 0, predicted / realised "
            words += f"{median(r['map']['ratio'] for r in found):.2g}"
            out.append(row(f"map that removes by {name}: median skill", median(skills), "", None, words))
    return out


def variants(seeds: Sequence[dict[str, Any]]) -> list[Row]:
    out: list[Row] = []
    for which in VARIANTS:
        runs = [s["variant"] for s in seeds if s["variant"]["variant"] == which]
        if not runs:
            continue
        skill = median(r["map"]["skill"][0] for r in runs if r["map"]["skill"] is not None)
        ratios = [r["map"]["ratio"] for r in runs]
        wrong = nonsense(runs)
        words = f"{len(runs)} markets, median skill {skill:.3g}, predicted / realised {min(ratios):.2g} to "
        words += f"{max(ratios):.2g}, {sum(r['map']['validated'] for r in runs)} validated"
        out.append(row(f"misspecified, {which}: sure and wrong", float(wrong), "0", wrong == 0, words))
    return out


def labels(seeds: Sequence[dict[str, Any]]) -> list[Row]:
    out: list[Row] = []
    told = [s["labels"] for s in seeds]
    for label in LABELS:
        hit, missed, false = counted(told, label)
        f1 = 2 * hit / max(2 * hit + missed + false, 1)
        words = f"{hit} found, {missed} missed, {false} false"
        out.append(row(f"label {label}: F1", f1, ">= 0.90", f1 >= 0.9, words))
    hours, wrong = (sum(s["quiet"][k] for s in told) for k in ("hours", "labelled"))
    out.append(row("quiet hours with a label", wrong / hours, "<= 0.05", wrong / hours <= 0.05, f"{wrong} of {hours}"))
    for fault in FAULTS:
        n = {k: sum(s["faults"][fault][k] for s in seeds) for k in ("hours", "divergence", "deleveraging")}
        words = f"{n['divergence']} divergence, {n['deleveraging']} deleveraging in {n['hours']} hours"
        alerts = n["divergence"] + n["deleveraging"]
        out.append(row(f"{fault}: alerts", float(alerts), "0", alerts == 0, words))
    moved = [s["faults"]["price_only"] for s in seeds]
    more, hours = sum(m["forced"] for m in moved), sum(m["hours"] for m in moved)
    out.append(row("price moves that force closes: hours with more labels than calm", more / hours, "", None,
                   f"{more} of {hours}"))  # fmt: skip
    answers = [(venue, answer) for s in seeds for venue, answer in s["sides"].items()]
    wrongly = [a for v, a in answers if a == "two_sided" and v.endswith("(1)")]
    shown = [a == "two_sided" for v, a in answers if v.endswith("(2)")]
    part = float(np.mean(shown)) if shown else None
    out.append(row("sides: one-sided venues called two-sided", float(len(wrongly)), "0", not wrongly))
    out.append(row("sides: share of two-sided venues shown to be so", part, "1", part == 1.0))
    return out


def endings(seeds: Sequence[dict[str, Any]]) -> list[Row]:
    every = [e for s in seeds for e in s["endings"]]
    known = [e for e in every if e["opened"] is not None]
    right = [e for e in known if e["label"] == e["meant"]]
    share = len(right) / len(known) if known else None
    named = sum(e["label"] == e["ending"] for e in known) / len(known) if known else None
    parts = [f"{w} {sum(e['meant'] == w for e in right)}/{sum(e['meant'] == w for e in known)}" for w in ENDINGS]
    other = sum(e["meant"] != e["ending"] for e in known)
    words = f"{len(known)} of {len(every)} were opened; " + ", ".join(parts)
    reached = share is not None and share >= 0.9
    return [
        row("label of a resolution: share that is right", share, ">= 0.90", reached, words),
        row("the same, by what the script is called", named, "", None, f"{other} came out otherwise than called"),
    ]


def leads(seeds: Sequence[dict[str, Any]]) -> list[Row]:
    told = [s["leads"] for s in seeds]
    pairs = [p for t in told for p in t["pairs"]]
    clear = [p for p in pairs if p["resolvable"] and p["measured_s"] is not None]
    near = [abs(p["measured_s"] - p["true_s"]) <= p["cadence_s"] for p in clear]
    share = float(np.mean(near)) if near else None
    named = [t["named"] == t["leader"] for t in told if t["named"] is not None]
    words = f"{sum(near)} of {len(near)} pairs that sampling resolves"
    who = f"{sum(named)} of {len(named)} named; {len(told)} episodes"
    return [
        row("lag of a leader: within one cadence", share, "1", share is not None and share >= 0.95, words),
        row("leader named: the right one", float(np.mean(named)) if named else None, "", None, who),
    ]


def market(seeds: Sequence[dict[str, Any]]) -> list[Row]:
    least = min(s["market"]["kurtosis"] for s in seeds)
    lasting = min(s["market"]["lasting"] for s in seeds)
    falls = [f for s in seeds for f in s["market"]["falls"]]
    inside = float(np.mean([-0.30 <= f <= -0.10 for f in falls])) if falls else None
    words = f"{min(falls):.0%} to {max(falls):.0%}" if falls else ""
    return [
        row("market: kurtosis of minute returns, smallest", least, "> 5", least > 5),
        row("market: autocorrelation of |r| at 1 h, smallest", lasting, "> 0.1", lasting > 0.1),
        row("market: cascades that take 10 to 30 % of open interest", inside, "1", inside == 1.0, words),
    ]
