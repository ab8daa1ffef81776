"""What was known of every instrument at each moment of a grid, and how old it was (analytics.md, 1.4).

Previous tick only: never interpolated, never forward-looking. "Seen" is not "changed": age counts from the last time
the venue was heard.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analytics.conventions import broken_at, same_unit
from analytics.rows import cadences, cleaned, per_8h, rowwise_median
from analytics.settings import DEFAULTS, Settings

Floats = NDArray[np.float64]
DAY_MS = 86_400_000
DOWN = frozenset(
    {"down", "connecting", "refused", "blocked", "closed", "waiting", "limited", "dead"}
)  # health states without a transport


AHEAD_S = 60.0  # heard so long after the moment it is asked for: a clock has stepped


class State(IntEnum):
    FRESH = 0
    STALE = 1
    DEAD = 2
    ABSENT = 3  # never heard until then


@dataclass(frozen=True, slots=True)
class Contract:
    """One column of a panel."""

    id: int
    venue: str
    klass: str  # speculative | institutional | mixed
    payoff: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows are moments, columns instruments. NaN where nothing was known yet. Arrays are not to be written to."""

    t: NDArray[np.int64]  # ms UTC, ascending
    contracts: tuple[Contract, ...]
    native: Floats  # contracts, one-sided
    base: Floats  # coins, one-sided
    usd: Floats  # USD, one-sided, at the instrument's own mark of its last value
    mark: Floats  # USD a coin
    funding_8h: Floats  # fraction per 8 h
    age_s: Floats  # since last seen
    cadence_s: Floats  # what the age is held against
    state: NDArray[np.int8]  # State
    price: Floats  # [T] reference price: median of fresh marks, else its last value
    price_fresh: NDArray[np.bool_]  # [T]
    hole: NDArray[np.bool_]  # [T, I] an interruption that the gap table knows lies between this row and the next
    broken: NDArray[np.bool_]  # [T, I] so does a change of what the number counts; a hole as well

    @property
    def venues(self) -> tuple[str, ...]:
        return tuple(sorted({c.venue for c in self.contracts}))

    @property
    def payoffs(self) -> NDArray[np.str_]:
        return np.array([c.payoff for c in self.contracts], dtype=np.str_)

    def by_venue(self, values: Floats) -> Floats:
        """[..., I] summed into [..., V] in the order of `venues`; NaN counts as nothing."""
        names = self.venues
        where = np.array([names.index(c.venue) for c in self.contracts], dtype=int)
        onto = (where[:, None] == np.arange(len(names))[None, :]).astype(float)
        return np.nan_to_num(values, nan=0.0) @ onto


def grid(end: int, start: int, step_s: float) -> NDArray[np.int64]:
    """Moments from `start` to `end` (ms), counted back from `end`; both included where they fit."""
    step = round(step_s * 1000)
    return np.arange(end, start - 1, -step, dtype=np.int64)[::-1]


def states(
    age_s: Floats, cadence_s: Floats, settings: Settings = DEFAULTS, down: ArrayLike = False, floor_s: float = 0.0
) -> NDArray[np.int8]:
    """Fresh up to max(3 kappa, 10 s); dead beyond max(20 kappa, 300 s), or beyond 60 s without a transport. What comes
    from the future is stale.
    """
    fresh = (age_s >= -AHEAD_S) & (
        age_s <= np.maximum(settings.fresh_cadences * cadence_s, max(settings.fresh_floor_s, floor_s))
    )
    dead = age_s > np.maximum(settings.dead_cadences * cadence_s, settings.dead_floor_s)
    dead |= np.asarray(down) & (age_s > settings.down_dead_s)
    out = np.where(dead, State.DEAD, np.where(fresh, State.FRESH, State.STALE))
    return np.where(np.isnan(age_s), State.ABSENT, out).astype(np.int8)


def panel(bars: pd.DataFrame, moments: ArrayLike, *, settings: Settings = DEFAULTS, gaps: pd.DataFrame | None = None,
          cadence: Mapping[int, float] | None = None) -> Panel:  # fmt: skip
    """The state of the market at `moments` (ms UTC) from bars (store.reader.bars; `t` is the end of the bucket).

    `cadence` gives seconds between messages per instrument where it is known; otherwise it is read off the rows, per
    instrument and source. `gaps` (venue, symbol, start, end, reason) mark times without a transport, and changes
    of convention. `native` is in the unit of each instrument's last row. Empty in, empty out.
    """
    at = np.asarray(moments, dtype=np.int64)
    rows = cleaned(bars)
    ids, times = rows["instrument_id"].to_numpy(np.int64), rows["t"].to_numpy(np.int64)
    step = np.diff(ids)
    if not ((step > 0) | ((step == 0) & (np.diff(times) >= 0))).all():
        rows = rows.take(np.lexsort((times, ids)))
        ids, times = rows["instrument_id"].to_numpy(np.int64), rows["t"].to_numpy(np.int64)
    first = np.flatnonzero(np.append(np.ones(min(len(ids), 1), bool), np.diff(ids) != 0))
    ends = np.append(first, len(ids))[1:]
    where = np.full((len(at), len(first)), -1, dtype=np.int64)
    for i, (a, b) in enumerate(zip(first, ends, strict=True)):
        pos = np.searchsorted(times[a:b], at, side="right") - 1
        where[:, i] = np.where(pos >= 0, a + pos, -1)

    def taken(values: Floats) -> Floats:
        return np.where(where >= 0, np.append(values, np.nan)[where], np.nan)

    names = rows.take(first)
    contracts = named(names)
    kappa = taken(cadences(rows, first, cadence, settings))
    # inside the bucket after a bar nothing newer can be known: until its end the bar's own age stands
    spans = np.diff(times)
    spans = spans[(np.diff(ids) == 0) & (spans > 0)]
    width = int(spans.min()) if len(spans) else 0
    ended = taken(times.astype(float))
    until = np.where(at[:, None] < ended + width, ended, at[:, None])
    age = np.maximum((until - taken(rows["last_seen"].to_numpy(float))) / 1000.0, 0.0)
    state = states(age, kappa, settings, silent(gaps, contracts, at), settings.stored_floor_s)
    mark = taken(rows["mark"].to_numpy(float))
    price, price_fresh = reference(mark, state, contracts)
    base, usd = taken(rows["base"].to_numpy(float)), taken(rows["usd"].to_numpy(float))
    native, broken = same_unit(taken(rows["native"].to_numpy(float)), base, usd, contracts)
    broken |= broken_at(gaps, contracts, at)
    return Panel(
        at, contracts, native, base, usd, mark, taken(per_8h(rows)), age, kappa, state, price, price_fresh,
        holes(gaps, contracts, at, settings) | broken, broken,
    )  # fmt: skip


def snapshot(latest: pd.DataFrame, now: int, settings: Settings = DEFAULTS) -> Panel:
    """A panel of one row from store.reader.latest: the market as of `now`. Empty in, empty out."""
    rows = cleaned(latest.assign(t=now) if len(latest) else latest)
    rows = rows.take(np.argsort(rows["instrument_id"].to_numpy(np.int64), kind="stable"))
    told = rows["cadence_s"].to_numpy(float) if "cadence_s" in rows else np.full(len(rows), np.nan)
    kappa = np.where(told > 0, told, settings.default_cadence_s)[None, :]
    age = ((now - rows["last_seen"].to_numpy(float)) / 1000.0)[None, :]
    age = np.where(age < -AHEAD_S, age, np.maximum(age, 0.0))  # a little ahead is how clocks are
    down = rows["state"].isin(DOWN).to_numpy() if "state" in rows else False
    state = states(age, kappa, settings, down)
    mark = rows["mark"].to_numpy(float)[None, :]
    contracts = named(rows)
    price, price_fresh = reference(mark, state, contracts)
    return Panel(
        np.array([now], dtype=np.int64), contracts, rows["native"].to_numpy(float)[None, :],
        rows["base"].to_numpy(float)[None, :], rows["usd"].to_numpy(float)[None, :], mark, per_8h(rows)[None, :], age,
        kappa, state, price, price_fresh, np.zeros(state.shape, dtype=bool), np.zeros(state.shape, dtype=bool),
    )  # fmt: skip


def extended(before: Panel, after: Panel, gaps: pd.DataFrame | None = None, settings: Settings = DEFAULTS) -> Panel:
    """`after` below `before`. An instrument that `after` lacks is dead at its last value, older by the time between.

    `gaps` tell of interruptions and changes of convention between the two.
    """
    if not len(before.t) or not before.contracts:
        return after
    if not len(after.t):
        return before
    seen = {c.id: c for c in before.contracts} | {c.id: c for c in after.contracts}
    contracts = tuple(seen[k] for k in sorted(seen))
    column = {c.id: i for i, c in enumerate(contracts)}
    left = np.array([column[c.id] for c in before.contracts], dtype=int)
    right = np.array([column[c.id] for c in after.contracts], dtype=int)
    T0, T1 = len(before.t), len(after.t)

    def stacked(name: str) -> Floats:
        out = np.full((T0 + T1, len(contracts)), np.nan)
        out[:T0, left] = getattr(before, name)
        out[T0:] = out[T0 - 1]
        out[T0:, right] = getattr(after, name)
        return out

    tables = {n: stacked(n) for n in ("native", "base", "usd", "mark", "funding_8h", "age_s", "cadence_s")}
    state = np.full((T0 + T1, len(contracts)), State.ABSENT, dtype=np.int8)
    state[:T0, left] = before.state
    missing = np.setdiff1d(left, right)
    for k in range(T1):
        tables["age_s"][T0 + k, missing] += (after.t[k] - before.t[-1]) / 1000.0
        known = ~np.isnan(tables["native"][T0 + k, missing])
        state[T0 + k, missing] = np.where(known, State.DEAD, State.ABSENT)
    state[T0:, right] = after.state
    price, price_fresh = reference(tables["mark"], state, contracts)
    price[:T0] = before.price
    t = np.concatenate([before.t, after.t])
    tables["native"], broken = same_unit(tables["native"], tables["base"], tables["usd"], contracts)
    broken |= broken_at(gaps, contracts, t)
    hole = holes(gaps, contracts, t, settings)
    for said, old, new in ((hole, before.hole, after.hole), (broken, before.broken, after.broken)):
        said[: T0 - 1, left] |= old[:-1]
        said[T0:, right] |= new
    return Panel(
        t, contracts, state=state, price=price, price_fresh=price_fresh, hole=hole | broken, broken=broken, **tables
    )


def only(whole: Panel, keep: NDArray[np.bool_]) -> Panel:
    """The columns of `keep`; the reference price stays that of all venues."""
    cut = {f.name: getattr(whole, f.name) for f in fields(whole)}
    for name in ("native", "base", "usd", "mark", "funding_8h", "age_s", "cadence_s", "state", "hole", "broken"):
        cut[name] = cut[name][:, keep]
    cut["contracts"] = tuple(c for c, k in zip(whole.contracts, keep, strict=True) if k)
    return Panel(**cut)


def named(rows: pd.DataFrame) -> tuple[Contract, ...]:
    symbols = rows["symbol"] if "symbol" in rows else rows["instrument_id"].astype(str)
    columns = (rows["instrument_id"], rows["venue"], rows["class"], rows["payoff"], symbols)
    return tuple(Contract(int(i), str(v), str(c), str(p), str(s)) for i, v, c, p, s in zip(*columns, strict=True))


def silent(gaps: pd.DataFrame | None, contracts: tuple[Contract, ...], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[T, I]: whether the transport was down, from the gap table (an empty symbol means the whole segment)."""
    out = np.zeros((len(at), len(contracts)), dtype=bool)
    for mine, start, until in touching(gaps, contracts, at):
        out[np.searchsorted(at, start, side="left") : np.searchsorted(at, until, side="right"), mine] = True
    return out


def holes(
    gaps: pd.DataFrame | None, contracts: tuple[Contract, ...], at: NDArray[np.int64], settings: Settings
) -> NDArray[np.bool_]:
    """[T, I]: whether an interruption of more than `down_dead_s` touches the step from this row to the next.

    A grid of five minutes steps over a shorter outage: both its ends look fresh, and only the gap table knows.
    """
    out = np.zeros((len(at), len(contracts)), dtype=bool)
    for mine, start, until in touching(gaps, contracts, at):
        if until - start > settings.down_dead_s * 1000:
            first = max(0, int(np.searchsorted(at, start, side="right")) - 1)
            out[first : min(len(at) - 1, int(np.searchsorted(at, until, side="left"))), mine] = True
    return out


def touching(
    gaps: pd.DataFrame | None, contracts: tuple[Contract, ...], at: NDArray[np.int64]
) -> Iterator[tuple[list[int], float, float]]:
    """(columns, start, end [ms]; inf while it lasts) of each interruption between the first moment and the last."""
    if gaps is None or not len(gaps) or not len(at):
        return
    begun, ended = gaps["start"].to_numpy(float), gaps["end"].astype(float).fillna(np.inf).to_numpy(float)
    near = np.flatnonzero((begun <= float(at[-1])) & (ended >= float(at[0])))
    venues, symbols = gaps["venue"].to_numpy(object)[near], gaps["symbol"].to_numpy(object)[near]
    columns: dict[tuple[str, str], list[int]] = {}
    for i, c in enumerate(contracts):
        for symbol in ("", c.symbol):
            columns.setdefault((c.venue, symbol), []).append(i)
    for venue, symbol, start, end in zip(venues, symbols, begun[near], ended[near], strict=True):
        mine = columns.get((str(venue), str(symbol)))
        if mine:
            yield mine, float(start), float(end)


def reference(
    mark: Floats, state: NDArray[np.int8], contracts: tuple[Contract, ...]
) -> tuple[Floats, NDArray[np.bool_]]:
    """P* [T]: median of the venues' fresh marks, a venue's being the median of its contracts'; where none is fresh the
    last P*, else the median of what is known (1.6).
    """
    T = len(mark)
    if not mark.size:
        return np.full(T, np.nan), np.zeros(T, dtype=bool)
    price = rowwise_median(venue_marks(np.where(state == State.FRESH, mark, np.nan), contracts))
    fresh = ~np.isnan(price)
    price = pd.Series(price).ffill().to_numpy(np.float64, copy=True).astype(np.float64)
    none = np.isnan(price)
    if none.any():
        price[none] = rowwise_median(venue_marks(mark[none], contracts))
    return price, fresh


def venue_marks(mark: Floats, contracts: tuple[Contract, ...]) -> Floats:
    """[T, V]: the median mark of each venue's contracts [T, I]."""
    columns: dict[str, list[int]] = {}
    for i, c in enumerate(contracts):
        columns.setdefault(c.venue, []).append(i)
    if len(columns) == len(contracts):
        return mark
    return np.column_stack(
        [mark[:, mine[0]] if len(mine) == 1 else rowwise_median(mark[:, mine]) for mine in columns.values()]
    )
