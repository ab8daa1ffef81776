"""The last day and a half of minute bars, as they were read, until more are built: most answers begin with them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from time import time

import duckdb
import numpy as np
import pandas as pd

from store import barred
from store.barred import Array

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
KEPT_MS = 36 * HOUR_MS  # a day, and the hours before it in which a silent venue may have spoken last
AGE_MS = 96 * HOUR_MS  # where the newest bar is older, nothing is kept
IDLE_MS = 20 * MINUTE_MS  # for how long after it was asked for an asset is read anew by the clock
MOST = 4  # assets: about 10 MB each
COLUMNS = (
    "instrument_id", "venue", "class", "payoff", "symbol", "t", "native", "base", "usd", "mark", "opened", "closed",
    "readings", "funding", "funding_interval_h", "covered_s", "last_seen", "source",
)  # fmt: skip
"""What the analyses of a window look at."""

Ask = Callable[[Callable[[duckdb.DuckDBPyConnection], "Kept"]], "Kept"]


@dataclass(slots=True)
class Kept:
    """One asset's minutes in [start, end), ms UTC, and what was made of them."""

    built: object  # what the store had built when they were read
    names: pd.DataFrame
    start: int
    end: int
    rows: dict[str, Array]
    asked: float  # when last, s
    frames: dict[int, pd.DataFrame] = field(default_factory=dict[int, pd.DataFrame])  # by step [ms]

    def whole(self, step_ms: int) -> pd.DataFrame:
        """All of them as bars of one step."""
        found = self.frames.get(step_ms)
        if found is None:
            ends = {**self.rows, "t": (self.rows["t"] // step_ms + 1) * step_ms}
            found = self.frames[step_ms] = barred.named(barred.stepped(ends), self.names, COLUMNS)
        return found


class Recent:
    """Owns what was read last of each asset. It holds for as long as nothing was built and no listing changed."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}

    def bars(
        self,
        ask: Ask,
        built: object,
        asset: str,
        names: pd.DataFrame,
        start: int,
        end: int,
        step_ms: int,
        columns: Collection[str] | None,
    ) -> pd.DataFrame | None:
        """`Reader.bars` as of now, or None where the store itself must be asked. `built` as it was before the call."""
        if columns is None or not set(columns) <= set(COLUMNS):
            return None
        if end - start > KEPT_MS or HOUR_MS % step_ms or step_ms == HOUR_MS or start % step_ms or end % step_ms:
            return None
        kept = self._kept.get(asset)
        if kept is None or kept.built is not built or not kept.names.equals(names):
            kept = self.read(ask, built, asset, names)
        kept.asked = time()
        if start < kept.start or end > kept.end:
            return None
        whole = kept.whole(step_ms)
        t = whole["t"].to_numpy()
        inside = np.flatnonzero((t > start) & (t <= end))
        wanted = whole if len(columns) == len(COLUMNS) else whole[[name for name in COLUMNS if name in columns]]
        return wanted.take(inside).reset_index(drop=True)

    def read(self, ask: Ask, built: object, asset: str, names: pd.DataFrame) -> Kept:
        """Read an asset's minutes anew and keep them."""
        now, before = round(time() * 1000), self._kept.get(asset)
        asked = now / 1000 if before is None else before.asked

        def minutes(con: duckdb.DuckDBPyConnection) -> Kept:
            rows, end = barred.finished(con, names, now - AGE_MS, now + MINUTE_MS, KEPT_MS, COLUMNS)
            return Kept(built, names, end - KEPT_MS if len(rows["t"]) else end, end, rows, asked)

        kept = ask(minutes)
        for step_ms in () if before is None else tuple(before.frames):
            kept.whole(step_ms)
        if asset not in self._kept and len(self._kept) >= MOST:
            self._kept.pop(min(self._kept, key=lambda a: self._kept[a].asked), None)
        self._kept[asset] = kept
        return kept

    def lately(self) -> list[str]:
        """The assets that were asked for within the last minutes; others are given up."""
        since = time() - IDLE_MS / 1000
        self._kept = {asset: kept for asset, kept in self._kept.items() if kept.asked >= since}
        return list(self._kept)
