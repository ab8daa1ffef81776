import numpy as np
import pytest

from analytics.thresholds import centre_and_scale, material, own_percentile, rank

PAST = np.arange(1.0, 101.0)


def test_own_history_sets_the_threshold_once_it_is_long_enough():
    t = own_percentile("x", PAST, 90.0, unit="USD", need=100, default=5.0)
    assert (t.value, t.origin, t.n) == (pytest.approx(90.1), "own_history", 100)
    t = own_percentile("x", PAST, 90.0, unit="USD", need=101, default=5.0)
    assert (t.value, t.origin) == (5.0, "default_threshold")


def test_material_is_the_larger_of_both():
    assert material("x", PAST, 90.0, 500.0, unit="USD", need=100).origin == "fixed"
    assert material("x", PAST, 90.0, 50.0, unit="USD", need=100).origin == "own_history"
    assert material("x", PAST[:3], 90.0, 50.0, unit="USD", need=100).origin == "default_threshold"


def test_a_rank_counts_what_lies_below():
    assert rank(PAST, 50.0) == 49.0
    assert rank(np.array([np.nan]), 1.0) is None


def test_a_scale_of_zero_falls_back():
    assert centre_and_scale(np.array([1.0] * 6 + [2.0] * 3))[1] == pytest.approx(1 / 1.349)
    assert centre_and_scale(np.array([1.0] * 9 + [2.0]))[1] == pytest.approx(0.1 * 1.2533)
    assert centre_and_scale(np.ones(5))[1] is None
