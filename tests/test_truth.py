"""A small slice of the benches that hold the analyses against known truth: fixed seed, wide bounds, few days."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from analytics.episodes import Forced
from bench import nulls
from bench.truth_endings import meant
from bench.truth_faults import alerts, doubled, faults, glitch, moved
from bench.truth_labels import earned
from bench.truth_map import bars, walk
from bench.truth_seen import HOUR_MS, Seen
from bench.truth_table import policies
from simulator.truth import Truth, World, run
from simulator.truth_people import PLACES
from simulator.truth_script import Scripted


@cache
def market() -> Truth:
    return run(7, 5, before=3)


@cache
def walked() -> dict[str, Any]:
    return walk(market(), 1)


def test_the_map_holds_as_much_on_each_side_as_is_open() -> None:
    assert walked()["drift"] < 1e-9


def test_the_true_map_beats_the_fixed_ladder() -> None:
    true, fixed = (walked()[name]["gains"]["uniform"][0] for name in ("true", "ladder"))
    assert true > 0
    assert true > fixed


def test_the_map_is_of_the_size_of_what_died_and_the_fixed_ladder_is_not() -> None:
    ours, fixed = walked()["map"]["ratio"], walked()["ladder"]["ratio"]
    assert 0.2 < ours < 5
    assert abs(np.log(ours)) < abs(np.log(fixed))


def test_three_days_do_not_validate_a_map_that_gains_nothing() -> None:
    told = walked()["map"]
    assert told["days"] == 3
    assert told["validated"] == (told["skill"][1] > 0)


def test_a_map_with_another_policy_is_another_map_and_loses_nothing() -> None:
    short = run(7, 2, before=0)
    usual, other = walk(short, 0), walk(short, 0, policy="lifo")
    assert max(usual["drift"], other["drift"]) < 1e-9
    assert other["map"]["ratio"] != pytest.approx(usual["map"]["ratio"], rel=1e-6)
    assert other["ladder"] == usual["ladder"]


def test_policies_are_compared_on_the_markets_that_saw_all_of_them() -> None:
    def run(skill: float | None, ratio: float) -> dict[str, Any]:
        return {"map": {"skill": None if skill is None else [skill, skill - 1, skill + 1], "ratio": ratio}}

    others = {"pro_rata": run(0.1, 1.0), "fifo": run(-0.2, 3.0), "lifo": run(None, 1.0)}
    rows = policies([{"map": run(0.3, 2.0), "policies": others}, {"map": run(9.0, 9.0), "policies": {}}])
    assert [(r["what"].split()[4], r["value"]) for r in rows] == [
        ("age_hazard:", 0.3), ("pro_rata:", 0.1), ("fifo:", -0.2)
    ]  # fmt: skip
    assert rows[2]["note"] == "1 markets, 0 with skill >= 0, predicted / realised 3"


def test_bars_of_the_market_add_up_to_its_minutes() -> None:
    frame, truth = bars(market(), 5), market()
    north = frame[frame["venue"] == "north"]
    assert north["opened"].sum() == pytest.approx(truth.opened[:, 0].sum())
    assert north["native"].iloc[-1] == truth.amount[-1, 0]


def test_a_glitch_of_the_unit_never_becomes_a_row() -> None:
    rows = bars(market(), 1)
    rows = rows[rows["t"] > rows["t"].max() - 7_200_000]
    late = (rows["t"] > rows["t"].max() - 1_800_000).to_numpy()
    broken, noted = glitch(rows, late & (rows["venue"] == "north").to_numpy())
    assert len(rows) - len(broken) == 2
    assert broken["native"].max() <= rows["native"].max()
    assert noted is not None
    assert noted.empty


def test_a_change_of_sides_raises_nothing_and_would_if_nobody_had_noted_it() -> None:
    seen = Seen(market())
    end = int(seen.by_step[1]["t"].max())
    aware, unaware = 0, 0
    for k, place in enumerate(market().places):
        now = end - k * HOUR_MS
        rows, day = seen.cut(1, now - 2 * HOUR_MS, now), seen.cut(5, now - 25 * HOUR_MS, now)
        before, _ = alerts(seen, now, (rows, None), day)
        mine = ((rows["venue"] == place.venue) & (rows["t"] > now - HOUR_MS // 2)).to_numpy()
        broken, noted = doubled(rows, mine)
        assert noted is not None
        assert noted["ratio"].tolist() == [2.0], place.venue
        assert len(broken) == len(rows), "what was held is released"
        aware += bool(alerts(seen, now, (broken, noted), day)[0] - before)
        unaware += bool(alerts(seen, now, (broken, None), day)[0] - before)
    assert aware == 0
    assert unaware > 0


@pytest.mark.parametrize("kind", ["outage", "freeze", "late_ticks", "duplicates", "clock_skew", "venue_death"])
def test_what_a_venue_gets_wrong_is_no_divergence(kind: str) -> None:
    told = faults(Seen(market()), [90, 100])
    assert told[kind] == {"hours": 2, "divergence": 0, "deleveraging": 0}


def test_what_a_script_is_called_is_not_all_that_it_earns() -> None:
    size = {p.venue: p.coins for p in PLACES}
    others = {v: 3000.0 / s for v, s in size.items() if v != "north"}
    away = Scripted("rotation", 0, 60, "north", others | {"north": -3000.0 * len(others) / size["north"]})
    assert earned(away, PLACES) == {"venue_rotation", "conviction_institutional"}
    assert earned(Scripted("concentrated_inflow", 0, 60, "hill", {"hill": 0.2}), PLACES) == {"concentrated_inflow"}
    assert earned(Scripted("price_only", 0, 60), PLACES) == set()


def scripted_end(
    lead: float, rest: float, *, drift: float = 0.0, fall: float = 0.0, crossed: float = 0.5, heavy: float = 0.0
) -> str:
    """What came of a gap of 6 % that the speculative venues opened in an hour, after which the two sides went on by so
    much within an hour, while the market itself drifted by `drift` in favour of the others."""
    calm, first, n = market(), 3 * 1440, 26 * 60
    world = World(7, 1, before=1)
    mine = np.array([p.cls == "speculative" for p in world.places])
    hour = np.clip(np.arange(n) / 60.0 - np.array([[0.0], [2.0]]), 0, 1)[:, :, None]
    moved = hour[0] * np.where(mine, 0.06, 0.0) + hour[1] * np.where(mine, lead, rest)
    other = np.exp(np.arange(n)[:, None] / n * np.where(mine, 0.0, drift))
    amount = calm.amount.copy()
    amount[first : first + n] = calm.amount[first] * other
    mark = np.full(n, calm.mark[first]) * np.where(np.arange(n) < 130, 1.0, 1.0 - fall)
    fork = replace(calm, start=first, amount=calm.amount[first] * other * (1 + moved), mark=mark)
    seen = [Seen.__new__(Seen) for _ in range(2)]
    seen[0].truth, seen[1].truth, seen[1].at = replace(calm, amount=amount), fork, 0
    script = [Scripted("conviction_speculative", first, first + 60, "speculative")]
    return meant(*seen, world, script, first, Forced(lambda _: heavy, lambda _, __: crossed))


def test_an_ending_is_what_the_script_did_whatever_went_on_beside_it() -> None:
    assert scripted_end(-0.06, 0.0) == "leader_reversed"
    assert scripted_end(0.0, 0.06) == "laggards_caught_up"
    assert scripted_end(-0.03, 0.03) == "mixed"
    assert scripted_end(0.0, 0.0) == "expired"
    assert scripted_end(0.0, 0.0, drift=0.08) == "expired", "others came, but not by the script"
    assert scripted_end(-0.06, 0.0, drift=0.08) == "leader_reversed"
    assert scripted_end(-0.06, 0.0, fall=0.10, heavy=96.0) == "price_resolved_cascade"
    assert scripted_end(-0.06, 0.0, fall=0.10, heavy=94.0) == "leader_reversed", "closed before the leaders lost 5 %"
    assert scripted_end(-0.06, 0.0, fall=0.10, heavy=96.0, crossed=0.2) == "leader_reversed"
    assert scripted_end(-0.08, -0.03, fall=0.10) == "price_resolved_cascade", "the leaders lost 6 %"
    assert scripted_end(-0.08, -0.03) == "leader_reversed"


def test_a_price_alone_is_played_over_what_everybody_held_anyway() -> None:
    calm, script = Seen(market()), Scripted("price_only", 4320, 4680, shock=0.03)
    rows, before = (of.by_step[1] for of in (moved(calm, script), calm))
    both = rows.merge(before, on=["instrument_id", "t"], suffixes=("", "_calm"))
    assert len(both) == len(rows) == 360 * len(PLACES)
    assert (both["native"] == both["native_calm"]).all()
    assert both["liquidated_long"].tolist() == both["liquidated_long_calm"].tolist()
    ratio = (both["mark"] / both["mark_calm"]).to_numpy().reshape(360, -1)
    assert ratio[:, 0] == pytest.approx(np.exp(0.03 * np.arange(1, 361) / 360))
    linear = both["payoff"] == "linear"
    assert (both["usd"] / both["usd_calm"])[linear].max() == pytest.approx(np.exp(0.03))
    assert (both["usd"] == both["usd_calm"])[~linear].all()


def test_null_rates_of_a_few_windows_are_near_their_levels() -> None:
    found = {(r["rule"], r["world"]): r["rate"] for r in nulls.run(windows=300, histories=40)["rows"]}
    assert found["median of R", "10 venues, independent normal flows"] == pytest.approx(0.72, abs=0.06)
    assert found["R >= 0.80 and sign-flip p <= 0.05", "10 venues, independent normal flows"] <= 0.09
    assert found["alert: percentile >= 98.76", "random walk, normal steps"] <= 0.1
