import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.rotation import measured, persistence

M = 1e6


@pytest.mark.parametrize(
    ("flows", "share", "came", "went", "p"),
    [
        ((400, -350), 0.933333, 400, 350, 0.5),
        ((120, -80, -30, 15, -5), 0.92, 135, 115, 0.1875),
        ((210, -60, -55, -40, -30, -20, 5), 0.976190, 215, 205, 0.03125),
    ],
)
def test_rotation_of_one_window(flows: tuple[float, ...], share: float, came: float, went: float, p: float):  # T6
    found = measured(np.array(flows) * M)
    assert pytest.approx(share, rel=1e-6) == found.R
    assert (found.inflow_usd, found.outflow_usd, found.p) == (came * M, went * M, p)
    assert found.rotated_usd == min(came, went) * M


def test_persistence_of_three_windows():  # T6
    vr, p = persistence(np.array([[30, -25, -5], [10, -8, -4], [-20, 15, 4]], float)) or (None, None)
    assert vr == pytest.approx(5 / 2371)
    assert p is not None
    assert p < 0.05


def test_no_flow_has_no_rotation():
    assert measured(np.zeros(4)).R is None
    assert persistence(np.zeros((6, 4))) is None
    assert measured(np.array([np.nan, np.inf])).R is None


def test_many_venues_are_sampled_and_give_the_same_answer_twice():
    flows = np.random.default_rng(3).normal(size=20)
    assert not measured(flows).exact
    assert measured(flows).p == measured(flows).p


@given(st.lists(st.floats(-1e9, 1e9), max_size=10))
def test_rotation_lies_between_zero_and_one(flows: list[float]):
    found = measured(np.array(flows))
    if found.R is not None:
        assert 0.0 <= found.R <= 1.0
        assert found.p is not None
        assert 0.0 < found.p <= 1.0
