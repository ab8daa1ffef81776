"""Labels and alerts on the market with known truth: what was scripted, what was said, and what faults provoke."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analytics import change, conventions, divergence, evidence, windows
from bench.truth_map import START_MS, bars
from collectors.checks import Level, judge
from simulator.truth import Truth
from store.records import Event, Field, Instrument, OpenInterest, Source, Unit

HOUR_MS = 3_600_000
LABELS = ("venue_rotation", "conviction_speculative", "conviction_institutional", "concentrated_inflow")
MEANT = {"rotation": "venue_rotation"}  # the others are named alike
FAULTS = ("outage", "freeze", "unit_glitch", "side_change")
EXTRA = {
    "segment": "perp", "contract_size": 1.0, "unit": "base", "side_status": "documented", "cadence_s": 60.0,
    "source": "stream", "simulated": True, "flags": 0, "state": "live", "sides": 1,
}  # fmt: skip


class Seen:
    """The observables by minute, five minutes and hour."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.by_step = {step: self.dressed(bars(truth, step)) for step in (1, 5, 60)}

    @staticmethod
    def dressed(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(last_seen=frame["t"] - 500, source="stream").sort_values("t", kind="stable")

    def cut(self, step: int, since: int, until: int) -> pd.DataFrame:
        frame = self.by_step[step]
        t = frame["t"].to_numpy()
        return frame.iloc[np.searchsorted(t, since, side="right") : np.searchsorted(t, until, side="right")]


def said(seen: Seen, now: int, recent: pd.DataFrame | None = None, gaps: pd.DataFrame | None = None) -> tuple[str, ...]:
    """The alerts of the hour that ends at `now` [ms]; grade D raises none."""
    rows = seen.cut(1, now - 2 * HOUR_MS, now) if recent is None else recent
    found = divergence.assess(
        latest=latest(rows), recent=rows, history=seen.cut(60, now - 31 * 24 * HOUR_MS, now - HOUR_MS), now=now,
        window_s=3600, gaps=gaps,
    )  # fmt: skip
    return () if found.coverage.grade == "D" else tuple(f for f in found.flags if f in LABELS)


def latest(rows: pd.DataFrame) -> pd.DataFrame:
    last = rows.groupby("instrument_id").tail(1)
    return last.assign(ts=last["t"], seen=last["last_seen"], raw=last["native"], index=last["mark"], **EXTRA)


def labels(truth: Truth, seen: Seen, seed: int) -> dict[str, Any]:
    """Hits, misses and false ones by label; and of quiet hours how many were labelled."""
    table = {label: {"hit": 0, "missed": 0, "false": 0} for label in LABELS}
    busy = np.zeros(len(truth.mark) // 60 + 2, bool)
    for s in truth.script:
        at = s.start // 60
        busy[max(at - 1, 0) : s.end // 60 + 7] = True  # what an episode leaves behind is neither quiet nor it
        flags = said(seen, START_MS + (s.end + -s.end % 60) * 60_000)
        meant = MEANT.get(s.kind, s.kind)
        for label in LABELS:
            if label == meant:
                table[label]["hit" if label in flags else "missed"] += 1
            elif label in flags:
                table[label]["false"] += 1
    rng = np.random.default_rng([seed, 3])
    quiet = np.flatnonzero(~busy[: len(truth.mark) // 60])
    quiet = np.sort(rng.permutation(quiet[quiet > 12 * 24])[:120])
    wrong = 0
    for hour in quiet:
        flags = said(seen, START_MS + int(hour) * HOUR_MS)
        wrong += bool(flags)
        for label in flags:
            table[label]["false"] += 1
    return {"labels": table, "quiet": len(quiet), "quiet_labelled": wrong, "faults": faults(truth, seen, quiet[::10])}


def faults(truth: Truth, seen: Seen, hours: Sequence[int] | np.ndarray) -> dict[str, Any]:
    """Alerts that a fault raised and the same hour without it did not: of divergence, and of deleveraging."""
    out: dict[str, Any] = {kind: {"hours": 0, "divergence": 0, "deleveraging": 0} for kind in (*FAULTS, "price_only")}
    for k, hour in enumerate(hours):
        now = START_MS + int(hour) * HOUR_MS
        rows = seen.cut(1, now - 2 * HOUR_MS, now)
        before = set(said(seen, now))
        day = seen.cut(5, now - 25 * HOUR_MS, now)
        dropped = deleveraged(day, latest(rows), now)
        victim = truth.places[k % len(truth.places)].venue
        for kind in FAULTS:
            broken, noted = spoiled(rows, kind, victim, now - HOUR_MS // 2)
            out[kind]["hours"] += 1
            out[kind]["divergence"] += bool(set(said(seen, now, broken, noted)) - before)
            fell = deleveraged(spoiled(day, kind, victim, now - HOUR_MS // 2)[0], latest(broken), now, noted)
            out[kind]["deleveraging"] += fell and not dropped
    for s in truth.script:
        if s.kind == "price_only":
            now = START_MS + (s.start + 60) * 60_000
            rows = seen.cut(1, now - 2 * HOUR_MS, now)
            out["price_only"]["hours"] += 1
            out["price_only"]["divergence"] += bool(said(seen, now))
            out["price_only"]["deleveraging"] += deleveraged(seen.cut(5, now - 25 * HOUR_MS, now), latest(rows), now)
    return out


def deleveraged(day: pd.DataFrame, last: pd.DataFrame, now: int, gaps: pd.DataFrame | None = None) -> bool:
    panel = windows.recent(day, last, now, 86_400, gaps=gaps)
    return change.between(panel, 0).drop == "deleveraging"


def spoiled(rows: pd.DataFrame, kind: str, venue: str, since: int) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The rows as they would be stored if the venue had the fault from `since` on, and what the house notes of it as
    interruptions. Readings pass the house's checks.
    """
    mine = (rows["venue"] == venue) & (rows["t"] > since)
    if kind == "outage":
        return rows[~mine], None
    out = rows.copy()
    if kind == "freeze":
        held = rows.loc[(rows["venue"] == venue) & (rows["t"] <= since), ["native", "base", "usd"]].iloc[-1]
        out.loc[mine, ["native", "base", "usd"]] = held.to_numpy()
        out.loc[mine, ["opened", "closed"]] = 0.0
        return out, None
    if kind == "unit_glitch":  # the last two statements are in thousandths
        factor = np.where(rows["t"] > rows.loc[mine, "t"].max() - 2 * 60_000, 1000.0, 1.0)
    else:
        factor = np.full(len(rows), 2.0)
    level, passed = Level(), np.ones(len(rows), bool)
    wrong = np.where(mine, factor, 1.0)
    noted: list[Event] = []
    judged: list[int] = []
    for at in np.flatnonzero(rows["venue"] == venue):
        reading = spoken(rows.iloc[at], float(wrong[at]))
        verdict = judge(level, reading.raw, reading)
        noted += [e for e in verdict.aside if isinstance(e, Event)]
        judged.append(int(at))
        passed[at] = False
        if verdict.passed:
            passed[judged[-len(verdict.passed) :]] = True  # and what was held until now
    for name in ("native", "base", "usd"):
        out[name] = out[name] * wrong
    told = pd.DataFrame([(e.ts, e.venue, e.detail) for e in noted], columns=["ts", "venue", "detail"])
    return out[passed], conventions.breaks(told)


def spoken(row: pd.Series, factor: float) -> OpenInterest:
    instrument = Instrument(str(row["venue"]), "perp", "BTC", "BTC", "USDT", "USDT")
    field = Field("openInterest", Unit.BASE)
    t = int(row["t"])
    amount = float(row["native"]) * factor
    mark = float(row["mark"])
    return OpenInterest(
        instrument, field, t, t, amount, amount, amount * mark, mark, None, None, None, Source.STREAM, True, 0
    )


def sides(truth: Truth, seen: Seen) -> dict[str, str]:
    """What the measured test of the number of sides says of each venue; `native` as published, both sides counted."""
    rows = seen.by_step[1]  # all days: as the clock pools them
    true = {v + 1: p.sides for v, p in enumerate(truth.places)}
    tests = evidence.side_tests(rows, true, cadence_s={v: 60.0 * p.cadence for v, p in enumerate(truth.places, 1)})
    return {f"{one.venue} ({one.sides})": one.test.answer for one in tests}
