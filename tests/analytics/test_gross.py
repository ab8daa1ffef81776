import numpy as np
import pytest

from analytics import gross
from analytics.gross import blindness, blindness_law, folded_normal, of, slope


def test_polling_hides_what_opened_and_closed_in_between():  # T16
    assert of([0, 200, 50]).gross == 350
    assert of([0, 50]).gross == 50
    seen = blindness([0, 200, 50], 2)
    assert seen is not None
    assert seen.mean == pytest.approx(0.857143, rel=1e-6)


def test_a_five_second_poll_of_a_path():  # T16
    path = [0, 5, 3, 8, 6, 9]
    assert (of(path).gross, of(path).net) == (17, 9)
    seen = blindness(path, 5)
    assert seen is not None
    assert (seen.mean, seen.offsets) == (pytest.approx(0.470588, rel=1e-6), 1)


def test_the_square_root_law():  # T16
    assert blindness_law(1, 30) == pytest.approx(0.817426, rel=1e-6)
    assert blindness_law(30, 30) == 0.0


def test_the_folded_normal():  # T16
    assert folded_normal(2, 3) == pytest.approx(2.906718, rel=1e-6)
    assert folded_normal(-2, 0) == 2


def test_noise_has_slope_minus_one_half():
    assert slope([1, 4, 16], [8, 4, 2]) == pytest.approx(-0.5)
    assert slope([1], [8]) is None


def test_a_path_that_never_moved_is_not_blind():
    assert blindness([3, 3, 3], 2) is None
    assert of([]).gross == 0


def test_polls_of_a_random_walk_hide_by_the_square_root():
    x = np.cumsum(np.random.default_rng(2).normal(size=20_000))
    found = gross.polled(np.arange(20_000) * 1000, x)
    assert found is not None
    hidden = {period: 1 - g / found.native for period, g, _, _ in found.polls}
    assert hidden[30] == pytest.approx(0.817426, abs=0.02)
    assert found.slope == pytest.approx(-0.5, abs=0.05)


def test_a_one_way_build_hides_nothing_and_a_flicker_all_but_everything():
    up = gross.polled(np.arange(5000) * 1000, np.arange(5000.0))
    assert up is not None
    assert max(most for _, _, _, most in up.polls) == pytest.approx(0.0, abs=1e-9)
    assert up.slope == pytest.approx(0.0, abs=0.01)
    assert gross.polled([0, 1000, 2000, 3000], [5.0] * 4) is None
