"""The loop that scales the map by what died (analytics.md, 6.9 and T19)."""

import numpy as np
import pytest

from analytics.liquidation.calibration import Counts, learned, omegas, posterior
from analytics.liquidation.prior import CLASSES
from analytics.settings import Settings


def one_class(k: int, usd: list[float]) -> np.ndarray:
    mass = np.zeros((CLASSES, len(usd)))
    mass[k] = usd
    return mass


def test_the_worked_example() -> None:
    mean, sd = posterior(3.0, 8.0)
    assert mean == pytest.approx(0.5)
    assert sd == pytest.approx(0.223607, abs=1e-6)


def test_what_died_over_what_was_expected_scales_its_class_and_no_other() -> None:
    found = learned(Counts(), np.array([3e6]), one_class(4, [8e6]), np.zeros(1))
    omega = found.omega().mean()
    assert omega[4] == pytest.approx(0.5)
    assert np.delete(omega, 4).tolist() == [1.0] * (CLASSES - 1)


def test_classes_share_what_died_by_responsibility() -> None:
    before = Counts(*(one_class(0, [0.0])[:, 0] for _ in range(2)))
    mass = one_class(2, [6e6]) + one_class(3, [2e6])
    found = learned(before, np.array([4e6]), mass, np.zeros(1))
    assert found.observed[[2, 3]].tolist() == pytest.approx([3.0, 1.0])


def test_entries_nobody_saw_take_their_part_of_what_died() -> None:
    found = learned(Counts(), np.array([4e6]), one_class(1, [1e6]), np.array([3e6]))
    assert found.observed[1] == pytest.approx(1.0)


def test_a_day_later_the_past_counts_a_fiftieth_less() -> None:
    first = learned(Counts(), np.array([3e6]), one_class(4, [8e6]), np.zeros(1))
    later = learned(first, np.zeros(0), np.zeros((CLASSES, 0)), np.zeros(0))
    assert later.observed[4] == pytest.approx(3 * 0.98)
    assert later.expected[4] == pytest.approx(8 * 0.98)


def test_a_venue_that_hides_amounts_borrows_from_its_class_shrunk_to_one() -> None:
    told = learned(Counts(), np.array([0.0]), one_class(5, [98e6]), np.zeros(1))
    classes = {"a": "speculative", "b": "speculative", "c": "institutional"}
    found = omegas({"a": told}, classes, {"b", "c"})
    assert found["a"].mean()[5] == pytest.approx(0.02)
    assert found["b"].mean()[5] == pytest.approx(0.51)
    assert found["c"].mean().tolist() == [1.0] * CLASSES


def test_the_prior_and_what_is_forgotten_are_settings() -> None:
    s = Settings(map_alpha=4.0, map_beta=8.0, map_forgetting=0.5, map_borrowed=0.0)
    first = learned(Counts(), np.array([3e6]), one_class(4, [8e6]), np.zeros(1), settings=s)
    later = learned(first, np.zeros(0), np.zeros((CLASSES, 0)), np.zeros(0), settings=s)
    assert later.expected == pytest.approx(0.5 * first.expected)
    assert later.omega(s).mean()[0] == pytest.approx(0.5)
    assert omegas({"a": first}, {"a": "x", "b": "x"}, {"b"}, s)["b"].mean() == pytest.approx(np.ones(CLASSES))
