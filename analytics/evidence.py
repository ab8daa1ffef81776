"""What stored bars say of the venues' truth, held against traded volume and each other (analytics.md, 1.2, 1.3).

Frames are those of `store.reader`: bars of a minute, and the latest reading of each instrument. Changes are of
contracts, valued in coins at the mean of both ends, so that a moving price is never a change (1.6).
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.integrity import ImpliedPrice, SideTest, duplicates, implied_price, side_test, violation_share
from analytics.settings import DEFAULTS, Settings

Floats = NDArray[np.float64]
MINUTE_MS = 60_000
FEASIBLE_MINUTES = 5  # 1.3: windows of at least five minutes
MIN_JUDGED = 12  # an hour of windows, before a share of them means something
PEERS = 3  # prices, before their median is one
SNAPSHOTS = 3
SIDE_RULES = "2"  # version of the side test: what was counted otherwise is not taken together
SIDE_MINUTES = 5  # 1.2: the longest window of the side test
EXACT_MS = 3_000  # of a minute that may follow a statement unseen: within the 5 % that the side test leaves
COLUMNS = (
    "instrument_id", "venue", "symbol", "t", "native", "base", "volume", "last_seen",
)  # fmt: skip  # of the bars that are read here


@dataclass(frozen=True, slots=True)
class Course:
    """One instrument by the minute, without holes: NaN where nothing was said."""

    first: int  # end of the first minute, ms UTC
    native: Floats  # contracts, one-sided
    coin: Floats  # coins a contract
    volume: Floats  # coins traded in the minute
    unseen: Floats  # ms from the last statement of the minute to its end


@dataclass(frozen=True, slots=True)
class Feasible:
    """How many changes of one instrument its traded volume can explain."""

    instrument_id: int
    venue: str
    symbol: str
    windows: int
    feasible: int
    worst: float  # largest part of a change that trading cannot explain, fraction of 1


@dataclass(frozen=True, slots=True)
class Plausible:
    """A venue's plausibility pi: the share of feasible windows."""

    venue: str
    windows: int
    share: float | None  # None below an hour of windows
    worst: float


@dataclass(frozen=True, slots=True)
class Sided:
    """The measured side test of one instrument's field."""

    instrument_id: int
    venue: str
    symbol: str
    minutes: int  # of each window
    sides: int  # as the registry has it
    test: SideTest

    @property
    def contradicts(self) -> bool:
        """Evidence for two sides where the registry counts one. The reverse cannot be shown."""
        return self.test.answer == "two_sided" and self.sides == 1


def courses(bars: pd.DataFrame) -> Iterator[tuple[int, str, str, Course]]:
    """(instrument_id, venue, symbol, course) of every instrument that has volume, from bars of a minute."""
    if not len(bars):
        return
    for key, rows in bars.groupby("instrument_id", sort=True):
        at = rows["t"].to_numpy(np.int64) // MINUTE_MS
        if rows["volume"].isna().all():
            continue
        n = int(at.max() - at.min()) + 1
        native, coin, volume, unseen = (np.full(n, np.nan) for _ in range(4))
        where = at - at.min()
        native[where] = rows["native"].to_numpy(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            coin[where] = rows["base"].to_numpy(float) / rows["native"].to_numpy(float)
        volume[where] = rows["volume"].to_numpy(float)
        unseen[where] = rows["t"].to_numpy(float) - rows["last_seen"].to_numpy(float)
        course = Course(int(at.min()) * MINUTE_MS, native, coin, volume, unseen)
        yield whole(key), str(rows["venue"].iloc[0]), str(rows["symbol"].iloc[0]), course


def whole(key: Hashable) -> int:
    return int(key)  # type: ignore[call-overload]  # a group's key is its column's value


def latest(course: Course, held: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(minute of the last value, -1 before any; whether it still stands) for each minute. One stands for `held`."""
    at = np.arange(len(course.native))
    last = np.maximum.accumulate(np.where(np.isnan(course.native), -1, at))
    return last, (last >= 0) & (at - last <= held)


def windows(course: Course, minutes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(first, last) minute of each disjoint window of so many minutes, on the full multiples of UTC."""
    ends = np.flatnonzero((course.first // MINUTE_MS + np.arange(len(course.native))) % minutes == 0)
    return ends[:-1], ends[1:]


def changes(course: Course, minutes: int, slack: int = 0, held: int = 1) -> tuple[Floats, Floats]:
    """(change, traded volume), coins, over disjoint windows of so many minutes on the full multiples of UTC.

    `slack` minutes of trading are added at each side. A value stands for `held` minutes; a window without a value at
    either end, or with a minute whose volume is unknown, is left out.
    """
    n = len(course.native)
    last, known = latest(course, held)
    a, b = windows(course, minutes)
    fits = (a - slack + 1 >= 0) & (b + slack < n)
    a, b = a[fits], b[fits]
    return between(course, last, (a, b), (a - slack + 1, b + slack + 1), known[a] & known[b])


def stated_changes(course: Course, minutes: int, cadence_s: float, held: int) -> tuple[Floats, Floats]:
    """(change, traded volume), coins, over the windows of `changes`, each from statement to statement.

    A value that repeats itself may have been stated, or kept by the venue, since it first appeared: all that was traded
    from then on can explain the change. Of the minute in which it appeared nothing counts where the feed speaks by the
    minute at most and spoke at its end; else all of it does.
    """
    n = len(course.native)
    last, known = latest(course, held)
    value = np.where(last >= 0, course.native[np.maximum(last, 0)], np.nan)
    new = np.append(True, value[1:] != value[:-1]) | np.append(True, np.diff(last) > held)
    begun = np.maximum.accumulate(np.where(new, np.arange(n), 0))
    exact = (course.unseen >= 0) & (course.unseen <= EXACT_MS) & (cadence_s >= 60)
    a, b = windows(course, minutes)
    traded = (begun[a] + exact[begun[a]], begun[b] + 1)
    return between(course, last, (a, b), traded, known[a] & known[b])


def between(
    course: Course, last: NDArray[np.int64], ends: tuple[NDArray[np.int64], NDArray[np.int64]],
    traded: tuple[NDArray[np.int64], NDArray[np.int64]], good: NDArray[np.bool_],
) -> tuple[Floats, Floats]:  # fmt: skip
    """Changes between `ends` and what was traded in [low, high), where that is known of every minute."""
    silent = np.concatenate([[0], np.cumsum(np.isnan(course.volume))])
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(course.volume))])
    good = good & (silent[traded[1]] == silent[traded[0]])
    a, b, low, high = ends[0][good], ends[1][good], traded[0][good], traded[1][good]
    value = (course.coin[last[a]] + course.coin[last[b]]) / 2
    change = (course.native[last[b]] - course.native[last[a]]) * value
    return change, np.maximum(sums[high] - sums[low], 0.0)


def feasibility(
    bars: pd.DataFrame,
    *,
    cadence_s: Mapping[int, float] | None = None,
    lots: Mapping[int, float] | None = None,
    settings: Settings = DEFAULTS,
) -> tuple[Feasible, ...]:
    """Check 2 on windows of five minutes, with one cadence of trading more at each side.

    `cadence_s`: seconds between statements, by instrument; a minute where it is not said. `lots`: coins.
    """
    found: list[Feasible] = []
    for key, venue, symbol, course in courses(bars):
        slack = lag(key, cadence_s, settings)
        change, volume = changes(course, FEASIBLE_MINUTES, slack, slack)
        lot = (lots or {}).get(key, 0.0)
        fits = np.abs(change) <= volume * (1.0 + settings.feasibility_slack) + lot + 1e-9 * np.abs(volume)
        worst = max((violation_share(c, v + lot) for c, v in zip(change[~fits], volume[~fits], strict=True)), default=0)
        found.append(Feasible(key, venue, symbol, len(change), int(fits.sum()), float(worst)))
    return tuple(found)


def plausibility(found: tuple[Feasible, ...]) -> tuple[Plausible, ...]:
    """By venue. A venue without any window is missing: `not_measured`, which is not implausible."""
    told: list[Plausible] = []
    for venue in sorted({f.venue for f in found if f.windows}):
        mine = [f for f in found if f.venue == venue]
        n = sum(f.windows for f in mine)
        share = sum(f.feasible for f in mine) / n if n >= MIN_JUDGED else None
        told.append(Plausible(venue, n, share, max(f.worst for f in mine)))
    return tuple(told)


def lag(instrument: int, cadence_s: Mapping[int, float] | None, settings: Settings) -> int:
    """One cadence in whole minutes, at least one."""
    said = (cadence_s or {}).get(instrument, settings.default_cadence_s)
    return max(1, ceil((said if said == said else settings.default_cadence_s) / 60))


def side_tests(
    bars: pd.DataFrame,
    sides: Mapping[int, int],
    *,
    cadence_s: Mapping[int, float] | None = None,
    settings: Settings = DEFAULTS,
) -> tuple[Sided, ...]:
    """1.2, for every instrument whose field's `sides` are known: windows of three cadences, five minutes at most; and
    of five where a feed speaks more often than by the minute, since the minute of its first value counts whole.
    """
    found: list[Sided] = []
    for key, venue, symbol, course in courses(bars):
        if key not in sides:
            continue
        said = (cadence_s or {}).get(key, settings.default_cadence_s)
        said = said if said == said else settings.default_cadence_s
        minutes = SIDE_MINUTES if said < 60 else min(SIDE_MINUTES, ceil(said / 20))
        change, volume = stated_changes(course, minutes, said, lag(key, cadence_s, settings))
        found.append(Sided(key, venue, symbol, minutes, sides[key], side_test(change * sides[key], volume)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Same:
    """Two instruments of different venues that say the same to ten digits, again and again: one source."""

    venues: tuple[str, str]
    symbols: tuple[str, str]


def same_source(bars: pd.DataFrame) -> tuple[Same, ...]:
    """Check 5 over the last three bars of each instrument of one asset. What did not move may agree by chance."""
    said: dict[str, list[float]] = {}
    of: dict[str, tuple[str, str]] = {}
    if not len(bars):
        return ()
    moments = np.sort(bars["t"].unique())[-SNAPSHOTS:]
    for key, rows in bars.sort_values("t").groupby("instrument_id", sort=True):
        rows = rows[rows["t"].isin(moments) & rows["native"].notna()]
        values = [float(v) for v in rows["native"]]
        if len(values) == SNAPSHOTS and len(set(values)) == SNAPSHOTS:
            said[str(key)] = values
            of[str(key)] = (str(rows["venue"].iloc[0]), str(rows["symbol"].iloc[0]))
    pairs = [(of[a], of[b]) for a, b in duplicates(said, SNAPSHOTS)]
    return tuple(Same((a[0], b[0]), (a[1], b[1])) for a, b in pairs if a[0] != b[0])


@dataclass(frozen=True, slots=True)
class OffPrice:
    """An instrument whose dollars over coins are not what the coin costs elsewhere."""

    instrument_id: int
    venue: str
    symbol: str
    peers: float  # USD a coin, median of the other venues
    found: ImpliedPrice


def off_price(latest: pd.DataFrame, settings: Settings = DEFAULTS) -> tuple[OffPrice, ...]:
    """Check 1 for the latest reading of each instrument of one asset: against the median price of the other venues."""
    found: list[OffPrice] = []
    if not len(latest):
        return ()
    venues, marks = latest["venue"].to_numpy(object), latest["mark"].to_numpy(float)
    by_venue = pd.Series(marks).groupby(venues.astype(str)).median()
    for row in latest.to_dict("records"):
        others = by_venue.drop(str(row["venue"])).dropna()
        if len(others) < PEERS:
            continue
        price = float(others.median())
        implied = implied_price(float(row["usd"]), float(row["base"]), price, settings)
        if implied is not None and not implied.passes:
            found.append(OffPrice(int(row["instrument_id"]), str(row["venue"]), str(row["symbol"]), price, implied))
    return tuple(found)
