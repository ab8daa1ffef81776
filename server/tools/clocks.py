"""How far the clocks of venues are from ours, and what of it needs saying (faults.md, F37)."""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

Row = Mapping[str, Any]

OFF_MS = 1000.0  # beyond which it is said
SEVERAL = 3  # venues that agree that the clock at fault is ours


def clocks(segments: Iterable[Row]) -> list[str]:
    """A warning a venue whose clock is off, of rows of `Reader.health` of whole segments.

    `skew_ms` is our clock less that of whoever answers for the venue over HTTP, good to 0.75 s. `lag_ms` is from
    the time that a stream states to its arrival: network, publication and clocks together, so that only one below zero
    proves anything, or one that is more than its cadence explains.
    """
    rows = list(segments)
    skews = {str(row["venue"]): float(row["skew_ms"]) for row in rows if row["skew_ms"] == row["skew_ms"]}
    off = {venue: skew for venue, skew in skews.items() if abs(skew) > OFF_MS}
    told: list[str] = []
    for sign, word in ((1, "ahead of"), (-1, "behind")):
        same = {venue: skew for venue, skew in off.items() if skew * sign > 0}
        if len(same) >= SEVERAL and 2 * len(same) > len(skews):
            by = abs(median(same.values())) / 1000
            told.append(f"clock: ours is {by:.1f} s {word} that of {len(same)} of {len(skews)} venues: set it right.")
        else:
            told += [
                f"clock: {venue} answers by a clock that ours is {abs(skew) / 1000:.1f} s {word}."
                for venue, skew in sorted(same.items())
            ]
    for row in rows:
        lag, of = row["lag_ms"], f"clock: {row['venue']} {row['segment']} streams times that are"
        cadence = 0.0 if row["cadence_s"] != row["cadence_s"] else float(row["cadence_s"] or 0.0)
        if lag < -OFF_MS:
            told.append(f"{of} {-lag / 1000:.1f} s ahead of ours when they arrive: one of the two clocks is wrong.")
        elif lag > OFF_MS * (1 + cadence):
            told.append(f"{of} {lag / 1000:.1f} s old when they arrive: late publication, a slow network, or a clock.")
    return told
