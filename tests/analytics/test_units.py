import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.units import one_sided, revalued, unit_value


def test_linear_contracts_count_coins_and_are_priced_once():  # T1
    base, usd = one_sided("linear", 2_660_239.59, 91_487.10, size=0.01)
    assert float(base) == pytest.approx(26_602.395900, rel=1e-6)
    assert float(usd) == pytest.approx(2_433_776_053.942890, rel=1e-6)


def test_an_inverse_two_sided_field_is_halved_and_never_priced():  # T2
    base, usd = one_sided("inverse", 63_910_691, 60_000, size=1, sides=2)
    assert float(usd) == 31_955_345.5
    assert float(base) == pytest.approx(532.589092, rel=1e-6)


def test_a_quanto_contract_moves_with_two_prices():  # T3
    base, usd = one_sided("quanto", 1_000_000, 3_000, size=1e-6, settle_price=90_000)
    assert float(usd) == pytest.approx(270_000_000)
    assert float(base) == pytest.approx(90_000)


def test_an_unknown_payoff_is_an_error():
    with pytest.raises(ValueError, match="options"):
        unit_value("options", 1.0)


@given(st.floats(0, 1e9), st.floats(1e-3, 1e6), st.floats(1e-3, 1e6))
def test_a_repriced_inverse_position_keeps_its_dollars_and_a_linear_one_its_coins(n: float, p0: float, p1: float):
    base, usd = one_sided("inverse", n, p0)
    assert float(revalued("inverse", base, usd, p1)[1]) == n
    base, usd = one_sided("linear", n, p0)
    assert float(revalued("linear", base, usd, p1)[0]) == n


@pytest.mark.parametrize("payoff", ["linear", "inverse", "quanto"])
def test_a_two_sided_field_is_worth_half_whatever_the_payoff(payoff: str):
    one = one_sided(payoff, 1000.0, 50.0, size=0.1, settle_price=7.0)
    two = one_sided(payoff, 2000.0, 50.0, size=0.1, sides=2, settle_price=7.0)
    assert [float(x) for x in one] == pytest.approx([float(x) for x in two])
