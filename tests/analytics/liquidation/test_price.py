"""The worked examples T9 to T12 of the method, and what must hold for every tier."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.liquidation.price import (
    Tier,
    cross,
    inverse,
    linear,
    log_distance,
    quanto,
    tiers,
    tiers_of_leverage,
)

LADDER = tiers([(0, 0.004), (50_000, 0.005), (600_000, 0.0065), (3_000_000, 0.01)])
HALVED = tiers_of_leverage([(0, 40), (150_000_000, 20)])
COIN = tiers([(0, 0.004), (50, 0.005), (250, 0.01)])


def flat(rate: float) -> tuple[Tier, ...]:
    return tiers([(0, rate)])


def exactly(value: float) -> object:
    return pytest.approx(value, rel=1e-10)


def test_deductions_make_maintenance_continuous() -> None:
    assert [t.deduction for t in LADDER] == pytest.approx([0, 50, 950, 11_450])
    assert [t.deduction for t in COIN] == pytest.approx([0, 0.05, 1.30])
    assert LADDER[-1].upper == inf
    assert tiers([]) == ()


def test_t9_linear() -> None:
    assert linear(1, 100_000, 10, 20, LADDER) == exactly(95_525.918470)
    assert linear(-1, 100_000, 10, 20, LADDER) == exactly(104_416.294088)


def test_t10_the_tier_at_the_liquidation_price_counts() -> None:
    assert linear(1, 101_000, 6, 10, LADDER) == exactly(91_348.408710)
    assert linear(1, 101_000, 6, 10, [Tier(0, inf, 0.0065, 950)]) == exactly(91_335.346418), "the tier at entry"
    assert linear(-1, 99_000, 6, 10, LADDER) == exactly(108_354.032125)


def test_t11_tiers_stated_as_maximum_leverage() -> None:
    assert linear(1, 100_000, 1, 20, HALVED) == exactly(96_202.531646)
    assert linear(-1, 100_000, 1, 20, HALVED) == exactly(103_703.703704)
    assert HALVED[1].deduction == exactly(1_875_000)
    assert linear(1, 100_000, 2_000, 10, HALVED) == exactly(91_346.153846)
    assert linear(1, 100_000, 1_600, 5, HALVED) == exactly(81_012.658228)
    assert cross(1, 95_000, 1, 10_000, HALVED) == exactly(86_075.949367)


def test_t12_inverse_and_quanto() -> None:
    assert inverse(1, 50_000, 1, 10, flat(0.005)) == exactly(45_681.818182)
    assert inverse(-1, 50_000, 1, 10, flat(0.005)) == exactly(55_277.777778)
    assert inverse(1, 50_000, 10e6, 10, COIN) == exactly(45_671.438309)
    assert inverse(-1, 50_000, 10e6, 10, COIN) == exactly(55_293.136982)
    third = inverse(1, 50_000, 12e6, 3, COIN)
    assert third == exactly(37_721.755369)
    assert third is not None
    assert 12e6 / third == pytest.approx(318.118812, rel=1e-8)
    assert quanto(1, 3_000, 20, 0.01) == exactly(2_878.787879)
    assert quanto(-1, 3_000, 20, 0.01) == exactly(3_118.811881)


def test_some_positions_no_price_can_close() -> None:
    assert inverse(-1, 50_000, 1, 1, flat(0.005)) is None, "a short that holds its coin"
    assert linear(1, 50_000, 1, 1, flat(0.005)) is None, "a long that is paid in full"
    assert cross(1, 100, 1, 1_000, flat(0.01)) is None
    assert log_distance("inverse", -1, 1.0, 0.005) is None
    assert linear(1, 50_000, 1, 10, ()) is None


@given(
    side=st.sampled_from([1, -1]),
    entry=st.floats(1e-3, 1e6),
    value=st.floats(10, 1e8),
    leverage=st.floats(1.5, 60),
)
def test_margin_equals_maintenance_at_the_liquidation_price(
    side: int, entry: float, value: float, leverage: float
) -> None:
    quantity = value / entry
    price = linear(side, entry, quantity, leverage, LADDER)
    assert price is not None
    tier = next(t for t in reversed(LADDER) if quantity * price >= t.lower * (1 - 1e-9))
    left = value / leverage + side * quantity * (price - entry)
    assert left == pytest.approx(quantity * price * tier.rate - tier.deduction, rel=1e-6, abs=value * 1e-9)


@given(leverage=st.floats(1.5, 100), rate=st.floats(0.001, 0.005))
def test_an_inverse_short_is_a_linear_long_in_the_reciprocal_price(leverage: float, rate: float) -> None:
    down, up = log_distance("linear", 1, leverage, rate), log_distance("inverse", -1, leverage, rate)
    assert down is not None
    assert up == pytest.approx(-down, abs=1e-12)
