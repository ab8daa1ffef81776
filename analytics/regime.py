"""How hot the market runs: funding, long/short, and an index with an open formula (analytics.md, 7.1 to 7.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import exp, log

from analytics.provenance import Code, Reason
from analytics.settings import DEFAULTS, Settings
from analytics.supply import ERA_START, estimated_height

DAYS_A_YEAR = 365
HALVINGS = ("2012-11-28", "2016-07-09", "2020-05-11", "2024-04-20")  # blocks 210,000 to 840,000
ERA_BLOCKS = 210_000  # between two
MONTH_DAYS = 365.25 / 12
PHASES = ((6.0, "early"), (18.0, "middle"), (24.0, "late"))  # months since the halving
BANDS = ((30.0, "calm"), (50.0, "normal"), (70.0, "active"), (85.0, "hot"))


def per_8h(rate: float, interval_h: float) -> float | None:
    """A funding rate [fraction per interval] as a fraction per 8 h."""
    return rate * 8.0 / interval_h if interval_h > 0 else None


def annual(f8: float) -> float:
    """Funding per 8 h over a year of simple payments [fraction]."""
    return f8 * 3 * DAYS_A_YEAR


def aggregate_funding(f8: Sequence[float], base: Sequence[float]) -> float | None:
    """Weighted by one-sided open interest [coins]. None without weight."""
    whole = sum(base)
    return sum(f * q for f, q in zip(f8, base, strict=True)) / whole if whole > 0 else None


def long_short(ratios: Sequence[float], shares: Sequence[float]) -> float | None:
    """exp(sum w ln ratio), weights by one-sided OI share: an arithmetic mean of ratios is biased up. One kind only."""
    rows = [(r, w) for r, w in zip(ratios, shares, strict=True) if r > 0 and w > 0]
    whole = sum(w for _, w in rows)
    return exp(sum(w * log(r) for r, w in rows) / whole) if whole > 0 else None


PARTS = ("open_interest", "funding", "long_short", "basis", "liquidations")  # of the overheat index


@dataclass(frozen=True, slots=True)
class Part:
    name: str  # of `PARTS`
    percentile: float | None  # fraction of 1 among the trailing year
    weight: float
    days: int


@dataclass(frozen=True, slots=True)
class Overheat:
    """OHI = 100*sum w u/sum of the available w. Its own formula, no replica of anyone's index."""

    index: float | None  # 0-100
    band: str | None  # calm | normal | active | hot | extreme
    parts: tuple[Part, ...]
    missing: tuple[str, ...]
    reasons: tuple[Reason, ...]


def overheat(u_oi: float | None, u_funding: float | None, u_long_short: float | None, u_basis: float | None = None,
             u_liquidations: float | None = None, *, days: tuple[int, ...] = (365,) * len(PARTS),
             settings: Settings = DEFAULTS) -> Overheat:  # fmt: skip
    """From percentiles (fractions) of OI/market cap, funding, long/short, basis and liquidation intensity among `days`
    of own history each. The last two weigh nothing by default; what weighs nothing is not among the two parts needed.
    """
    given = (u_oi, u_funding, u_long_short, u_basis, u_liquidations)
    parts = tuple(Part(*row) for row in zip(PARTS, given, settings.overheat_weights, days, strict=True))
    there = [p for p in parts if p.percentile is not None and p.days >= settings.overheat_min_days]
    missing = tuple(p.name for p in parts if p not in there)
    usable = [p for p in there if p.weight > 0]
    if len(usable) < settings.overheat_min_parts:
        of = sum(p.weight > 0 for p in parts)
        words = f"{len(usable)} of {of} parts have {settings.overheat_min_days} days of history; two are needed."
        return Overheat(None, None, parts, missing, (Reason(Code.INSUFFICIENT_HISTORY, words),))
    heat = sum(p.weight * p.percentile for p in usable if p.percentile is not None)
    index = 100.0 * heat / sum(p.weight for p in usable)
    return Overheat(index, band(index), parts, missing, ())


def band(index: float) -> str:
    return next((name for limit, name in BANDS if index < limit), "extreme")


@dataclass(frozen=True, slots=True)
class Cycle:
    """Four cycles are four observations: context, never a test."""

    position: float  # 0 at the last halving, 1 at the next; by the block schedule
    months: float  # since the last halving
    phase: str  # early | middle | late | post


def cycle(now: int) -> Cycle | None:
    """Where in its cycle Bitcoin is at `now`, ms UTC; None before the halving of 2024."""
    height = estimated_height(now)
    if height is None:
        return None
    began = datetime.fromisoformat(HALVINGS[-1]).replace(tzinfo=UTC).timestamp() * 1000
    months = (now - began) / 86_400_000 / MONTH_DAYS
    phase = next((name for limit, name in PHASES if months < limit), "post")
    return Cycle((height - ERA_START) / ERA_BLOCKS, months, phase)
