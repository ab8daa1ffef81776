"""How much is open: the chart, with everything a reader needs to trust its last point (analytics.md, 1.5 to 1.8)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analytics import change, conventions, coverage, highs, matched, windows
from analytics import closes as days
from analytics.alignment import DAY_MS, Floats, Panel, State, extended, grid, only, panel, snapshot
from analytics.carry import level
from analytics.change import Change
from analytics.coverage import Coverage
from analytics.provenance import Basis, Code, Method, Reason, floats
from analytics.rows import reports
from analytics.settings import DAY_S, DEFAULTS, Settings


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """The market at one moment. `usd` and `base` are the level (live plus carried); None where nothing stands."""

    t: int  # ms UTC
    usd: float | None
    base: float | None  # coins
    price: float | None  # USD, reference
    carried_usd: float
    coverage: float | None  # fresh part, fraction of 1
    index: float  # chain-linked contracts of the matched panel, 1 at the first point: immune to outages
    high_share: float | None  # of the trailing year, daily points only
    band_base: float | None  # coins: U, one sd of what is not fresh here; None where how that moves is not known
    basis: str
    provisional: bool  # the running moment; not part of any history


@dataclass(frozen=True, slots=True)
class ChartSeries:
    points: tuple[ChartPoint, ...]
    change: Change | None  # first point to last
    day: Change | None  # the last 24 hours
    high: highs.High  # in USD
    high_base: highs.High  # in coins
    coverage: Coverage
    contributing: tuple[str, ...]  # venues in the last point
    left: tuple[tuple[int, str], ...]  # (t, venue): universe changes inside the range, out of the level after T_carry
    method: Method
    reasons: tuple[Reason, ...]


def chart(*, latest: pd.DataFrame, now: int, start: int, step_s: float, bars: pd.DataFrame | None = None,
          closes: pd.DataFrame | None = None, recent: pd.DataFrame | None = None,
          gaps: pd.DataFrame | None = None, venue: str | None = None,
          plausible: Mapping[str, float] | None = None,
           settings: Settings = DEFAULTS) -> ChartSeries:  # fmt: skip
    """The series of a metric from `start` to `now` (ms) with a provisional last point.

    Frames are store.reader's: `latest` the last point; `bars` the whole range, for steps below a day; `closes` the last
    year and the range, for daily steps and the year's high; `recent` bars of minutes over the last day for its change
    (without them `bars`, or else the closes, serve). `venue` limits all but the reference price to one venue. An asset
    nobody lists gives no points and `no_data`.
    """
    last = snapshot(latest, now, settings)
    ends = closes if closes is not None else latest.iloc[:0]
    changed = conventions.only(gaps)
    daily = extended(days.panel(ends, end=now - 1, gaps=changed, settings=settings), last, changed)
    own = daily  # in today's counting, for the year's high
    if changed is not None:
        own = extended(days.panel(days.spliced(ends, changed), end=now - 1, settings=settings), last)
    fine = daily
    day_bars = recent if recent is not None and len(recent) else bars
    if day_bars is not None and len(day_bars):
        fine = windows.recent(day_bars, latest, now, DAY_S, gaps=gaps, settings=settings)
    if step_s >= DAY_S:
        shown = daily
    else:
        moments = grid(now // round(step_s * 1000) * round(step_s * 1000), start, step_s)
        given = bars if bars is not None else latest.iloc[:0]
        shown = extended(
            panel(given, moments[moments < now], settings=settings, gaps=gaps, cadence=reports(latest)),
            last,
            gaps,
            settings,
        )
    if venue is not None:
        own, fine, shown = (
            only(p, np.array([c.venue == venue for c in p.contracts], bool)) for p in (own, fine, shown)
        )
    sizes = None if recent is None else coverage.sizes(recent, now)
    heard = coverage.of(fine, settings=settings, plausible=plausible, gaps=gaps, sizes=sizes)
    listed = {c.id for c in last.contracts}
    shares, high, high_base = year(own, bool(len(last.t)), settings, listed)
    parts = level(shown, settings)
    usd, base = (np.where(parts.empty, np.nan, x) for x in (parts.total_usd, parts.total_base))
    known = ~(shown.state == State.ABSENT).all(axis=1) if shown.contracts else np.zeros(len(shown.t), bool)
    keep = np.flatnonzero(known & (shown.t >= start))
    if step_s > DAY_S and len(keep):
        keep = keep[::-1][:: round(step_s / DAY_S)][::-1]
    if not len(keep):
        return ChartSeries((), None, None, high, high_base, heard, (), (), METHOD, heard.reasons or (coverage.NOBODY,))
    moved = matched.steps(shown, settings)
    index = matched.chained(moved.total_growth(), moved.guarded(settings))
    table = zip(
        shown.t[keep].tolist(), floats(usd[keep]), floats(base[keep]),
        floats(shown.price[keep]), parts.carried_usd[keep].tolist(), floats(coverage.shares(shown, listed)[keep]),
        (index[keep] / index[keep[0]]).tolist(),
        floats(shares[keep]) if step_s >= DAY_S else [None] * len(keep),
        floats(coverage.bands(shown, parts.base, coverage.hourly_sd(fine, settings))[keep]),
        strict=True,
    )  # fmt: skip
    points = tuple(
        ChartPoint(*row, basis=Basis.CARRIED if row[4] > 0 else Basis.DERIVED, provisional=row[0] >= now)
        for row in table
    )
    whole = change.between(shown, int(keep[0]), settings=settings) if len(shown.t) > 1 else None
    day = change.between(fine, change.nearest(fine, now - DAY_MS), settings=settings) if len(fine.t) > 1 else None
    inside = tuple(sorted({c.venue for c, u in zip(shown.contracts, parts.usd[-1], strict=True) if u > 0}))
    changes = (
        conventions.changes(fine.contracts, fine.t, fine.broken, gaps),
        conventions.changes(shown.contracts, shown.t[keep], shown.broken[keep], gaps),
    )
    other = tuple(r for r in heard.reasons if r.code is not Code.CONVENTION_CHANGE_IN_WINDOW)
    here = latest if venue is None else latest[latest["venue"] == venue]
    why = (*other, *coverage.disputed(here), *conventions.reasons(*changes))  # the day's and the range's at once
    heard = replace(heard, reasons=tuple(dict.fromkeys(why)))
    return ChartSeries(
        points, whole, day, high, high_base, heard, inside, departures(shown, parts.excluded), METHOD, heard.reasons
    )


METHOD = Method("level.carry_matched_chain")


def year(
    daily: Panel, running: bool, settings: Settings, listed: Collection[int] | None = None
) -> tuple[Floats, highs.High, highs.High]:
    """(h of each daily row in USD, the high as of now in USD, and in coins). A day heard too little of is missing."""
    parts, heard = level(daily, settings), coverage.shares(daily, listed)
    ok = np.nan_to_num(heard) >= settings.panel_guard
    usd, base = (np.where(ok, x, np.nan) for x in (parts.total_usd, parts.total_base))
    if not running:
        return highs.shares(usd, settings), highs.of(usd, None, settings), highs.of(base, None, settings)
    # a venue that has gone silent is still in today's level at its last quantity; beyond T_carry it is not, and what is
    # left is no level to be held against a year of the whole market
    some = len(usd) > 0 and bool(coverage.standing(daily, settings, listed)[-1] >= settings.panel_guard)
    now = (float(parts.total_usd[-1]), float(parts.total_base[-1])) if some else (np.nan, np.nan)
    high = highs.of(usd[:-1], now[0], settings)
    return highs.shares(np.append(usd[:-1], now[0]), settings), high, highs.of(base[:-1], now[1], settings)


def funding(shown: Panel) -> Floats:
    """[T]: funding per 8 h weighted by coins, over instruments that state one and are not dead."""
    weight = np.where(np.isnan(shown.funding_8h) | (shown.state >= State.DEAD), 0.0, shown.base)
    whole = weight.sum(axis=1)
    total = (weight * np.nan_to_num(shown.funding_8h)).sum(axis=1)
    return np.divide(total, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def departures(shown: Panel, excluded: np.ndarray) -> tuple[tuple[int, str], ...]:
    """When and which venue left the level because it had been silent for longer than T_carry."""
    found: list[tuple[int, str]] = []
    for name in shown.venues:
        mine = np.array([c.venue == name for c in shown.contracts], bool)
        gone = np.asarray(excluded[:, mine].any(axis=1), bool)
        began = gone & ~np.append(np.zeros(1, bool), gone[:-1])
        found += [(int(shown.t[k]), name) for k in np.flatnonzero(began)]
    return tuple(sorted(found))
