import pytest

from analytics.integrity import SideTest, duplicates, feasible, implied_price, side_test, violation_share


def test_dollars_over_coins_far_from_the_peers_price_is_a_unit_error():  # T4
    found = implied_price(372_087_921.98, 6_929.464632, 60_900)
    assert found is not None
    assert found.implied == pytest.approx(53_696.489085, rel=1e-6)
    assert found.log_ratio == pytest.approx(-0.125886, abs=1e-6)
    assert not found.passes


def test_a_price_cannot_be_implied_by_nothing():
    assert implied_price(0.0, 0.0, 60_900) is None


def test_a_change_beyond_the_traded_volume_is_not_trading():  # T22
    assert violation_share(-900, 600) == pytest.approx(1 / 3)
    assert violation_share(0, 600) == 0
    assert feasible(630, 600)
    assert not feasible(631, 600)
    assert feasible(631, 600, lot=1)


def test_sides_are_told_by_changes_larger_than_the_volume():
    calm = [0.5] * 195
    volume = [1.0] * 200
    assert side_test([*calm, *[1.5] * 5], volume) == SideTest("two_sided", 200, 5, 0, 1.5)
    assert side_test([*calm, *[-0.9] * 5], volume).answer == "consistent_with_one"
    assert side_test([*calm, *[1.5] * 4, 0.1], volume).answer == "undecided"
    assert side_test([*calm, 2.2, *[1.5] * 4], volume).answer == "undecided"
    assert side_test([*calm, 2.2, 2.2, *[1.5] * 3], volume) == SideTest("implausible_or_delayed", 200, 3, 2, 2.2)
    assert side_test([1.5] * 10, [1.0] * 10).answer == "undecided"
    assert side_test([], []) == SideTest("undecided", 0, 0, 0, None)


def test_one_venue_under_two_names():
    same = {"a": [1.2345678901, 2.0, 3.0], "b": [1.2345678901, 2.0, 3.0], "c": [1.2345, 2.0, 3.0]}
    assert duplicates(same) == (("a", "b"),)
    assert duplicates({}) == ()
