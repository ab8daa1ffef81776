"""Funding that was paid, where no reading carried a rate; and how much of an answer rests on it (analytics.md, 7.1).

A running rate is what the interval at hand will cost as far as it is known, a settled one what the interval before
cost. They are two things (faults.md, F33): a settled rate never takes the place of a running one, and is counted.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.alignment import Floats, Panel, State

HOUR_MS = 3_600_000
STANDS = 1.5  # intervals after which a payment counts no more: the next one is due after one, and may be told late


def filled(panel: Panel, paid: pd.DataFrame) -> tuple[Panel, NDArray[np.bool_]]:
    """The panel with what was paid last where it has no rate, and where that is so [T, I].

    `paid`: store.reader.fundings (instrument_id, ts [ms], rate [fraction an interval], interval_h). Never looks ahead:
    a payment counts from the moment it was made. Without payments the panel as it was.
    """
    rates, settled = panel.funding_8h.copy(), np.zeros(panel.funding_8h.shape, dtype=bool)
    if not len(paid):
        return panel, settled
    ids, ts = paid["instrument_id"].to_numpy(np.int64), paid["ts"].to_numpy(np.int64)
    rate, hours = paid["rate"].to_numpy(float), paid["interval_h"].to_numpy(float)
    order = np.lexsort((ts, ids))
    order = order[np.isfinite(rate[order]) & (hours[order] > 0)]
    ids, ts, rate, hours = ids[order], ts[order], rate[order], hours[order]
    for i, contract in enumerate(panel.contracts):
        unsaid = np.isnan(rates[:, i])
        first, end = (int(np.searchsorted(ids, contract.id, side=side)) for side in ("left", "right"))
        if first == end or not unsaid.any():
            continue
        last = first + np.searchsorted(ts[first:end], panel.t, side="right") - 1
        at = np.maximum(last, first)
        stands = unsaid & (last >= first) & (panel.t - ts[at] <= STANDS * hours[at] * HOUR_MS)
        rates[stands, i] = (rate[at] * 8.0 / hours[at])[stands]
        settled[:, i] = stands
    return replace(panel, funding_8h=rates), settled


def weights(panel: Panel) -> Floats:
    """[T, I]: coins whose rate counts (see `levels.funding`)."""
    counts = np.isfinite(panel.funding_8h) & (panel.state < State.DEAD)
    return np.where(counts, np.nan_to_num(panel.base), 0.0)


def shares(panel: Panel, settled: NDArray[np.bool_]) -> Floats:
    """[T]: the part of the coins behind a rate whose rate is a settled one; NaN where none has a rate."""
    weight = weights(panel)
    whole = weight.sum(axis=1)
    part = np.where(settled, weight, 0.0).sum(axis=1)
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
