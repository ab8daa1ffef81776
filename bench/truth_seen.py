"""What the analyses are shown of the market with known truth: rows as a store would have kept them."""

import numpy as np
import pandas as pd

from analytics import divergence
from analytics.divergence import Divergence
from bench.truth_map import START_MS, bars
from simulator.truth import Truth

HOUR_MS = 3_600_000
DAYS = {3600: 31, 14_400: 91}  # of history that a window [s] is held against
EXTRA = {
    "segment": "perp", "contract_size": 1.0, "unit": "base", "side_status": "documented", "cadence_s": 60.0,
    "source": "stream", "simulated": True, "flags": 0, "state": "live", "sides": 1,
}  # fmt: skip


class Seen:
    """The observables by minute, five minutes and hour; of a fork on top of the market it was forked from."""

    def __init__(self, truth: Truth, under: "Seen | None" = None) -> None:
        self.truth = truth
        self.under = under
        self.at = START_MS + truth.start * 60_000
        self.by_step = {step: self.dressed(bars(truth, step)) for step in (1, 5, 60)}

    @staticmethod
    def dressed(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(last_seen=frame["t"] - 500, source="stream").sort_values("t", kind="stable")

    def cut(self, step: int, since: int, until: int) -> pd.DataFrame:
        """Rows with since < t <= until [ms]."""
        frame = self.by_step[step]
        t = frame["t"].to_numpy()
        own = frame.iloc[np.searchsorted(t, since, side="right") : np.searchsorted(t, until, side="right")]
        if self.under is None or since >= self.at:
            return own
        return pd.concat([self.under.cut(step, since, min(until, self.at)), own], ignore_index=True)


def assessed(
    seen: Seen, now: int, window_s: int = 3600, recent: pd.DataFrame | None = None, gaps: pd.DataFrame | None = None
) -> Divergence:
    """What would be told at `now` [ms] of the window that ends there."""
    step = 1 if window_s <= 3600 else 5
    rows = seen.cut(step, now - window_s * 1000 - HOUR_MS, now) if recent is None else recent
    return divergence.assess(
        latest=latest(rows), recent=rows, now=now, window_s=window_s, gaps=gaps,
        history=seen.cut(60, now - DAYS[window_s] * 24 * HOUR_MS, now - window_s * 1000),
    )  # fmt: skip


def latest(rows: pd.DataFrame) -> pd.DataFrame:
    last = rows.groupby("instrument_id").tail(1)
    return last.assign(ts=last["t"], seen=last["last_seen"], raw=last["native"], index=last["mark"], **EXTRA)
