import pytest

from analytics.multiplicity import benjamini_hochberg, benjamini_yekutieli, wilson

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
