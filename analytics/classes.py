"""What a venue's behaviour says of the class it was given (analytics.md, 3.2): shown beside it, never instead."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.alignment import Floats
from analytics.conviction import INSTITUTIONAL, SPECULATIVE


@dataclass(frozen=True, slots=True)
class ClassEvidence:
    """One venue. Ranks are among the venues that state the same: 0 calmest, 1 hottest."""

    venue: str
    klass: str
    abs_funding_8h: float | None  # fraction, weighted by coins
    liquidated_share: float | None  # force-closed over open interest, in the window; of feeds that show all of it
    turnover: float | None  # traded coins over open ones, in the window
    max_leverage: float | None
    rank: float | None  # mean of the ranks of the parts
    parts: tuple[str, ...]  # of funding, liquidated, turnover, leverage: those that could be measured
    disagrees: bool


def evidence(
    latest: pd.DataFrame, recent: pd.DataFrame | None = None, full: Collection[str] = ()
) -> tuple[ClassEvidence, ...]:
    """Mean rank of |funding|, liquidated over open interest, turnover and the leverage allowed.

    `recent`: bars of the window; `full`: venues whose feed shows every forced close, since a throttled one would rank
    too calm beside them. Two parts at least must be measured for a venue to disagree: speculative with a rank
    below the middle, institutional above it. Empty in, empty out.
    """
    if not len(latest):
        return ()
    names = latest["venue"].to_numpy(str)
    venues = sorted(set(names.tolist()))
    base, usd = latest["base"].to_numpy(float), latest["usd"].to_numpy(float)
    hours = latest["funding_interval_h"].to_numpy(float)
    rate = np.abs(latest["funding"].to_numpy(float)) * 8.0
    f8 = np.divide(rate, hours, out=np.full(len(latest), np.nan), where=hours > 0)
    leverage = latest["max_leverage"].to_numpy(float) if "max_leverage" in latest else np.full(len(latest), np.nan)
    died = forced(recent, venues, full)
    traded = by_venue(recent, venues, "volume")
    found = np.full((len(venues), 4), np.nan)
    for k, venue in enumerate(venues):
        mine = (names == venue) & np.isfinite(base) & (base > 0)
        paid = mine & np.isfinite(f8)
        if paid.any():
            found[k, 0] = float((f8[paid] * base[paid]).sum() / base[paid].sum())
        if mine.any():
            found[k, 1] = died[k] / float(usd[mine].sum())
            found[k, 2] = traded[k] / float(base[mine].sum())
        told = mine & np.isfinite(leverage)
        found[k, 3] = leverage[told].max() if told.any() else np.nan
    ranks = np.column_stack([placed(found[:, p]) for p in range(found.shape[1])])
    classes = dict(zip(names.tolist(), latest["class"].astype(str).tolist(), strict=True))
    return tuple(one(v, classes[v], found[k], ranks[k]) for k, v in enumerate(venues))


PARTS = ("funding", "liquidated", "turnover", "leverage")


def one(venue: str, klass: str, values: Floats, ranks: Floats) -> ClassEvidence:
    said = np.isfinite(ranks)
    rank = float(ranks[said].mean()) if said.any() else None
    odd = False
    if rank is not None and int(said.sum()) >= 2:
        odd = (klass == SPECULATIVE and rank < 0.5) or (klass == INSTITUTIONAL and rank > 0.5)
    told = [float(v) if np.isfinite(v) else None for v in values]
    parts = tuple(name for name, ok in zip(PARTS, said.tolist(), strict=True) if ok)
    return ClassEvidence(venue, klass, told[0], told[1], told[2], told[3], rank, parts, odd)


def forced(bars: pd.DataFrame | None, venues: list[str], full: Collection[str]) -> Floats:
    """[V]: USD force-closed on both sides, of full feeds; one side without any is zero where the other had some."""
    sides = np.stack([by_venue(bars, venues, f"liquidated_{side}") for side in ("long", "short")])
    told = np.isfinite(sides).any(axis=0) & np.isin(venues, list(full))
    return np.where(told, np.nan_to_num(sides).sum(axis=0), np.nan)


def by_venue(bars: pd.DataFrame | None, venues: list[str], column: str) -> Floats:
    """[V]: a column of the bars added up; NaN where a venue says nothing of it."""
    out = np.full(len(venues), np.nan)
    if bars is None or not len(bars) or column not in bars:
        return out
    sums = bars.groupby(bars["venue"].astype(str))[column].sum(min_count=1)
    return sums.reindex(venues).to_numpy(float)


def placed(values: Floats) -> Floats:
    """Mid-rank of each among those that are known, 0 to 1; NaN where fewer than two are."""
    known = values[np.isfinite(values)]
    out = np.full(len(values), np.nan)
    if len(known) < 2:
        return out
    for k, x in enumerate(values):
        if np.isfinite(x):
            out[k] = ((known < x).sum() + (known <= x).sum() - 1) / 2 / (len(known) - 1)
    return out
