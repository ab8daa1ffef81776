"""A small slice of the benches that hold the analyses against known truth: fixed seed, wide bounds, few days."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from bench import nulls
from bench.truth_faults import alerts, doubled, faults, glitch
from bench.truth_labels import earned
from bench.truth_map import bars, walk
from bench.truth_seen import HOUR_MS, Seen
from simulator.truth import Truth, run
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


def test_null_rates_of_a_few_windows_are_near_their_levels() -> None:
    found = {(r["rule"], r["world"]): r["rate"] for r in nulls.run(windows=300, histories=40)["rows"]}
    assert found["median of R", "10 venues, independent normal flows"] == pytest.approx(0.72, abs=0.06)
    assert found["R >= 0.80 and sign-flip p <= 0.05", "10 venues, independent normal flows"] <= 0.09
    assert found["alert: percentile >= 98.76", "random walk, normal steps"] <= 0.1
