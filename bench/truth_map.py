"""The liquidation map, blind, on the market with known truth: walk-forward scores by UTC day."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analytics.liquidation import Policy, Terms, advance, start
from analytics.liquidation.calibration import Counts, omegas
from analytics.liquidation.frozen import Day, Frozen, freeze, judge, swept_bins
from analytics.liquidation.scoring import DistanceLaw, Score, Swept, score
from simulator.truth import Truth
from simulator.truth_positions import DAY

DAY_MS = 86_400_000
STEP = 5  # minutes a bar of the map
LADDER_DAYS = 10  # of bars behind the usual ladder
START_MS = 1_760_054_400_000  # 2025-10-10T00:00Z


def bars(truth: Truth, step: int = STEP) -> pd.DataFrame:
    """What a store would have kept of the observables, `step` minutes a bar, one-sided."""
    ends = np.arange(step - 1, len(truth.mark), step)
    frames: list[pd.DataFrame] = []

    def per_bar(values: np.ndarray) -> np.ndarray:
        return values[: len(ends) * step].reshape(len(ends), step).sum(axis=1)

    forced = truth.forced
    for v, place in enumerate(truth.places):
        shown = ends // place.cadence * place.cadence  # the last minute in which the venue stated its open interest
        amount, mark = truth.amount[shown, v], truth.mark[ends] * place.premium
        change = np.diff(amount, prepend=amount[0])
        slow = place.cadence > 1  # what moves between two statements is not seen
        unit = 1.0 if place.inverse else mark
        coin = mark if place.inverse else 1.0
        died: dict[int, np.ndarray] = {}
        for side in (0, 1):
            mine = (forced["venue"] == v) & (forced["side"] == side)
            worth = forced["amount"][mine] * (1.0 if place.inverse else forced["price"][mine])
            at = forced["minute"][mine].astype(np.int64) - truth.start
            died[side] = per_bar(np.bincount(at, worth, len(truth.mark)))
        shape = (len(ends), step)
        volume, bought = per_bar(truth.volume[:, v]) / coin, per_bar(truth.bought[:, v]) / coin
        frames.append(
            pd.DataFrame(
                {
                    "instrument_id": v + 1, "venue": place.venue, "class": place.cls,
                    "payoff": "inverse" if place.inverse else "linear", "symbol": "BTC",
                    "t": START_MS + (truth.start + ends + 1) * 60_000,
                    "native": amount, "base": amount / coin, "usd": amount * unit, "mark": mark,
                    "mark_high": truth.high[: len(ends) * step].reshape(shape).max(axis=1) * place.premium,
                    "mark_low": truth.low[: len(ends) * step].reshape(shape).min(axis=1) * place.premium,
                    "opened": np.maximum(change, 0) if slow else per_bar(truth.opened[:, v]),
                    "closed": np.maximum(-change, 0) if slow else per_bar(truth.closed[:, v]),
                    "funding": truth.funding[ends, v], "funding_interval_h": 8.0,
                    "covered_s": step * 60.0, "readings": step, "volume": volume, "taker_buy": bought,
                    "taker_sell": volume - bought, "liquidated_long": died[0], "liquidated_short": died[1],
                }
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def real(truth: Truth, frozen: Frozen, minute: int) -> np.ndarray:
    """[V, 2, bins] USD of all positions by their true trigger: the ceiling."""
    found = np.zeros((len(frozen.venues), 2, len(frozen.edges()) - 1))
    snap = next(s for s in truth.snapshots if s.minute == minute)
    for v, place in enumerate(truth.places):
        for side in (0, 1):
            mine = (snap.venue == v) & (snap.side == side)
            price = snap.trigger[mine] * place.premium
            usd = snap.amount[mine] * (1.0 if place.inverse else price)
            found[frozen.venues.index(place.venue), side] = np.histogram(price, bins=frozen.edges(), weights=usd)[0]
    return found


def after(truth: Truth, minute: int) -> Day:
    """The day that starts with `minute`, as full feeds show it."""
    f = truth.forced
    some = (f["minute"] >= minute) & (f["minute"] < minute + DAY)
    v = f["venue"][some].astype(np.int64)
    inverse = np.array([p.inverse for p in truth.places])[v]
    usd = f["amount"][some] * np.where(inverse, 1.0, f["price"][some])
    names = np.array([p.venue for p in truth.places], object)
    window = slice(minute, minute + DAY)
    return Day(
        float(truth.low[window].min()), float(truth.high[window].max()), names[v], f["side"][some].astype(np.int64),
        f["price"][some], usd,
    )  # fmt: skip


def terms(truth: Truth) -> dict[str, Terms]:
    """What the venues publish: the highest leverage."""
    return {p.venue: Terms(max_leverage=p.most) for p in truth.places}


def walk(
    truth: Truth, warm: int, *, full: Collection[str] | None = None, policy: Policy = "age_hazard"
) -> dict[str, Any]:
    """Freeze at each UTC close, judge by the next day, learn, go on. Days before `warm` teach and are not scored.

    `full`: venues whose feed is taken to show every forced close; None takes those whose feed does. `policy` says who
    leaves the map when contracts are closed.
    """
    frame = bars(truth)
    by_day = dict(iter(frame.groupby((frame["t"] - START_MS - 1) // DAY_MS)))
    state = start("BTC", terms(truth), policy)
    shown = {p.venue for p in truth.places if p.feed == "full"} if full is None else set(full)
    classes = {p.venue: p.cls for p in truth.places}
    law, counts = DistanceLaw(), dict[str, Counts]()
    rows: dict[str, list[Swept]] = {name: [] for name in ("map", "uncalibrated", "true", "ladder")}
    marks, drift = truth.mark[::60], 0.0
    for d in range(len(truth.mark) // DAY - 1):
        state = advance(state, by_day[d], step_ms=STEP * 60_000)
        longs, shorts = (state.mass.total[:, s].sum(axis=1).mean(axis=1) for s in (0, 1))
        drift = max(
            drift, float(np.abs(longs / state.ledger.amount - 1).max()), float(np.abs(longs / shorts - 1).max())
        )
        past = np.diff(np.log(marks[max(0, (d - 29) * 24) : (d + 1) * 24]))
        sigma = max(float(past.std()) * 24**0.5, 1e-3)
        until = START_MS + (d + 1) * DAY_MS
        window = frame[(frame["t"] > until - LADDER_DAYS * DAY_MS) & (frame["t"] <= until)]
        frozen = freeze(state, sigma, omegas(counts, classes, set(classes) - shown), window)
        assert frozen is not None
        minute = (d + 1) * DAY
        day = after(truth, minute)
        found = judge(frozen, day, law, counts, shown)
        if d >= warm:
            rows["map"] += found.swept
            bare = freeze(state, sigma)
            assert bare is not None
            at = [frozen.venues.index(v) for v in sorted(shown)]
            others = {"true": real(truth, frozen, minute)[at].sum(axis=0), "ladder": frozen.ladder[at].sum(axis=0),
                      "uncalibrated": bare.served()[at].sum(axis=0)}  # fmt: skip
            for row in found.swept:
                into = swept_bins(frozen, day.low, day.high, row.side)
                for name, whole in others.items():
                    rows[name].append(Swept(row.day, row.side, row.realised, whole[row.side, into], row.baselines))
        law, counts = found.law, dict(found.counts)
    half = sorted({r.day for r in rows["map"]})[len({r.day for r in rows["map"]}) // 2 :][:1]
    early, later = ([r for r in rows["map"] if (r.day < half[0]) == first] if half else [] for first in (True, False))
    return {"drift": drift, "early": told(score(early)), "later": told(score(later))} | {
        name: told(score(swept)) for name, swept in rows.items()
    }


def told(s: Score) -> Mapping[str, Any]:
    gains = {g.baseline: [g.gain, g.low, g.high] for g in s.gains}
    skill = None if s.skill is None else [s.skill.gain, s.skill.low, s.skill.high]
    return {
        "days": s.days, "events_usd": s.events_usd, "ratio": s.ratio, "gains": gains, "skill": skill, "slope": s.slope,
        "spearman": s.spearman, "precision": s.precision, "lift": s.lift, "validated": s.validated,
    }  # fmt: skip
