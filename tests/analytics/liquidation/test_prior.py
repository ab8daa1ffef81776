"""The assumptions are what the method says they are."""

import numpy as np
import pytest

from analytics.liquidation.prior import RUNGS, Omega, Particles, Terms, distances, hazards, mix, omega_draws


def test_mixes_sum_to_one_and_institutions_sit_one_rung_down() -> None:
    speculative, institutional, mixed = (mix(name, 100) for name in ("speculative", "institutional", "mixed"))
    for weights in (speculative, institutional, mixed):
        assert weights.sum() == pytest.approx(1.0)
    assert speculative[:3] == pytest.approx([0.15, 0.20, 0.20])
    assert institutional == pytest.approx([0.35, 0.20, 0.13, 0.10, 0.07, 0.05, 0.04, 0.03, 0.02, 0.01, 0.0])
    assert mixed == pytest.approx((speculative + institutional) / 2)
    assert (mix("unheard of", 100) == mixed).all()


def test_what_a_venue_forbids_joins_its_highest_rung() -> None:
    assert mix("speculative", 20)[6:] == pytest.approx([0.05 + 0.04 + 0.03 + 0.02 + 0.01, 0, 0, 0, 0])
    assert mix("speculative", 1.5)[0] == pytest.approx(1.0)


def test_particles_surround_the_defaults() -> None:
    particles = Particles()
    assert len(particles) == 8
    assert [p.mean() for p in (particles.chi, particles.tau, particles.exposed)] == pytest.approx([0.2, 1.0, 0.6])
    assert len(set(zip(particles.chi, particles.tau, particles.exposed, strict=True))) == 8


def test_short_distances_are_held_for_shorter() -> None:
    rates = hazards(np.array([1.0]))[:, 0]
    assert rates[:-1] == pytest.approx(1 / np.array([10, 10, 6, 4, 2, 1.2, 0.7, 0.4, 0.2, 0.1, 0.08]))
    assert rates[-1] == 0.1


def test_distances_shrink_along_the_rungs_and_margin_below_maintenance_has_none() -> None:
    table = distances("linear", Terms(100.0))
    assert table[0] == pytest.approx([np.log((1 - 1 / rung) / 0.995) for rung in RUNGS])
    assert table[1] == pytest.approx([np.log((1 + 1 / rung) / 1.005) for rung in RUNGS])
    assert np.isnan(distances("linear", Terms(100.0, 0.015))[:, -2:]).all()
    assert Terms(40.0).rate() == 0.0125


def test_omega_draws_keep_the_mean() -> None:
    """T19: alpha = beta = 2, 3 M USD observed against 8 expected."""
    omega = Omega((5.0,) * 11, (10.0,) * 11)
    assert omega.mean() == pytest.approx(np.full(11, 0.5))
    draws = omega_draws(np.asarray(omega.alpha), np.asarray(omega.beta), 4000)
    assert draws.mean(axis=0) == pytest.approx(np.full(11, 0.5))
    assert draws.std(axis=0) == pytest.approx(np.full(11, 0.223607), rel=5e-3)
    few = omega_draws(np.full(11, 2.0), np.full(11, 2.0))
    assert few.shape == (8, 11)
    assert few.mean(axis=0) == pytest.approx(np.ones(11))
    assert len({tuple(np.argsort(column)) for column in few.T}) > 1, "classes err apart"
