"""The assumptions are what the method says they are."""

import numpy as np
import pytest

from analytics.liquidation.price import log_distance
from analytics.liquidation.prior import (
    RUNGS,
    Omega,
    Particles,
    Terms,
    astray,
    corners,
    distances,
    hazards,
    mix,
    of_ladder,
    omega_draws,
    tier_spread,
    unlearned,
)
from analytics.settings import Settings


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


LADDER = ((0.0, 0.004), (50e3, 0.005), (600e3, 0.0065), (3e6, 0.01))


def test_usual_positions_have_the_first_two_tiers_and_large_ones_their_own() -> None:
    assert of_ladder(125.0, LADDER, 1e6) == Terms(125.0, pytest.approx(0.0045), 0.0065)
    assert of_ladder(125.0, LADDER, 5e6).large == 0.01
    assert of_ladder(40.0, ((0.0, 0.0125), (150e6, 0.025)), 1e6) == Terms(40.0, 0.0125, 0.0125), "no second tier below"
    steep = of_ladder(100.0, ((0.0, 0.005), (10e3, 0.025)), 1e6)
    assert steep == Terms(100.0, 0.0075, 0.025), "half-way to what opens one, so that the highest leverage has a price"
    assert np.isfinite(distances("linear", steep)).all()
    assert of_ladder(20.0, (), 1e6) == Terms(20.0)


def test_a_large_position_is_closed_nearer_by_the_spread_of_the_tiers_at_any_leverage() -> None:
    terms = of_ladder(125.0, LADDER, 5e6)
    assert tier_spread(terms) == pytest.approx(np.log(0.9955 / 0.99))
    for payoff in ("linear", "inverse"):
        for side in (1, -1):
            for leverage in (2.0, 20.0):
                usual, large = (log_distance(payoff, side, leverage, r) for r in (terms.rate(), 0.01))
                assert usual is not None
                assert large is not None
                assert abs(usual) - abs(large) == pytest.approx(tier_spread(terms), rel=0.02)
    assert tier_spread(Terms(100.0)) == 0.0


def test_what_strays_is_a_normal_distribution() -> None:
    steps = astray()
    assert (steps.mean(), steps.std()) == (pytest.approx(0.0, abs=1e-12), pytest.approx(1.0))
    assert steps == pytest.approx(-steps[::-1])


def test_other_settings_make_other_assumptions() -> None:
    s = Settings(
        map_mix_speculative=(1.0,) * 11, map_holding_days=(5.0,) * 11, map_holding_none_days=20.0,
        map_exposed_share=0.95, map_transfer_spread=0.3, map_holding_scale=2.0, map_alpha=3.0, map_beta=6.0,
    )  # fmt: skip
    assert mix("speculative", 100, s) == pytest.approx(np.full(11, 1 / 11))
    assert mix("mixed", 100, s)[0] == pytest.approx((1 / 11 + 0.35) / 2)
    assert hazards(np.array([1.0]), s)[:, 0] == pytest.approx([*[0.2] * 11, 0.05])
    chi, tau, exposed = corners(s)
    assert (chi.min(), chi.max(), exposed.max()) == (0.0, 0.5, 1.0), "shares end at 0 and 1"
    assert (tau.min(), tau.max()) == pytest.approx((1.4, 2.6))
    assert unlearned(s).mean() == pytest.approx(np.full(11, 0.5))
