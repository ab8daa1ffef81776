import numpy as np
import pytest

from analytics.multiplicity import PROCEDURES, benjamini_hochberg, benjamini_yekutieli, expected_false, wilson
from analytics.settings import Procedure

P = (0.001, 0.012, 0.021, 0.04, 0.2, 0.6)


def test_the_first_four_are_rejected():  # T20
    assert [a.rejected for a in benjamini_hochberg(P, 0.10)] == [True] * 4 + [False] * 2
    assert [a.adjusted for a in benjamini_hochberg(P)] == pytest.approx([0.006, 0.036, 0.042, 0.06, 0.24, 0.6])


def test_the_order_given_is_the_order_returned():
    assert [a.p for a in benjamini_hochberg(P[::-1])] == list(P[::-1])


def test_the_strict_mode_rejects_less():
    assert sum(a.rejected for a in benjamini_yekutieli(P, 0.10)) == 2


def test_wilson():  # T20
    assert wilson(12, 40) == pytest.approx((0.180748, 0.454300), rel=1e-5)
    assert wilson(0, 0) is None


def test_no_tests_no_family():
    assert benjamini_hochberg(()) == ()


@pytest.mark.parametrize("procedure", ["benjamini_hochberg", "benjamini_yekutieli"])
def test_the_expected_number_of_false_alarms_is_what_chance_gives(procedure: Procedure):
    drawn = np.random.default_rng(5).uniform(size=(20_000, 12))
    found = [sum(a.rejected for a in PROCEDURES[procedure](row, 0.2)) for row in drawn.tolist()]
    assert expected_false(12, 0.2, procedure) == pytest.approx(np.mean(found), abs=4 * np.std(found) / 20_000**0.5)


def test_expected_false_alarms_of_none_of_one_and_of_many():
    assert (expected_false(0), expected_false(1)) == (0.0, pytest.approx(0.1))
    assert expected_false(3000) == pytest.approx(0.1 / 0.9**2, rel=1e-3)
