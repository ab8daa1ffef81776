"""The reader's frames made safe: what is not a number goes, what a row says of its feed is worked out."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.settings import Settings

Floats = NDArray[np.float64]
LIVE_SOURCES = ("stream", "poll")
REPORT_S = 72_000.0  # a feed that states itself about once a day, or more seldom, is a report
LONE_S = 55.0  # covered seconds a reading, from which on each reading of a bar stands alone in its minute


def cleaned(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose open interest is a number: one bad instrument must not turn a sum into nothing (12, trap 4)."""
    if not len(rows):
        wanted = (
            "instrument_id",
            "venue",
            "class",
            "payoff",
            "symbol",
            "t",
            "native",
            "base",
            "usd",
            "mark",
            "last_seen",
        )
        return pd.DataFrame({name: pd.Series(dtype=object if name in wanted[1:5] else float) for name in wanted})
    sizes = rows[["native", "base", "usd"]].to_numpy(float)
    good = (np.isfinite(sizes) & (sizes >= 0)).all(axis=1) & np.isfinite(rows["last_seen"].to_numpy(float))
    kept = rows if good.all() else rows.loc[good]
    mark = kept["mark"].to_numpy(float)
    odd = ~(np.isfinite(mark) & (mark > 0))
    if odd.any():
        base, usd = kept["base"].to_numpy(float), kept["usd"].to_numpy(float)
        kept = kept.assign(
            mark=np.where(odd, np.divide(usd, base, out=np.full_like(usd, np.nan), where=base > 0), mark)
        )
    return kept


def per_8h(rows: pd.DataFrame) -> Floats:
    """Funding as a fraction per 8 h, NaN where the rate or its interval is not known."""
    if "funding" not in rows:
        return np.full(len(rows), np.nan)
    rate, hours = rows["funding"].to_numpy(float), rows["funding_interval_h"].to_numpy(float)
    stated = np.isfinite(rate) & np.isfinite(hours) & (hours > 0)
    return np.divide(rate * 8.0, hours, out=np.full(len(rows), np.nan), where=stated)


def cadences(
    rows: pd.DataFrame, first: NDArray[np.int64], told: Mapping[int, float] | None, settings: Settings
) -> Floats:
    """kappa of each row [s], per instrument and source (decisions 13). `told` counts for live sources only.

    `first`: where each instrument's rows begin, the rows being in order. The median gap between sightings; of a
    live feed also the seconds a reading of a bar stands for, whichever is shorter (a point of history stands for none).
    """
    out = np.full(len(rows), settings.default_cadence_s)
    if not len(rows):
        return out
    sources = pd.factorize(rows["source"]) if "source" in rows else (np.zeros(len(rows), int), ["stream"])
    ids, seen = rows["instrument_id"].to_numpy(np.int64), rows["last_seen"].to_numpy(float)
    count, width = np.zeros(len(rows)), 0.0
    if {"covered_s", "readings"} <= set(rows.columns):
        count, covered = rows["readings"].to_numpy(float), rows["covered_s"].to_numpy(float)
        spacing = np.divide(covered, count, out=np.full(len(rows), np.nan), where=(count > 0) & (covered > 0))
        # a feed slower than a minute is heard in few minutes of a bar, one reading in each: the bar's own length counts
        width = bar_s(rows)
        sparse = (spacing >= LONE_S) & (covered < width)
        spacing = np.where(sparse, width / np.maximum(count, 1.0), spacing)
    else:
        spacing = np.full(len(rows), np.nan)
    for a, b in pairwise(np.append(first, len(rows))):
        codes = sources[0][a:b]
        alike = bool((codes == codes[0]).all())  # nearly always: no row has to be picked
        for code in codes[:1] if alike else np.unique(codes):
            if code < 0:
                continue
            source, mine = sources[1][code], slice(None) if alike else codes == code
            known = told.get(int(ids[a])) if told and source in LIVE_SOURCES else None
            if known is None or not known > 0:
                gaps = np.diff(seen[a:b][mine]) / 1000.0
                dense = spacing[a:b][mine] if source in LIVE_SOURCES else np.empty(0)
                gaps, dense = gaps[gaps > 0], dense[np.isfinite(dense)]
                guesses = [float(np.median(x)) for x in (gaps, dense) if len(x)]
                if not guesses and width > 0 and np.nanmax(count[a:b][mine]) > 0:  # one bar of a source's points
                    guesses = [width / float(np.nanmax(count[a:b][mine]))]
                known = min(guesses) if guesses else settings.default_cadence_s
            out[a:b][mine] = known
    return out


def reports(latest: pd.DataFrame) -> dict[int, float]:
    """Seconds between statements of the instruments that are told by the day or the week, from store.reader.latest.

    Off the rows of a shorter time it cannot be read, and the bar of a lone statement looks like a feed by the minute.
    """
    if not len(latest) or "cadence_s" not in latest:
        return {}
    cadence = latest["cadence_s"].to_numpy(float)
    slow = cadence >= REPORT_S
    ids = latest["instrument_id"].to_numpy(np.int64)
    return {int(i): float(c) for i, c in zip(ids[slow], cadence[slow], strict=True)}


def bar_s(rows: pd.DataFrame) -> float:
    """Length of the bars [s]: the shortest step between two of one instrument; 0 where there are no two."""
    if "t" not in rows:
        return 0.0
    step = np.diff(rows["t"].to_numpy(np.int64))[np.diff(rows["instrument_id"].to_numpy(np.int64)) == 0]
    return float(step[step > 0].min()) / 1000.0 if (step > 0).any() else 0.0


def rowwise_median(values: Floats) -> Floats:
    """Median of each row without its NaN; NaN for a row that has nothing (numpy's would warn)."""
    ordered = np.sort(values, axis=1)  # NaN last
    n = (~np.isnan(values)).sum(axis=1)
    rows = np.arange(len(values))
    low, high = ordered[rows, np.maximum((n - 1) // 2, 0)], ordered[rows, np.minimum(n // 2, values.shape[1] - 1)]
    return np.where(n > 0, (low + high) / 2.0, np.nan)
