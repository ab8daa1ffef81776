"""How good a map was: what it said before a day against what that day liquidated (analytics.md, 6.8).

Only bins that the mark swept can liquidate, so a map is judged on those alone, and only by how it spreads what died
over them: information gain in nats a liquidated USD. Marking the neighbourhood of price earns nothing here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from analytics.liquidation.prior import Floats

MIXED_IN = 0.05  # of the baseline, so that a bin the map calls empty costs a finite price
LADDER = (10.0, 25.0, 50.0, 100.0)  # the usual fixed rungs: B2
BLOCKS = 2000  # bootstrap samples of whole days
TOP = 0.10
DEADBAND = 0.25  # width of a bucket of the distance law, in ln of daily sigmas
BUCKETS = 24
FIRST_BUCKET = -4.0  # ln(0.018 sigma)
SEED = 20_250_203


@dataclass(frozen=True, slots=True)
class Swept:
    """One side of one day, the bins that the mark went through. Arrays share one length; USD."""

    day: int
    side: int  # 0 long, 1 short
    realised: Floats
    mapped: Floats
    baselines: Mapping[str, Floats]  # "uniform", "distance", "ladder": any unit, only their shape counts


@dataclass(frozen=True, slots=True)
class Gain:
    """Information gain of a map over one baseline, nats a liquidated USD."""

    baseline: str
    gain: float
    low: float  # 90 % interval, whole days redrawn
    high: float


@dataclass(frozen=True, slots=True)
class Decile:
    predicted_usd: float
    realised_usd: float
    bins: int


@dataclass(frozen=True, slots=True)
class Score:
    """`skill` is the gain over the better of B0 and B1: the one that leaves less."""

    days: int
    events_usd: float
    predicted_usd: float
    gains: tuple[Gain, ...]
    skill: Gain | None  # None: nothing was liquidated, or no feed shows amounts
    slope: float | None  # of ln(realised) on ln(predicted) over sides and days
    intercept: float | None
    ratio: float | None  # predicted / realised
    deciles: tuple[Decile, ...]
    spearman: float | None
    precision: float | None  # share of realised USD that died in the map's top 10 % of a side's swept bins
    lift: float | None  # that over the share in B1's

    @property
    def validated(self) -> bool:
        return self.skill is not None and self.skill.low > 0


def information_gain(realised: Floats, mapped: Floats, baseline: Floats, mixed_in: float = MIXED_IN) -> float:
    """sum y ln(m/q) / sum y with m and q normalised, m mixed with `mixed_in` of q. 0 where nothing was realised."""
    total = float(realised.sum())
    if total <= 0:
        return 0.0
    return _nats(realised, mapped, baseline, mixed_in) / total


def _nats(realised: Floats, mapped: Floats, baseline: Floats, mixed_in: float) -> float:
    q = _shape(baseline)
    m = (1 - mixed_in) * _shape(mapped, q) + mixed_in * q
    some = realised > 0
    return float((realised[some] * np.log(m[some] / q[some])).sum())


def _shape(values: Floats, otherwise: Floats | None = None) -> Floats:
    """Sums to 1. A baseline never says "impossible": it has a floor of a thousandth of its mean."""
    total = float(values.sum())
    if otherwise is None:
        if total <= 0:
            return np.full(len(values), 1 / len(values))
        floored = np.maximum(values, 1e-3 * total / len(values))
        return floored / floored.sum()
    return values / total if total > 0 else otherwise


def gains(swept: Sequence[Swept], name: str, mixed_in: float = MIXED_IN) -> Gain | None:
    """Pooled over days and sides, with the interval of redrawing whole days. None where nothing was realised."""
    days = sorted({s.day for s in swept})
    place = {day: k for k, day in enumerate(days)}
    nats, usd = np.zeros(len(days)), np.zeros(len(days))
    for s in swept:
        nats[place[s.day]] += _nats(s.realised, s.mapped, s.baselines[name], mixed_in)
        usd[place[s.day]] += float(s.realised.sum())
    if usd.sum() <= 0:
        return None
    drawn = np.random.default_rng(SEED).integers(len(days), size=(BLOCKS, len(days)))
    below = usd[drawn].sum(axis=1)
    again = np.divide(nats[drawn].sum(axis=1), below, out=np.zeros(BLOCKS), where=below > 0)
    low, high = np.quantile(again, (0.05, 0.95))
    return Gain(name, float(nats.sum() / usd.sum()), float(low), float(high))


def score(swept: Iterable[Swept]) -> Score:
    """Everything that section 6.8 asks of some days. No days give a score that says nothing."""
    rows = [s for s in swept if len(s.realised)]
    names = dict.fromkeys(name for s in rows for name in s.baselines)  # a day may lack B2: it has no skill of its own
    told = (gains([s for s in rows if name in s.baselines], name) for name in names)
    found = tuple(g for g in told if g is not None)
    rivals = [g for g in found if g.baseline in ("uniform", "distance")]
    realised = float(sum(s.realised.sum() for s in rows))
    predicted = float(sum(s.mapped.sum() for s in rows))
    slope, intercept = _line(rows)
    precision, lift = _top(rows)
    return Score(
        days=len({s.day for s in rows}),
        events_usd=realised,
        predicted_usd=predicted,
        gains=found,
        skill=min(rivals, key=lambda g: g.gain) if rivals else None,
        slope=slope,
        intercept=intercept,
        ratio=predicted / realised if realised > 0 else None,
        deciles=_deciles(rows),
        spearman=_spearman(rows),
        precision=precision,
        lift=lift,
    )


def _line(rows: Sequence[Swept]) -> tuple[float | None, float | None]:
    """Least squares of ln(realised) on ln(predicted), a point a side and day where both are above zero."""
    pairs = [(float(s.mapped.sum()), float(s.realised.sum())) for s in rows]
    points = np.array([(m, y) for m, y in pairs if m > 0 and y > 0])
    if len(points) < 3:
        return None, None
    x, y = np.log(points).T
    spread = float(((x - x.mean()) ** 2).sum())
    if spread <= 0:
        return None, None
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    return slope, float(y.mean() - slope * x.mean())


def _deciles(rows: Sequence[Swept]) -> tuple[Decile, ...]:
    """Bins by predicted mass, lightest first: what they held against what they gave."""
    if not rows:
        return ()
    mapped, realised = (np.concatenate([getattr(s, n) for s in rows]) for n in ("mapped", "realised"))
    parts = np.array_split(np.argsort(mapped, kind="stable"), 10)
    return tuple(Decile(float(mapped[p].sum()), float(realised[p].sum()), len(p)) for p in parts if len(p))


def _spearman(rows: Sequence[Swept]) -> float | None:
    """Rank correlation over swept bins, a side and day weighing as its realised USD."""
    above, below = 0.0, 0.0
    for s in rows:
        if len(s.realised) > 2 and np.ptp(s.realised) > 0 and np.ptp(s.mapped) > 0:
            rho = float(np.corrcoef(rankdata(s.realised), rankdata(s.mapped))[0, 1])
            weight = float(s.realised.sum())
            above, below = above + weight * rho, below + weight
    return above / below if below > 0 else None


def _top(rows: Sequence[Swept]) -> tuple[float | None, float | None]:
    """(precision, lift) of the bins that the map and B1 call heaviest, a tenth of each side's."""
    ours, theirs, whole = 0.0, 0.0, 0.0
    for s in rows:
        if "distance" in s.baselines:
            top = max(round(TOP * len(s.realised)), 1)
            whole += float(s.realised.sum())
            ours += float(s.realised[np.argsort(-s.mapped, kind="stable")[:top]].sum())
            theirs += float(s.realised[np.argsort(-s.baselines["distance"], kind="stable")[:top]].sum())
    return ours / whole if whole > 0 else None, ours / theirs if theirs > 0 else None


@dataclass(frozen=True, slots=True)
class DistanceLaw:
    """B1: realised USD a swept bin by |ln p/P| in daily sigmas, of the past only; a value."""

    usd: Floats = field(default_factory=lambda: np.zeros(BUCKETS))
    bins: Floats = field(default_factory=lambda: np.zeros(BUCKETS))

    def at(self, distance: Floats) -> Floats:
        """USD a bin at distances in sigmas; the nearest bucket that was ever swept where there is none; else even."""
        known = np.flatnonzero(self.bins > 0)
        if not len(known):
            return np.ones(len(distance))
        rate = self.usd[known] / self.bins[known]
        return np.interp(_bucket(distance).astype(np.float64), known.astype(np.float64), rate)

    def learned(self, distance: Floats, realised: Floats, forget: float = 1.0) -> "DistanceLaw":
        place = _bucket(distance)
        return DistanceLaw(
            self.usd * forget + np.bincount(place, realised, BUCKETS),
            self.bins * forget + np.bincount(place, minlength=BUCKETS),
        )


def _bucket(distance: Floats) -> np.ndarray:
    """Of |ln p/P| in sigmas."""
    x = (np.log(np.maximum(distance, 1e-6)) - FIRST_BUCKET) / DEADBAND
    return np.clip(x.astype(np.int64), 0, BUCKETS - 1)


def ladder(opened: Floats, closed: Floats, amount: Floats, mark: Floats, low: Floats, high: Floats, rate: float,
           edges: Floats) -> Floats:  # fmt: skip
    """B2: what the usual fixed ladder says, [2 sides, bins between `edges`], from the bars [T] of one book.

    Every opening spreads evenly over 10x, 25x, 50x and 100x on both sides, closures thin all of it pro rata, and what
    the mark went through since is gone. `rate`: maintenance.
    """
    kept = 1 - np.clip(np.divide(closed, amount + closed, out=np.zeros_like(closed), where=amount + closed > 0), 0, 1)
    survives = np.append(np.cumprod(kept[::-1])[::-1][1:], 1.0)
    lowest = np.append(np.minimum.accumulate(low[::-1])[::-1][1:], np.inf)
    highest = np.append(np.maximum.accumulate(high[::-1])[::-1][1:], -np.inf)
    found = np.zeros((2, len(edges) - 1))
    for rung in LADDER:
        for side, sign in enumerate((1.0, -1.0)):
            price = mark * (1 - sign / rung) / (1 - sign * rate)
            alive = price < lowest if side == 0 else price > highest
            weight = np.where(alive, opened * survives / len(LADDER), 0.0)
            found[side] += np.histogram(price, bins=edges, weights=weight)[0]
    return found


def ladders(bars: pd.DataFrame, venues: Sequence[str], rates: Sequence[float], edges: Floats) -> Floats:
    """B2 by venue, [V, 2, bins] USD at the last mark, from the reader's bars; `rates`: maintenance of each venue."""
    found = np.zeros((len(venues), 2, len(edges) - 1))
    rate = dict(zip(venues, rates, strict=True))
    known = ("native", "usd", "mark", "mark_low", "mark_high")
    mine = bars[bars["venue"].isin(list(venues))].dropna(subset=list(known))
    for _, of in mine.groupby("instrument_id", sort=False):
        x = {n: np.nan_to_num(of[n].to_numpy(float)) for n in ("opened", "closed", *known)}
        name = str(of["venue"].iloc[0])
        some = ladder(
            x["opened"], x["closed"], x["native"], x["mark"], x["mark_low"], x["mark_high"], rate[name], edges
        )
        unit = x["usd"][-1] / x["native"][-1] if x["native"][-1] > 0 else 0.0
        found[venues.index(name)] += some * unit
    return found
