"""The day's closes as a panel, and what a close is (analytics.md, 1.8)."""

import numpy as np
import pandas as pd

from analytics import conventions
from analytics.alignment import DAY_MS, Panel, State, named, reference
from analytics.alignment import panel as align
from analytics.rows import cleaned
from analytics.settings import DEFAULTS, Settings

FIRST_DAY, LAST_DAY = np.iinfo(np.int64).min, np.iinfo(np.int64).max


def panel(closes: pd.DataFrame, *, start: int = FIRST_DAY, end: int = LAST_DAY, gaps: pd.DataFrame | None = None,
          settings: Settings = DEFAULTS) -> Panel:  # fmt: skip
    """One row a UTC day, `t` its end (ms), for days ending within [start, end]. Empty in, empty out.

    From store.reader.closes; the highest revision counts. `measured` closes are fresh; `carried` ones, and days an
    instrument has no close for, are dead at the last value (1.5). Days without any close stay in as all-dead rows.
    Of `gaps` only changes of convention count.
    """
    rows = closes
    if len(rows):
        # only the age at the end of the day counts; a missing one is told by the basis
        age = np.nan_to_num(rows["age_s"].to_numpy(float), nan=0.0)
        t = ends(rows)
        rows = rows.assign(t=t, last_seen=t - age * 1000.0)
        rows = rows.loc[(rows["t"] >= start) & (rows["t"] <= end)]
        if "revision" in rows:
            rows = rows.sort_values("revision", kind="stable")
        rows = rows.drop_duplicates(["instrument_id", "t"], keep="last")
    rows = cleaned(rows)
    if not len(rows):
        return align(rows, [], settings=settings)
    ids, first, column = np.unique(rows["instrument_id"].to_numpy(np.int64), return_index=True, return_inverse=True)
    t = rows["t"].to_numpy(np.int64)
    days = np.arange(t.min(), t.max() + 1, DAY_MS, dtype=np.int64)
    at = (t - days[0]) // DAY_MS

    def table(values: np.ndarray) -> np.ndarray:
        out = np.full((len(days), len(ids)), np.nan)
        out[at, column] = values
        return out

    measured = table((rows["basis"] == "measured").to_numpy(float)) == 1.0
    told = ~np.isnan(table(rows["native"].to_numpy(float)))
    held = {n: filled(table(rows[n].to_numpy(float))) for n in ("native", "base", "usd", "mark", "last_seen")}
    age = np.maximum((days[:, None] - held["last_seen"]) / 1000.0, 0.0)
    absent = np.isnan(held["native"])
    state = np.where(absent, State.ABSENT, np.where(measured & told, State.FRESH, State.DEAD)).astype(np.int8)
    contracts = named(rows.take(first))
    price, price_fresh = reference(held["mark"], state, contracts)
    cadence = np.where(absent, np.nan, spacing(held["last_seen"])[None, :])
    native, broken = conventions.same_unit(held["native"], held["base"], held["usd"], contracts)
    broken |= conventions.broken_at(gaps, contracts, days)
    return Panel(
        days, contracts, native, held["base"], held["usd"], held["mark"],
        np.full(age.shape, np.nan), age, cadence, state, price, price_fresh, broken, broken,
    )  # fmt: skip


def spliced(closes: pd.DataFrame, gaps: pd.DataFrame | None) -> pd.DataFrame:
    """Closes before a change of convention in the counting after it: before a maximum or percentile is taken (1.7)."""
    found = conventions.only(gaps)
    return closes if found is None or not len(closes) else conventions.spliced(closes.assign(t=ends(closes)), found)


def ends(closes: pd.DataFrame) -> np.ndarray:
    """The ends of their days, ms UTC. The reader gives ms of the beginnings; dates are understood too."""
    day = closes["day"]
    if not pd.api.types.is_integer_dtype(day):
        day = pd.to_datetime(day, utc=True).astype("datetime64[ms, UTC]").astype("int64")
    return day.to_numpy(np.int64) + DAY_MS


def spacing(last_seen: np.ndarray) -> np.ndarray:
    """[I] seconds between statements that the closes of each instrument rest on: a day, or what a slower feed takes."""
    out = np.full(last_seen.shape[1], DAY_MS / 1000.0)
    for i, column in enumerate(last_seen.T):
        told = np.unique(column[np.isfinite(column)])
        if len(told) > 1:
            out[i] = max(out[i], float(np.median(np.diff(told))) / 1000.0)
    return out


def filled(table: np.ndarray) -> np.ndarray:
    """Each column's last value carried down; NaN above the first."""
    return pd.DataFrame(table).ffill().to_numpy(float)
