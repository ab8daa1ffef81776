"""What venues get wrong, and the alerts it raises: the market itself goes on, so every one of them is false.

Outages, silence and clocks are played on the rows a store would hold; wrong numbers pass the house's checks first.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analytics import change, conventions, evidence, windows
from bench.truth_labels import LABELS
from bench.truth_map import START_MS, bars
from bench.truth_seen import HOUR_MS, Seen, assessed, latest
from collectors.checks import Level, judge
from simulator.truth import World
from simulator.truth_script import Scripted
from store.records import Event, Field, Instrument, OpenInterest, Source, Unit

Played = tuple[pd.DataFrame, pd.DataFrame | None]  # rows, and what the house notes of them as interruptions

MINUTE_MS = 60_000
HOLE_MS = 20 * MINUTE_MS
DEAD_MS = 8 * HOUR_MS  # a venue that is gone: longer than what is carried


def outage(rows: pd.DataFrame, mine: np.ndarray) -> Played:
    return rows[~mine], None


def freeze(rows: pd.DataFrame, mine: np.ndarray) -> Played:
    """The venue says the same number again and again."""
    out = rows.copy()
    names = ["native", "base", "usd"]
    held = rows.loc[(rows["venue"] == rows.loc[mine, "venue"].iloc[0]) & ~mine, names].iloc[-1]
    out.loc[mine, names] = held.to_numpy()
    out.loc[mine, ["opened", "closed"]] = 0.0
    return out, None


def glitch(rows: pd.DataFrame, mine: np.ndarray) -> Played:
    """The last two statements are in thousandths."""
    late = rows["t"].to_numpy() > rows.loc[mine, "t"].max() - 2 * MINUTE_MS
    return stated(rows, mine, np.where(mine & late, 1000.0, 1.0))


def doubled(rows: pd.DataFrame, mine: np.ndarray) -> Played:
    """From now on the venue counts both sides."""
    return stated(rows, mine, np.where(mine, 2.0, 1.0))


def late(rows: pd.DataFrame, mine: np.ndarray) -> Played:
    """The last three minutes have not arrived, and what has came in another order."""
    t = rows["t"].to_numpy()
    here = rows[~(mine & (t > t.max() - 3 * MINUTE_MS))]
    return here.sample(frac=1.0, random_state=1), None


def twice(rows: pd.DataFrame, mine: np.ndarray) -> Played:
    """Everything is sent two times."""
    return pd.concat([rows, rows[mine]], ignore_index=True).sort_values("t", kind="stable"), None


def skew(rows: pd.DataFrame, mine: np.ndarray) -> Played:
    """The venue's clock is a minute behind: its statements are told as of the minute before."""
    out = rows.copy()
    out.loc[mine, "t"] -= MINUTE_MS
    return out.drop_duplicates(["instrument_id", "t"], keep="last").sort_values("t", kind="stable"), None


PLAYED: dict[str, tuple[Callable[[pd.DataFrame, np.ndarray], Played], int]] = {
    "outage": (outage, HOUR_MS // 2), "freeze": (freeze, HOUR_MS // 2), "unit_glitch": (glitch, HOUR_MS // 2),
    "side_change": (doubled, HOUR_MS // 2), "late_ticks": (late, HOUR_MS // 2), "duplicates": (twice, HOUR_MS // 2),
    "clock_skew": (skew, HOUR_MS // 2), "venue_death": (outage, DEAD_MS),
}  # fmt: skip
FAULTS = (*PLAYED, "price_only")


def alerts(seen: Seen, now: int, played: Played, day: pd.DataFrame) -> tuple[set[str], bool]:
    """(labels of the last hour, whether the last day is called deleveraging)."""
    rows, gaps = played
    told = assessed(seen, now, recent=rows, gaps=gaps)
    panel = windows.recent(day, latest(rows), now, 86_400, gaps=gaps)
    labels = set[str]() if told.coverage.grade == "D" else {f for f in told.flags if f in LABELS}
    return labels, change.between(panel, 0).drop == "deleveraging"


def faults(seen: Seen, hours: Sequence[int]) -> dict[str, Any]:
    """Alerts that a fault raised and the same hour without it did not: of divergence, and of deleveraging."""
    out: dict[str, Any] = {kind: {"hours": 0, "divergence": 0, "deleveraging": 0} for kind in PLAYED}
    venues = [p.venue for p in seen.truth.places]
    for k, hour in enumerate(hours):
        now = START_MS + hour * HOUR_MS
        rows, day = seen.cut(1, now - 2 * HOUR_MS, now), seen.cut(5, now - 25 * HOUR_MS, now)
        labels, fell = alerts(seen, now, (rows, None), day)
        for kind, (play, since) in PLAYED.items():
            broken = [play(x, ((x["venue"] == venues[k % len(venues)]) & (x["t"] > now - since)).to_numpy())
                      for x in (rows, day)]  # fmt: skip
            more, drop = alerts(seen, now, broken[0], broken[1][0])
            out[kind]["hours"] += 1
            out[kind]["divergence"] += bool(more - labels)
            out[kind]["deleveraging"] += drop and not fell
    return out


def moved(base: Seen, script: Scripted) -> Seen:
    """The calm market during a script, of which only the price is played: positions, trades and forced closes stay.

    Not a fork: there the price closes positions by force, more of them where leverage is higher, and that is a change.
    """
    truth, length = base.truth, script.end - script.start
    rows = slice(script.start, script.end)
    away = np.exp(script.shock * np.arange(1, length + 1) / length)
    mine = (truth.forced["minute"] >= script.start) & (truth.forced["minute"] < script.end)
    names = ("amount", "opened", "closed", "volume", "bought", "funding")
    return Seen(
        replace(
            truth, start=script.start, script=(script,), mark=truth.mark[rows] * away, low=truth.low[rows] * away,
            high=truth.high[rows] * away, forced={n: x[mine] for n, x in truth.forced.items()},
            **{n: getattr(truth, n)[rows] for n in names},
        ),
        base,
    )  # fmt: skip


def price_only(base: Seen, world: World, script: Scripted) -> dict[str, int]:
    """Alerts of the hours in which only the price moved, that the calm market does not raise.

    `forced`: hours with more labels than the calm market where the price forces whom it reaches.
    """
    length = script.end - script.start
    seen, fork = moved(base, script), Seen(world.fork(script.start, length, [script]), base)
    out = {"hours": 0, "divergence": 0, "deleveraging": 0, "forced": 0}
    for hour in range(1, length // 60 + 1):
        now = START_MS + (script.start + 60 * hour) * MINUTE_MS
        (labels, fell), (more, _), (calm, before) = (
            alerts(of, now, (of.cut(1, now - 2 * HOUR_MS, now), None), of.cut(5, now - 25 * HOUR_MS, now))
            for of in (seen, fork, base)
        )
        out["hours"] += 1
        out["divergence"] += bool(labels - calm)
        out["deleveraging"] += fell and not before
        out["forced"] += bool(more - calm)
    return out


def stated(rows: pd.DataFrame, mine: np.ndarray, factor: np.ndarray) -> Played:
    """The rows as they would be stored had the venue stated `factor` times the truth: readings pass the checks."""
    level, passed = Level(), np.ones(len(rows), bool)
    noted: list[Event] = []
    judged: list[int] = []
    for at in np.flatnonzero(rows["venue"] == rows.loc[mine, "venue"].iloc[0]):
        reading = spoken(rows.iloc[at], float(factor[at]))
        verdict = judge(level, reading.raw, reading)
        noted += [e for e in verdict.aside if isinstance(e, Event)]
        judged.append(int(at))
        passed[at] = False
        if verdict.passed:
            passed[judged[-len(verdict.passed) :]] = True  # and what was held until now
    out = rows.assign(**{name: rows[name] * factor for name in ("native", "base", "usd")})
    told = pd.DataFrame([(e.ts, e.venue, e.detail) for e in noted], columns=["ts", "venue", "detail"])
    return out[passed], conventions.breaks(told)


def spoken(row: pd.Series, factor: float) -> OpenInterest:
    instrument = Instrument(str(row["venue"]), "perp", "BTC", "BTC", "USDT", "USDT")
    field = Field("openInterest", Unit.BASE)
    t, mark = int(row["t"]), float(row["mark"])
    amount = float(row["native"]) * factor
    return OpenInterest(
        instrument, field, t, t, amount, amount, amount * mark, mark, None, None, None, Source.STREAM, True, 0
    )


def sides(base: Seen, world: World, script: Sequence[Scripted]) -> dict[str, str]:
    """What the measured test of the number of sides says of each venue; `native` as published, both sides counted.

    All days together, as the clock pools them, with the episodes played where they were scripted: what is traded
    seldom all opens or closes but in them. After each the rows go back to the calm market, with a hole between.
    """
    rows, parts = base.by_step[1], list[pd.DataFrame]()
    for s in script:
        begin, until = (START_MS + minute * MINUTE_MS for minute in (s.start, s.end))
        rows = rows[(rows["t"] <= begin) | (rows["t"] > until + HOLE_MS)]
        parts.append(Seen.dressed(bars(world.fork(s.start, s.end - s.start, [s]), 1)))
    true = {v + 1: p.sides for v, p in enumerate(world.places)}
    tests = evidence.side_tests(
        pd.concat([rows, *parts]).sort_values("t", kind="stable"), true,
        cadence_s={v: 60.0 * p.cadence for v, p in enumerate(world.places, 1)},
    )  # fmt: skip
    return {f"{one.venue} ({one.sides})": one.test.answer for one in tests}
