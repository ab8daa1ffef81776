"""A map frozen at a close and judged by the day after."""

import numpy as np
import pytest

from analytics.liquidation import Omega, advance, start, view
from analytics.liquidation.frozen import Day, Frozen, freeze, from_bytes, judge, swept_bins, to_bytes
from analytics.liquidation.prior import CLASSES
from analytics.liquidation.scoring import DistanceLaw
from analytics.liquidation.state import MapState
from tests.analytics.liquidation.market import bars


def state() -> MapState:
    mark = 100.0 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.001, 300)))
    return advance(start("BTC"), bars(list(mark), [1000.0 + 2 * k for k in range(300)]))


def frozen() -> Frozen:
    found = freeze(state(), 0.02)
    assert found is not None
    return found


def nobody(low: float, high: float) -> Day:
    none = np.zeros(0)
    return Day(low, high, np.zeros(0, object), none.astype(np.int64), none, none)


def test_a_frozen_map_says_what_was_served() -> None:
    made, now = state(), view(state(), now=0)
    held = freeze(made, 0.02)
    assert held is not None
    middle = np.sqrt(held.edges()[:-1] * held.edges()[1:])
    near = np.abs(middle / held.mark - 1) < 0.1
    served = held.served()[0]
    told = next(w for w in now.within if w.distance_pct == 10.0)
    assert served[0][near].sum() == pytest.approx(told.long_usd, rel=0.02)
    assert served[1][near].sum() == pytest.approx(told.short_usd, rel=0.02)


def test_it_comes_back_from_its_bytes_as_it_was() -> None:
    before = frozen()
    after = from_bytes(to_bytes(before))
    assert after.policy == "age_hazard"
    assert (after.asset, after.as_of, after.mark, after.venues) == ("BTC", before.as_of, before.mark, before.venues)
    assert np.array_equal(after.served(), before.served())


def test_bytes_of_something_else_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        from_bytes(b"PK\x03\x04 not a map")


def test_only_bins_that_the_mark_swept_are_judged() -> None:
    held = frozen()
    venue = held.venues[0]
    quiet = judge(held, nobody(held.mark, held.mark), DistanceLaw(), {}, {venue})
    assert quiet.swept == ()
    fell = judge(held, nobody(held.mark * 0.97, held.mark), DistanceLaw(), {}, {venue})
    assert [row.side for row in fell.swept] == [0]
    assert len(fell.swept[0].mapped) == pytest.approx(-np.log(0.97) / 0.001, abs=2)


def test_what_died_lands_in_its_bin_and_teaches_law_and_omega() -> None:
    held = frozen()
    venue = held.venues[0]
    day = Day(
        held.mark * 0.95, held.mark, np.array([venue], object), np.array([0]), np.array([held.mark * 0.96]),
        np.array([7e6]),
    )  # fmt: skip
    found = judge(held, day, DistanceLaw(), {}, {venue})
    assert found.swept[0].realised.sum() == pytest.approx(7e6)
    assert found.law.usd.sum() == pytest.approx(0.98 * 7e6)
    assert 0 < found.counts[venue].observed.sum() <= 7.0


def test_a_day_is_judged_by_what_was_known_before_it() -> None:
    held = frozen()
    venue = held.venues[0]
    price = held.mark * np.array([0.99, 0.96])
    day = Day(held.mark * 0.95, held.mark, np.array([venue] * 2, object), np.zeros(2, np.int64), price, np.full(2, 7e6))
    first = judge(held, day, DistanceLaw(), {}, {venue})
    assert np.ptp(first.swept[0].baselines["distance"]) == 0.0
    again = judge(held, day, first.law, first.counts, {venue})
    assert np.ptp(again.swept[0].baselines["distance"]) > 0.0
    assert np.array_equal(again.swept[0].mapped, first.swept[0].mapped)


def test_venues_that_hide_amounts_are_neither_judged_nor_learned_from() -> None:
    held = frozen()
    found = judge(held, nobody(held.mark * 0.95, held.mark), DistanceLaw(), {}, set())
    assert (found.swept, dict(found.by_venue), dict(found.counts)) == ((), {}, {})


def test_served_mass_never_exceeds_what_is_open() -> None:
    made = state()
    held = freeze(made, 0.02, {made.books[0].venue: Omega((400.0,) * CLASSES, (2.0,) * CLASSES)})
    assert held is not None
    open_usd = float((made.ledger.amount * made.ledger.unit_usd).sum())
    assert (held.served().sum(axis=(0, 2)) <= open_usd * (1 + 1e-6)).all()


def test_a_map_of_nothing_is_not_frozen() -> None:
    assert freeze(start("BTC"), 0.02) is None


def test_the_usual_ladder_is_frozen_with_the_map_and_judged_beside_it() -> None:
    past = bars([100.0] * 48, [1000.0 + 2 * k for k in range(48)], step=3_600_000)
    held = freeze(state(), 0.02, past=past.assign(opened=200.0, closed=0.0))
    assert held is not None
    kept = from_bytes(to_bytes(held))
    assert kept.ladder.sum() > 0
    day = nobody(held.mark * 0.97, held.mark)
    [fell] = judge(kept, day, DistanceLaw(), {}, {held.venues[0]}).swept
    assert fell.baselines["ladder"].sum() == pytest.approx(
        held.ladder[0, 0, swept_bins(held, day.low, day.high, 0)].sum()
    )
    [without] = judge(frozen(), day, DistanceLaw(), {}, {held.venues[0]}).swept
    assert set(without.baselines) == {"uniform", "distance"}
