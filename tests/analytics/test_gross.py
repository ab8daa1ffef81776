import pytest

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
