"""The paths that venues' open interest took, statement by statement: for who leads and for what polling hides."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.gross import polled
from server.tools.house import House

FEWEST = 30  # readings


@dataclass(frozen=True, slots=True)
class Path:
    t: npt.NDArray[np.int64]  # ms UTC, ascending: the venue's own times where it states them
    native: npt.NDArray[np.float64]
    usd: float  # a native unit
    delay_s: float  # median from `t` to when we heard it; 0 where the venue states no time


def paths(house: House, asset: str, start: int, end: int) -> dict[str, Path]:
    """By venue, largest first: the path of its largest contract in [start, end)."""
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
    late = rows["seen"].to_numpy(np.int64) - t
    out: dict[str, Path] = {}
    for row in last.reset_index().to_dict("records"):
        mine = ids == int(row["instrument_id"])
        last_of = np.append(np.diff(t[mine]) > 0, True)  # of several at one instant the last
        delay_s = max(float(np.median(late[mine])) / 1000.0, 0.0)  # below zero: a clock of theirs ahead of ours
        out[str(row["venue"])] = Path(
            t[mine][last_of], native[mine][last_of], float(row["usd"] / row["native"]), delay_s
        )
    return out


def blindness(found: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """By venue: gross change as polls of several periods would have seen it. Who did not move is left out."""
    out: dict[str, dict[str, Any]] = {}
    for venue, path in found.items():
        seen = polled(path.t, path.native)
        if seen is not None:
            out[venue] = {**asdict(seen), "gross_usd": seen.native * path.usd}
    return out
