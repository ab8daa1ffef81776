"""Who moves first, and what polling hides: worked out from raw readings by the hour, kept as events."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from analytics import leadlag
from analytics.gross import polled
from analytics.leadlag import Ticks
from analytics.provenance import VERSION
from server.tools.house import House
from store.derived import append
from store.reader import Cursors

SPAN_MS = 6 * 3_600_000  # decisions 18
LARGEST = 6  # venues
FEWEST = 30  # readings
LEADS, BLIND = "lead_lag", "blindness"


def measure(house: House, store: Cursors, assets: Sequence[str]) -> None:
    """One event of `lead_lag` an asset and one of `blindness` a venue, over the last six hours of readings."""
    now = house.now()
    for asset in assets:
        paths = largest(house, asset, now)
        ticks = {venue: Ticks(t, np.log(x), cadence(t)) for venue, (t, x) in paths.items()}
        found = leadlag.lead(ticks, now - SPAN_MS, now, house.thresholds)
        told: dict[str, object] = {
            "leader": found.leader, "led": dict(found.led), "resolved": found.resolved, "venues": sorted(paths),
            "reasons": [[str(r.code), r.words] for r in found.reasons], "version": VERSION,
            "pairs": [asdict(p) for p in found.pairs],
        }  # fmt: skip
        rows: list[tuple[object, ...]] = [(now, LEADS, asset, "", json.dumps(told), house.simulated, now)]
        for venue, (t, x) in paths.items():
            seen = polled(t, x)
            if seen is not None:
                detail = json.dumps({**asdict(seen), "version": VERSION})
                rows.append((now, BLIND, asset, venue, detail, house.simulated, now))
        append(store, "events", rows)


def largest(house: House, asset: str, now: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(times [ms], native) of the largest contract of each of the largest venues."""
    rows = house.reader.readings(asset, now - SPAN_MS, now)
    rows = rows[rows["native"] > 0]
    if not len(rows):
        return {}
    last = rows.groupby("instrument_id", sort=False).agg(venue=("venue", "last"), usd=("usd", "last"), n=("ts", "size"))
    last = last[last["n"] >= FEWEST].sort_values("usd", ascending=False).drop_duplicates("venue").head(LARGEST)
    ids, t = rows["instrument_id"].to_numpy(np.int64), rows["ts"].to_numpy(np.int64)
    native = rows["native"].to_numpy(float)
    out: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for instrument, venue in zip(last.index, last["venue"], strict=True):
        mine = ids == instrument
        last_of = np.append(np.diff(t[mine]) > 0, True)  # of several at one instant the last
        out[str(venue)] = (t[mine][last_of], native[mine][last_of])
    return out


def cadence(t: np.ndarray) -> float:
    return float(np.median(np.diff(t))) / 1000.0
