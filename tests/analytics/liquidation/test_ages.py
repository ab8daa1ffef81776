"""First in, first out, and last in, first out: who leaves is told by the time of entry, and nothing is lost by it."""

from collections.abc import Sequence

import numpy as np
import pytest

from analytics.liquidation import MapState, advance, from_bytes, start, to_bytes, view
from analytics.liquidation.ages import HOUR_MS, MOST
from analytics.liquidation.prior import BY_AGE
from analytics.liquidation.state import NONE, STEP, Mass
from tests.analytics.liquidation.market import bars, breathe, wander

T0 = 1_790_000_000_000 // HOUR_MS * HOUR_MS


def hourly(policy: str, marks: Sequence[float], amounts: Sequence[float], volume: float = np.nan) -> MapState:
    """A map of one book whose bars are an hour apart."""
    frame = bars(marks, amounts, step=HOUR_MS, start=T0).assign(volume=volume)
    return advance(start("BTC", policy=policy), frame, step_ms=HOUR_MS)  # type: ignore[arg-type]  # parametrised words


def held(mass: Mass, side: int = 0) -> float:
    """Of one side of the only book, all classes, mean of the particles."""
    return float(mass.total[0, side].sum(axis=0).mean())


def tenfold(state: MapState) -> tuple[float, float]:
    """The prices between which the 10x longs of the only book would die."""
    mass = state.mass
    cells = (mass.shape[0, 0, 4] * mass.gain[0, 0, 4]).sum(axis=-1)
    where = np.exp((np.flatnonzero(cells > 1e-6 * cells.sum()) + state.offsets()[0] + 0.5) * STEP)
    return float(where.min()), float(where.max())


@pytest.mark.parametrize(("policy", "entered"), [("fifo", 110.0), ("lifo", 100.0)])
def test_the_oldest_opening_leaves_first_or_the_newest(policy: str, entered: float) -> None:
    """A hundred enter at 100 and a hundred at 110, then a hundred are closed: those of one entry are gone, all of them,
    and those of the other are as they were."""
    both = hourly(policy, [100.0, 100.0, 110.0, 110.0], [1e-9, 100.0, 100.0, 200.0])
    left = hourly(policy, [100.0, 100.0, 110.0, 110.0, 110.0], [1e-9, 100.0, 100.0, 200.0, 100.0])
    assert [round(held(mass), 6) for mass in both.cohorts] == [100.0, 0.0, 100.0, 0.0, 0.0]
    remains = [0.0, 0.0, 0.0, 100.0] if policy == "lifo" else [0.0, 100.0, 0.0, 0.0]
    assert [round(held(mass), 6) for mass in left.cohorts[:4]] == remains
    low, high = tenfold(left)
    assert entered * (1 - 1 / 8.3) / 0.995 < low < high < entered * (1 - 1 / 12.4) / 0.995
    low, high = tenfold(both)
    assert low < 92 < 96 < high, "before, both entries were there"
    kept = remains.index(100.0)
    for name in ("shape", "total", "identified"):
        one, other = getattr(left.cohorts[kept], name)[0, 0], getattr(both.cohorts[kept - 1], name)[0, 0]
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("policy", BY_AGE)
def test_what_is_closed_beyond_one_cohort_is_taken_from_the_next(policy: str) -> None:
    left = hourly(policy, [100.0] * 5, [1e-9, 100.0, 200.0, 300.0, 150.0])
    wanted = [0.0, 0.0, 50.0, 100.0] if policy == "lifo" else [0.0, 100.0, 50.0, 0.0]
    assert [round(held(mass), 6) for mass in left.cohorts[:4]] == wanted
    assert [round(held(mass, 1), 6) for mass in left.cohorts[:4]] == wanted
    unexposed = [mass.total[0, 0, NONE].mean() for mass in left.cohorts[:4]]
    np.testing.assert_allclose(unexposed, np.array(wanted) * 0.4, atol=1e-6, err_msg="none leaves with the others")


@pytest.mark.parametrize("policy", BY_AGE)
def test_cohorts_hold_what_entered_in_their_time(policy: str) -> None:
    """One coin an hour for a month: few cohorts, each with the hours that it spans, finer where younger."""
    hours = 720
    state = hourly(policy, [100.0] * hours, [1000.0 + k for k in range(hours)])
    assert len(state.cohorts) == len(state.born) == MOST
    end = T0 + hours * HOUR_MS
    spans = -np.diff([end, *state.born[:-1]]) / HOUR_MS
    assert spans.sum() == hours, "what entered is in a cohort of its own time"
    entered = [held(mass) for mass in state.cohorts]
    np.testing.assert_allclose(entered[:-2], spans[:-1], rtol=1e-6)
    assert entered[-2:] == pytest.approx([spans[-1] - 1, 1000.0], rel=1e-6), "the first bar founds and opens nothing"
    ages = (end - np.array(state.born[:-1])) / HOUR_MS
    assert (ages[1:] / ages[:-1]).max() < 5
    assert (spans[0], state.born[-1]) == (1.0, 0)


@pytest.mark.parametrize("policy", BY_AGE)
def test_nothing_is_lost_while_cohorts_grow_old(policy: str) -> None:
    n = 300
    marks, amounts = wander(n, 3, sd=0.01), breathe(n, 4, sd=0.02)
    frame = bars(marks, amounts, step=HOUR_MS, start=T0).assign(volume=3000.0)
    state = start("BTC", policy=policy)
    for i in range(n):
        state = advance(state, frame.iloc[i : i + 1], step_ms=HOUR_MS)
        sides = sum(mass.total.sum(axis=2) for mass in state.cohorts)
        np.testing.assert_allclose(sides, amounts[i], rtol=1e-9)
    for mass in (*state.cohorts, state.mass):
        cells = (mass.shape.astype(np.float64) * mass.gain[:, :, :, None]).sum(axis=3)
        np.testing.assert_allclose(cells, mass.total[:, :, :NONE], atol=2e-6 * amounts[-1])
    assert list(state.born) == sorted(set(state.born), reverse=True)
    assert (state.mass.total >= 0).all()
    assert (state.mass.identified <= state.mass.total * (1 + 1e-9) + 1e-9).all()


@pytest.mark.parametrize("policy", BY_AGE)
def test_the_mark_goes_through_all_ages(policy: str) -> None:
    before = hourly(policy, [100.0] * 4, [100.0, 200.0, 300.0, 400.0])
    fallen = bars([90.0], [400.0], step=HOUR_MS, start=T0 + 4 * HOUR_MS).assign(mark_low=90.0, mark_high=100.0)
    after = advance(before, fallen, step_ms=HOUR_MS)
    prices = np.exp((np.arange(before.mass.shape.shape[3]) + before.offsets()[0] + 0.5) * STEP)
    beyond = np.exp((np.arange(before.mass.shape.shape[3]) + after.offsets()[0] + 0.5) * STEP)
    assert len(after.cohorts) == 6
    for old in (mass for mass in before.cohorts if held(mass) > 0):
        assert old.shape[0, 0, :, prices > 90].sum() > 0.1 * old.shape[0, 0].sum()
    for mass in after.cohorts:
        assert mass.shape[0, 0, :, beyond > 90].sum() == 0.0


def test_transfers_leave_in_the_same_order() -> None:
    """A fifth of a turnover of a fifth, twice: first in, first out, renews what nobody saw; last in, first out, what
    has just come."""
    found = {p: hourly(p, [100.0] * 3, [1000.0] * 3, volume=200.0) for p in BY_AGE}
    shares = {p: view(state, now=T0).identified_share for p, state in found.items()}
    assert shares == {"fifo": pytest.approx(0.08, rel=1e-6), "lifo": pytest.approx(0.04, rel=1e-6)}
    answer = view(found["lifo"], now=T0)
    assert answer.policy == "lifo"
    assert answer.books[0].identified_share == answer.identified_share


@pytest.mark.parametrize("policy", BY_AGE)
def test_bytes_keep_the_ages(policy: str) -> None:
    frame = bars(wander(50, 1), breathe(50, 2), step=HOUR_MS, start=T0)
    begun = advance(start("BTC", policy=policy), frame.iloc[:40], step_ms=HOUR_MS)
    kept = from_bytes(to_bytes(begun))
    assert (kept.policy, kept.born, len(kept.cohorts)) == (policy, begun.born, MOST)
    one, other = (advance(s, frame.iloc[40:], step_ms=HOUR_MS) for s in (begun, kept))
    assert one.born == other.born
    for mine, yours in zip(one.cohorts, other.cohorts, strict=True):
        np.testing.assert_array_equal(mine.shape, yours.shape)
        np.testing.assert_array_equal(mine.gain, yours.gain)
        np.testing.assert_array_equal(mine.total, yours.total)
        np.testing.assert_array_equal(mine.identified, yours.identified)


@pytest.mark.parametrize("policy", ["age_hazard", "pro_rata"])
def test_a_policy_that_asks_for_no_ages_keeps_one_mass(policy: str) -> None:
    state = hourly(policy, [100.0] * 30, [1000.0 + k for k in range(30)])
    assert len(state.cohorts) == 1
    assert state.mass is state.cohorts[0]
