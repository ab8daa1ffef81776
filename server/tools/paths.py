"""The paths that venues' open interest took, statement by statement: for who leads and for what polling hides."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.gross import polled
from server.tools.house import House

FEWEST = 30  # readings
Path = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


def paths(house: House, asset: str, start: int, end: int) -> dict[str, tuple[Path, float]]:
    """By venue, largest first: (times [ms], native) of its largest contract in [start, end), and USD a native unit."""
    rows = house.reader.readings(asset, start, end)
    rows = rows[rows["native"] > 0]
    if not len(rows):
        return {}
    last = rows.groupby("instrument_id", sort=False).agg(
        venue=("venue", "last"), usd=("usd", "last"), native=("native", "last"), n=("ts", "size")
    )
    last = last[last["n"] >= FEWEST].sort_values("usd", ascending=False).drop_duplicates("venue")
    ids, t = rows["instrument_id"].to_numpy(np.int64), rows["ts"].to_numpy(np.int64)
    native = rows["native"].to_numpy(float)
    out: dict[str, tuple[Path, float]] = {}
    for row in last.reset_index().to_dict("records"):
        mine = ids == int(row["instrument_id"])
        last_of = np.append(np.diff(t[mine]) > 0, True)  # of several at one instant the last
        out[str(row["venue"])] = ((t[mine][last_of], native[mine][last_of]), float(row["usd"] / row["native"]))
    return out


def blindness(found: Mapping[str, tuple[Path, float]]) -> dict[str, dict[str, Any]]:
    """By venue: gross change as polls of several periods would have seen it. Who did not move is left out."""
    out: dict[str, dict[str, Any]] = {}
    for venue, ((t, x), unit) in found.items():
        seen = polled(t, x)
        if seen is not None:
            out[venue] = {**asdict(seen), "gross_usd": seen.native * unit}
    return out
