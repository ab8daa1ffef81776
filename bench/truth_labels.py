"""Labels on the market with known truth: what was scripted against what was said.

Every episode is a fork of the calm market, so that own history is not made of episodes: percentiles of a history of
which a tenth is scripted would call the scripted usual.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.truth_map import START_MS
from bench.truth_seen import DAYS, HOUR_MS, Seen, assessed
from simulator.truth import World
from simulator.truth_people import Place
from simulator.truth_script import Scripted

LABELS = ("venue_rotation", "conviction_speculative", "conviction_institutional", "concentrated_inflow")
MEANT = {"rotation": "venue_rotation"}  # the others are named alike
EVEN, MOST = 0.80, 0.60  # what the labels mean by "as much as" and "most of"
QUIET_HOURS = 80


def sized(places: Sequence[Place]) -> list[tuple[str, str, float]]:
    """(venue, class, share of the whole)."""
    whole = sum(p.coins for p in places)
    return [(p.venue, p.cls, p.coins / whole) for p in places]


def earned(script: Scripted, of: Sequence[Place]) -> set[str]:
    """Labels that the script's own flows have by what the labels mean, whatever the script is called.

    What leaves one class for venues of the other parts the classes too: there such a label is neither right nor wrong.
    """
    flow = {p.venue: p.coins * script.moves.get(p.venue, 0.0) for p in of}
    came, went = (sum(max(sign * f, 0.0) for f in flow.values()) for sign in (1.0, -1.0))
    classes = [sum(flow[p.venue] for p in of if p.cls == cls) for cls in ("speculative", "institutional")]
    found: set[str] = set()
    if came > 0 and 2 * min(came, went) / (came + went) >= EVEN:
        found.add("venue_rotation")
    if came > 0 and max(flow.values()) / came >= MOST:
        found.add("concentrated_inflow")
    if classes[0] * classes[1] < 0:
        found.add("conviction_speculative" if classes[0] > 0 else "conviction_institutional")
    return found


def flags(seen: Seen, now: int) -> dict[str, str]:
    """Labels of the sweep at `now` in any of its windows; grade D raises none. By label: what it rests on."""
    out: dict[str, str] = {}
    for window_s in DAYS:
        told = assessed(seen, now, window_s)
        if told.coverage.grade != "D":
            out |= {f: f"{window_s // 3600} h" for f in told.flags if f in LABELS}
    return out


def episode(base: Seen, world: World, script: Scripted) -> dict[str, Any]:
    """The hourly sweeps from the first full hour of an episode to its end: what they said, and in which hour first."""
    length = script.end - script.start + -(script.end - script.start) % 60
    fork = Seen(world.fork(script.start, length, [script]), base)
    said: dict[str, int] = {}
    for hour in range(1, length // 60 + 1):
        for label in flags(fork, START_MS + (script.start + 60 * hour) * 60_000):
            said.setdefault(label, hour)
    meant = MEANT.get(script.kind, script.kind)
    return {
        "kind": script.kind, "hours": length // 60, "meant": meant if meant in LABELS else None,
        "earned": sorted(earned(script, world.places)), "said": said,
    }  # fmt: skip


def quiet(base: Seen, seed: int, first: int) -> dict[str, Any]:
    """Hours of the calm market from hour `first` on: how many were labelled, and with what."""
    rng = np.random.default_rng([seed, 3])
    hours = rng.choice(np.arange(first, len(base.truth.mark) // 60), QUIET_HOURS, replace=False)
    found = [sorted(flags(base, START_MS + int(hour) * HOUR_MS)) for hour in np.sort(hours)]
    return {"hours": len(found), "labelled": sum(map(bool, found)), "labels": [x for f in found for x in f]}


def counted(seeds: Sequence[dict[str, Any]], label: str) -> tuple[int, int, int]:
    """(found, missed, false) over all episodes; quiet hours have a rate of their own."""
    hit = missed = false = 0
    for s in seeds:
        for e in s["episodes"]:
            if e["meant"] == label:
                hit, missed = hit + (label in e["said"]), missed + (label not in e["said"])
            elif label in e["said"] and label not in e["earned"]:
                false += 1
    return hit, missed, false
