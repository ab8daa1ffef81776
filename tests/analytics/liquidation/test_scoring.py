"""How a map is scored (analytics.md, 6.8 and T19)."""

import numpy as np
import pandas as pd
import pytest

from analytics.liquidation.scoring import DistanceLaw, Swept, information_gain, ladder, ladders, score

Y = np.array([5.0, 20.0, 75.0])
M = np.array([0.1, 0.3, 0.6])


def day(number: int, realised: np.ndarray, mapped: np.ndarray, side: int = 0) -> Swept:
    return Swept(number, side, realised, mapped, {"uniform": np.ones(len(mapped)), "distance": np.ones(len(mapped))})


def test_information_gain_is_that_of_the_worked_example() -> None:
    assert information_gain(Y, M, np.ones(3), 0.0) == pytest.approx(0.359569, abs=1e-6)
    assert information_gain(Y, M, np.array([0.5, 0.3, 0.2]), 0.0) == pytest.approx(0.743487, abs=1e-6)


def test_a_map_that_says_what_the_baseline_says_gains_nothing() -> None:
    assert information_gain(Y, np.full(3, 7.0), np.ones(3)) == pytest.approx(0.0, abs=1e-12)


def test_an_empty_bin_that_liquidates_costs_a_finite_price() -> None:
    assert information_gain(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.ones(2)) == pytest.approx(np.log(0.05))


def test_a_map_that_knows_is_validated_and_one_that_guesses_is_not() -> None:
    rng = np.random.default_rng(4)
    shapes = rng.gamma(0.5, size=(40, 60))
    knows = score(day(k, s * rng.lognormal(0, 0.3, 60), s) for k, s in enumerate(shapes))
    guesses = score(day(k, s, rng.gamma(0.5, size=60)) for k, s in enumerate(shapes))
    assert knows.validated
    assert knows.skill is not None
    assert knows.skill.low > 0.2
    assert not guesses.validated
    assert knows.spearman is not None
    assert knows.spearman > 0.8
    assert knows.ratio == pytest.approx(1.0, abs=0.15)
    assert [d.bins for d in knows.deciles] == [240] * 10


def test_the_level_line_sees_a_map_that_says_twice_too_much() -> None:
    rows = [day(k, np.full(4, 2.0**k), np.full(4, 2.0 ** (k + 1))) for k in range(6)]
    found = score(rows)
    assert found.slope == pytest.approx(1.0)
    assert found.intercept == pytest.approx(-np.log(2.0))
    assert found.ratio == pytest.approx(2.0)


def test_no_days_give_a_score_that_says_nothing() -> None:
    found = score([])
    assert (found.skill, found.ratio, found.validated, found.deciles) == (None, None, False, ())


def test_days_without_a_forced_close_give_no_skill() -> None:
    assert score([day(1, np.zeros(5), np.ones(5))]).skill is None


def test_the_distance_law_knows_only_what_it_learned() -> None:
    law = DistanceLaw()
    assert law.at(np.array([0.1, 1.0])).tolist() == [1.0, 1.0]
    later = law.learned(np.array([0.1, 0.1, 1.0]), np.array([4.0, 2.0, 30.0]))
    assert later.at(np.array([0.1, 1.0])).tolist() == pytest.approx([3.0, 30.0])
    assert law.bins.sum() == 0.0


def test_the_fixed_ladder_dies_where_the_mark_went() -> None:
    mark = np.array([100.0, 100.0, 95.0])
    edges = np.arange(80.0, 121.0, 1.0)
    found = ladder(
        np.array([8.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.0]), np.full(3, 100.0), mark, np.array([100.0, 95.0, 95.0]),
        np.array([100.0, 101.5, 96.0]), 0.0, edges,
    )  # fmt: skip
    assert found[0].sum() == pytest.approx(2.0)  # 10x at 90 is what is left below
    assert found[0][10] == pytest.approx(2.0)
    assert found[1].sum() == pytest.approx(6.0)  # 100x at 101 is gone; 50x, 25x, 10x stand


def test_closures_thin_the_ladder_pro_rata() -> None:
    edges = np.arange(80.0, 121.0, 1.0)
    flat = np.full(2, 100.0)
    found = ladder(np.array([8.0, 0.0]), np.array([0.0, 50.0]), np.array([100.0, 50.0]), flat, flat, flat, 0.0, edges)
    assert found[0].sum() == pytest.approx(4.0)


def test_the_ladders_of_venues_are_usd_at_their_last_mark() -> None:
    row = {"closed": np.nan, "native": 200.0, "usd": 20_000.0, "mark": 100.0, "mark_low": 100.0, "mark_high": 100.0}
    bars = pd.DataFrame([
        {"instrument_id": 1, "venue": "one", "opened": 8.0, **row},
        {"instrument_id": 1, "venue": "one", "opened": np.nan, **row},
        {"instrument_id": 1, "venue": "one", "opened": 8.0, **row, "mark": np.nan},
        {"instrument_id": 2, "venue": "two", "opened": 4.0, **row},
        {"instrument_id": 3, "venue": "other", "opened": 4.0, **row},
    ])  # fmt: skip
    found = ladders(bars, ("two", "one"), (0.0, 0.0), np.arange(80.0, 121.0, 1.0))
    assert found.sum(axis=2).tolist() == [[400.0, 400.0], [800.0, 800.0]]


def test_precision_is_what_died_in_the_bins_that_are_called_heaviest() -> None:
    realised, mapped = np.full(20, 5.0), np.arange(20.0)
    realised[18:] = 55.0
    told = score([day(1, realised, mapped)])
    assert (told.precision, told.lift) == (pytest.approx(110 / 200), pytest.approx(11.0))
    assert score([day(1, np.zeros(20), mapped)]).precision is None


def test_a_day_without_the_ladder_has_its_other_scores() -> None:
    with_one = Swept(2, 0, Y, M, {"uniform": np.ones(3), "distance": np.ones(3), "ladder": np.array([3.0, 2.0, 1.0])})
    both = {g.baseline: g for g in score([day(1, Y, M), with_one]).gains}
    assert set(both) == {"uniform", "distance", "ladder"}
    assert both["ladder"] == next(g for g in score([with_one]).gains if g.baseline == "ladder")
