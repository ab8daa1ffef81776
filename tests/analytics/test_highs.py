import numpy as np
import pytest

from analytics import highs


def test_three_quarters_of_the_high_is_normal():  # T15
    h = highs.of(np.array([40.0] + [30.0] * 199))
    assert (h.share, h.zone, h.high) == (0.75, "normal", 40.0)


@pytest.mark.parametrize(
    ("share", "zone"), [(0.59, "depressed"), (0.60, "normal"), (0.90, "normal"), (0.91, "near_high")]
)
def test_zones(share: float, zone: str):
    assert highs.zone(share) == zone


@pytest.mark.parametrize(("run", "fires"), [(30, False), (31, True)])
def test_a_plateau_fires_on_the_thirty_first_close(run: int, fires: bool):  # T15
    h = highs.of(np.array([100.0] + [50.0] * 200 + [85.0] * run))
    assert (h.plateau_days, h.plateau) == (run, fires)


def test_one_missing_close_is_passed_over_and_a_low_one_resets():
    assert highs.plateau_days([0.9] * 20 + [None] + [0.9] * 15) == 35
    assert highs.plateau_days([0.9] * 20 + [None, None] + [0.9] * 15) == 15
    assert highs.plateau_days([0.9] * 20 + [0.8] + [0.9] * 15) == 15


def test_half_a_year_is_needed():
    h = highs.of(np.array([1.0] * 179))
    assert (h.share, h.reasons[0].code) == (None, "insufficient_history")
    assert highs.of(np.array([1.0] * 179), 1.0).share == 1.0


def test_the_high_leaves_after_a_year():
    h = highs.of(np.array([100.0] + [50.0] * 365))
    assert h.share == 1.0


def test_nothing_in_nothing_out():
    assert highs.of(np.empty(0)).share is None
