import numpy as np
import pytest

from analytics import conviction
from analytics.thresholds import MAD_TO_SD


def history(centre: float, scale: float, n: int = 101) -> np.ndarray:
    """A past whose median is `centre` and whose 1.4826 MAD is `scale`."""
    return centre + np.linspace(-2, 2, n) * scale / MAD_TO_SD


def test_the_gap_of_the_classes_in_own_scales():  # T18
    past = history(0.005, 0.02)
    c = conviction.of(10 / 200, -5 / 200, past, np.zeros(101), speculative=("a", "b"), institutional=("c", "d"))
    assert c.diff == pytest.approx(0.075)
    assert c.cd == pytest.approx(3.5)


def test_opposite_and_extreme_growth_is_conviction():
    s, i = history(0.0, 0.01), history(0.0, 0.005)[::-1]
    assert conviction.of(0.06, -0.02, s, i).label == "conviction_speculative"
    assert conviction.of(-0.06, 0.02, s, i).label == "conviction_institutional"
    assert conviction.of(0.08, 0.01, s, i).label == "relative_tilt"
    assert conviction.of(0.06, -0.001, s, i).label is None
    assert conviction.of(0.004, -0.003, s, i).label is None


def test_one_venues_move_is_not_its_classs():
    past = {"past_s": history(0.0, 0.01), "past_i": history(0.0, 0.005)[::-1]}
    quiet = np.array([0.3, -0.2, 0.1, -0.4])
    alone, all_of_them = np.array([9.0, 0.1, -0.3, 0.2]), np.array([4.0, 3.0, 5.0, 3.5])
    told = conviction.of(0.06, -0.02, **past, x_s=all_of_them, x_i=quiet)
    assert (told.label, told.p) == ("conviction_speculative", pytest.approx(2 / 70))
    withheld = conviction.of(0.06, -0.02, **past, x_s=alone, x_i=quiet)
    assert withheld.label is None
    assert withheld.reasons[-1].code == "too_few_venues"
    few = conviction.of(0.06, -0.02, **past, x_s=alone[:2], x_i=quiet[:2])
    assert few.label == "conviction_speculative", "so few can never reach 5 %: the rule alone decides"


def test_a_young_history_gives_no_label():
    c = conviction.of(0.5, -0.5, np.zeros(59), np.zeros(59))
    assert (c.cd, c.label) == (None, None)
    assert [r.code for r in c.reasons] == ["insufficient_history"]


def test_a_far_percentile_wants_as_many_windows_as_any_threshold():
    s, i = history(0.0, 0.01, 199), history(0.0, 0.005, 199)[::-1]
    young = conviction.of(0.06, -0.02, s, i, need=200)
    assert (young.threshold, young.label) == (None, None)
    assert young.cd is not None
    assert [r.code for r in young.reasons] == ["insufficient_history"]
    old = conviction.of(0.06, -0.02, s, i, need=199)
    assert (old.cd, old.label) == (young.cd, "conviction_speculative")


def test_a_class_nobody_represents_says_so():
    c = conviction.of(0.5, None, np.zeros(99), np.zeros(99), speculative=("a",))
    assert c.diff is None
    assert {r.code for r in c.reasons} == {"too_few_venues"}


def test_labels_are_permuted_exactly():
    assert conviction.permuted(np.array([5.0, 6.0, 7.0]), np.array([1.0, 0.0, 2.0])) == pytest.approx(2 / 20)
    assert conviction.permuted(np.array([np.nan]), np.array([1.0])) is None
