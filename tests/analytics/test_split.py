import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.split import split


def test_the_change_of_a_linear_contract_is_quantity_and_price():  # T5
    s = split(100_000, 98_000, 100_000 * 100_000, 98_000 * 110_000)
    assert (float(s.quantity), float(s.price)) == (pytest.approx(-210e6), pytest.approx(990e6))
    assert float(s.total) == pytest.approx(780e6)


def test_an_inverse_contract_has_no_price_effect():  # T5
    s = split(500e6, 520e6, 500e6, 520e6)
    assert (float(s.quantity), float(s.price)) == (20e6, 0.0)


def test_a_position_opened_from_nothing_is_all_quantity():
    s = split(0.0, 10.0, 0.0, 1000.0)
    assert (float(s.quantity), float(s.price)) == (1000.0, 0.0)


sizes = st.floats(1e-3, 1e7) | st.just(0.0)


@given(sizes, sizes, st.floats(1e-2, 1e6), st.floats(1e-2, 1e6))
def test_the_parts_add_up(n0: float, n1: float, p0: float, p1: float):
    s = split(n0, n1, n0 * p0, n1 * p1)
    size = abs(float(s.quantity)) + abs(float(s.price)) + n0 * p0 + n1 * p1 + 1.0  # 14 digits of what is added up
    assert float(s.total) == pytest.approx(n1 * p1 - n0 * p0, abs=1e-14 * size)


def test_what_is_unknown_stays_unknown():
    assert np.isnan(split(np.nan, 1.0, np.nan, 1.0).quantity)
