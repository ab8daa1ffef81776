"""Who moves first, and what polling hides: worked out from raw readings by the hour, kept as events."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from analytics import crosscorr, leadlag
from analytics.leadlag import Ticks
from analytics.provenance import VERSION
from server.tools.house import House
from server.tools.paths import blindness, paths
from store.derived import append
from store.patience import Cursors

SPAN_MS = 6 * 3_600_000  # decisions 18
GROWTH_S = (3_600, 4 * 3_600)  # windows for which growth is held against growth; a day is longer than what is read
LARGEST = 6  # venues that are held against each other
LEADS, BLIND = "lead_lag", "blindness"


def measure(house: House, store: Cursors, assets: Sequence[str]) -> None:
    """One event of `lead_lag` an asset and one of `blindness` a venue, over the last six hours of readings."""
    now = house.now()
    for asset in assets:
        every = paths(house, asset, now - SPAN_MS, now)
        largest = dict(list(every.items())[:LARGEST])
        ticks = {v: Ticks(p.t, np.log(p.native), cadence(p.t), p.delay_s) for v, p in largest.items()}
        found = leadlag.lead(ticks, now - SPAN_MS, now, house.thresholds)
        told: dict[str, object] = {
            "leader": found.leader, "led": dict(found.led), "resolved": found.resolved, "venues": sorted(largest),
            "reasons": [[str(r.code), r.words] for r in found.reasons], "note": found.note, "version": VERSION,
            "pairs": [asdict(p) for p in found.pairs],
            "growth": [asdict(g) for w in GROWTH_S for g in crosscorr.lagged(ticks, now, w, house.thresholds)],
        }  # fmt: skip
        rows: list[tuple[object, ...]] = [(now, LEADS, asset, "", json.dumps(told), house.simulated, now)]
        for venue, seen in blindness(every).items():
            rows.append((now, BLIND, asset, venue, json.dumps({**seen, "version": VERSION}), house.simulated, now))
        append(store, "events", rows)


def cadence(t: np.ndarray) -> float:
    return float(np.median(np.diff(t))) / 1000.0
