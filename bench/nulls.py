"""How often the rules speak when there is nothing to say: `python -m bench.nulls`. Writes bench/nulls.json.

Independent flows and random walks, by the very functions that the answers use. A stated level is a promise.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from analytics import rotation
from analytics.inflow import flip_p, persistent
from analytics.settings import DEFAULTS
from analytics.thresholds import centre_and_scale, rank

RESULT = Path(__file__).parent / "nulls.json"
SEED = 11
WINDOWS = 4000  # a row of flows
HISTORIES = 3000  # a row of z: each with its own 720 hours
HOURS = 720
PERCENTILE = 98.76


def run(windows: int = WINDOWS, histories: int = HISTORIES) -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    rows: list[dict[str, Any]] = []

    def row(rule: str, world: str, rate: float, n: int, stated: str, kept: bool | None) -> None:
        rows.append({"rule": rule, "world": world, "rate": rate, "n": n, "stated": stated, "kept": kept})

    for venues, told in ((5, 0.13), (10, 0.19), (20, 0.27)):
        found = [rotation.measured(f) for f in rng.normal(size=(windows, venues))]
        world = f"{venues} venues, independent normal flows"
        r = np.array([f.R for f in found], float)
        row("median of R", world, float(np.median(r)), windows, {5: "0.59", 10: "0.72", 20: "0.81"}[venues], None)
        high = float((r >= 0.9).mean())
        row("R >= 0.90 alone", world, high, windows, f"{told}", abs(high - told) < 0.03)
        p = np.array([f.p for f in found], float)
        level = float((p <= 0.05).mean())
        row("R >= 0.80 and sign-flip p <= 0.05", world, float(((r >= 0.8) & (p <= 0.05)).mean()), windows, "<= 0.05",
            level <= 0.05 + 2 * (0.05 * 0.95 / windows) ** 0.5)  # fmt: skip
    for venues in (5, 10, 20):
        n = windows // 4
        runs = [rotation.persistence(f) for f in rng.normal(size=(n, 6, venues))]
        level = float(np.mean([found is not None and found[0] < 1 and found[1] <= 0.05 for found in runs]))
        row("rotation over six windows, p <= 0.05", f"{venues} venues, independent normal flows", level, n, "<= 0.05",
            level <= 0.05 + 2 * (0.05 * 0.95 / n) ** 0.5)  # fmt: skip
    for venues in (5, 10, 20):
        for world, flows in (
            ("equal sizes", rng.normal(size=(windows, venues))),
            ("sizes 1/k, tails of Student 3", rng.standard_t(3, (windows, venues)) / np.arange(1, venues + 1)),
        ):
            bare, tested, far = inflow_rates(flows)
            named = f"{venues} venues, {world}"
            row("largest share of inflow >= 60 %, alone", named, bare, windows, "0.16 to 0.31", None)
            row("the same and sign-flip p <= 0.05", named, tested, windows, "<= 0.05", tested <= 0.06)
            row("the same and beyond the venue's own 98.76th percentile", named, far, windows, "<= 0.05", far <= 0.05)
    z_rows(rng, histories, row)
    for venues in (5, 10, 20):
        for world, flows in (
            ("equal sizes", rng.normal(size=(windows, venues))),
            ("sizes 1/k, tails of Student 3", rng.standard_t(3, (windows, venues)) / np.arange(1, venues + 1)),
        ):
            row("largest share of inflow >= 60 %, the same venue three times", f"{venues} venues, {world}",
                lasting_rate(flows), windows, "", None)  # fmt: skip
    return {"windows": windows, "histories": histories, "rows": rows}


def inflow_rates(flows: np.ndarray) -> tuple[float, float, float]:
    """Shares of windows: the rule alone, with the sign-flip, with the leader's own history (the other windows)."""
    came = np.maximum(flows, 0)
    sums = came.sum(axis=1)
    share = np.divide(came.max(axis=1), sums, out=np.zeros(len(flows)), where=sums > 0)
    hits = np.flatnonzero(share >= 0.60)
    sure = sum((p := flip_p(flows[k])) is not None and p <= 0.05 for k in hits)
    far = np.percentile(np.abs(flows - np.median(flows, axis=0)), PERCENTILE, axis=0)
    leader = came[hits].argmax(axis=1)
    unusual = int((flows[hits, leader] - np.median(flows, axis=0)[leader] > far[leader]).sum())
    return len(hits) / len(flows), sure / len(flows), unusual / len(flows)


def lasting_rate(flows: np.ndarray) -> float:
    """Share of windows that with the two before them make three of one leader."""
    came = np.maximum(flows, 0)
    sums, leader = came.sum(axis=1), came.argmax(axis=1)
    hits = 0
    for k in range(2, len(flows)):
        share = came[k, leader[k]] / sums[k] if sums[k] > 0 else 0.0
        hits += share >= 0.60 and persistent(flows[:k], int(leader[k]), flows.shape[1], DEFAULTS)
    return hits / (len(flows) - 2)


def z_rows(rng: np.random.Generator, n: int, row: Any) -> None:
    """|z| > 2.5 of levels and of changes, and the percentile that alerts, on random walks of ln Q."""
    for world, draw in (
        ("random walk, normal steps", lambda: rng.normal(size=HOURS + 1)),
        ("random walk, steps of Student 3", lambda: rng.standard_t(3, HOURS + 1)),
    ):
        hits = np.zeros(4)
        for _ in range(n):
            steps = draw()
            walk = np.cumsum(steps)
            past, now = walk[:-1], walk[-1]
            middle, scale = centre_and_scale(past)
            hits[0] += abs(now - past.mean()) > 2.5 * past.std(ddof=1)
            hits[1] += scale is not None and abs(now - middle) > 2.5 * scale
            middle, scale = centre_and_scale(steps[:-1])
            hits[2] += scale is not None and abs(steps[-1] - middle) > 2.5 * scale
            place = rank(np.abs(steps[:-1] - middle), abs(steps[-1] - middle))
            hits[3] += place is not None and place >= PERCENTILE
        heavy = "Student" in world
        told = (("0.053", "0.107", "0.013", "0.014") if not heavy else ("", "", "0.065", "0.014"))  # fmt: skip
        names = ("|z_level| > 2.5", "|z_level_rob| > 2.5", "|z_chg| > 2.5", "alert: percentile >= 98.76")
        for name, rate, stated in zip(names, hits / n, told, strict=True):
            kept = bool(rate <= 0.0124 + 3 * (0.0124 / n) ** 0.5) if name.startswith("alert") else None
            row(name, world, float(rate), n, stated, kept)


def main() -> None:
    found = run()
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    for r in found["rows"]:
        print(f"{r['rule']:45} {r['world']:45} {r['rate']:.4f} {r['stated']:25} {r['kept']}")


if __name__ == "__main__":
    main()
