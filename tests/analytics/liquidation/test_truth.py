"""A map against positions it never saw: equal shapes are no distance apart, a shift is as far as it is."""

from dataclasses import replace

import numpy as np
import pytest

from analytics.liquidation.answer import Band, Bin, LiquidationMap
from analytics.liquidation.truth import against, apart, moved

BAND = Band(0.0, 0.0, 0.0)
MARK = 100.0
EDGES = MARK * np.exp(np.arange(-200, 201) * 1e-3)


def mapped(longs: np.ndarray) -> LiquidationMap:
    middle = (EDGES[:-1] + EDGES[1:]) / 2
    bins = tuple(
        Bin(float(low), float(high), float(m / MARK - 1) * 100, float(usd), 0.0, BAND, BAND, 0.0, 0.0)
        for low, high, m, usd in zip(EDGES[:-1], EDGES[1:], middle, longs, strict=True)
    )  # fmt: skip
    return LiquidationMap(
        "BTC", 0, 0.0, MARK, "unvalidated", "", "modelled", (), (), bins, (), (), float(longs.sum()), 0.0, BAND, BAND,
        10_000.0, 1.0, 0.0, 0.0, 0.0, 0.0, (), "age_hazard", "test",
    )  # fmt: skip


def positions(cells: range) -> tuple[list[str], np.ndarray, np.ndarray]:
    price = np.array([(EDGES[k] + EDGES[k + 1]) / 2 for k in cells])
    return ["long"] * len(price), np.ones(len(price)), price


def test_the_same_shape_is_no_distance_apart_and_its_amount_is_scaled_by_what_was_seen():
    cells = range(160, 190)
    side, base, price = positions(cells)
    longs = np.zeros(400)
    longs[list(cells)] = 2 * price
    found = against(mapped(longs), side, base, price)
    first, second = found
    assert (first.side, first.positions, first.covered) == ("long", 30, pytest.approx(0.3))
    assert first.wasserstein_bp == pytest.approx(0.0, abs=1e-9)
    assert first.jensen_shannon == pytest.approx(0.0, abs=1e-12)
    assert first.mass_ratio_5pct == pytest.approx(2 * 0.3)
    assert (second.positions, second.wasserstein_bp) == (0, None)


def test_a_shift_of_fifty_basis_points_is_fifty_basis_points():
    side, base, price = positions(range(160, 190))
    longs = np.zeros(400)
    longs[155:185] = np.array([(EDGES[k] + EDGES[k + 1]) / 2 for k in range(160, 190)])
    found = against(mapped(longs), side, base, price)[0]
    assert found.wasserstein_bp == pytest.approx(50.0, rel=1e-6)
    assert found.jensen_shannon is not None
    assert 0 < found.jensen_shannon < 1


def test_nothing_in_common_is_one_and_few_positions_say_nothing():
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert apart(a, b) == pytest.approx(1.0)
    assert moved(a, b, np.array([10.0, 10.0])) == pytest.approx(10.0)
    side, base, price = positions(range(160, 170))
    few = against(mapped(np.ones(400)), side, base, price)[0]
    assert (few.positions, few.wasserstein_bp, few.jensen_shannon) == (10, None, None)
    assert against(replace(mapped(np.ones(400)), mark=None), side, base, price) == ()
