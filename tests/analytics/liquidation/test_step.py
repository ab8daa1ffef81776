"""How the state moves: nothing is lost, only the mark and the traders remove, and an outage does neither."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.liquidation import MapState, Terms, advance, start, view
from analytics.liquidation.prior import CLASSES, POLICIES, Particles, Policy
from analytics.liquidation.state import NONE, STEP
from tests.analytics.liquidation.market import MINUTE, T0, bars, breathe, wander


def cells(state: MapState, book: int = 0) -> np.ndarray:
    """Mass per cell [2, CLASSES, BINS, P]."""
    return state.mass.shape[book].astype(np.float64) * state.mass.gain[book][:, :, None, :]


def alive(state: MapState, book: int = 0) -> np.ndarray:
    """Exposed mass per side, mean of the particles."""
    return cells(state, book).sum(axis=(1, 2)).mean(axis=1)


def check_conserved(state: MapState) -> None:
    sides = state.mass.total.sum(axis=2)
    wanted = np.broadcast_to(state.ledger.amount[:, None, None], sides.shape)
    np.testing.assert_allclose(sides, wanted, rtol=1e-9)
    assert (state.mass.total >= 0).all()
    assert (state.mass.identified <= state.mass.total * (1 + 1e-9) + 1e-9).all()
    for book in range(len(state.books)):  # cells are float32: a millionth of the book is their due
        held = cells(state, book).sum(axis=2)
        np.testing.assert_allclose(held, state.mass.total[book, :, :NONE], atol=2e-6 * state.ledger.amount[book])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("payoff", ["linear", "inverse"])
def test_both_sides_hold_the_open_interest_after_every_step(policy: Policy, payoff: str) -> None:
    frame = bars(wander(150, 3, sd=0.004), breathe(150, 4, sd=0.02), payoff=payoff)
    state = start("BTC", policy=policy)
    for i in range(len(frame)):
        state = advance(state, frame.iloc[i : i + 1], step_ms=MINUTE)
        check_conserved(state)
        assert state.ledger.amount[0] == pytest.approx(
            frame["usd" if payoff == "inverse" else "base"].iloc[i], rel=1e-9
        )


@settings(max_examples=25, deadline=None)
@given(
    moves=st.lists(
        st.tuples(st.floats(-0.15, 0.15), st.floats(0, 3), st.floats(0, 0.5), st.floats(0, 0.5)),
        min_size=2,
        max_size=12,
    )
)
def test_no_market_is_too_wild_to_conserve(moves: list[tuple[float, float, float, float]]) -> None:
    returns, growth, opened, closed = (np.array(x) for x in zip(*moves, strict=True))
    frame = bars(100 * np.exp(np.cumsum(returns)), 1000 * growth)
    frame["opened"], frame["closed"] = opened * 1e5, closed * 1e5
    state = advance(start("BTC"), frame, step_ms=MINUTE)
    check_conserved(state)
    assert np.isfinite(state.mass.shape).all()
    answer = view(state, now=state.as_of or 0)
    assert answer.reasons[0] == "unvalidated_map"


def test_steps_one_by_one_equal_all_at_once() -> None:
    frame = pd.concat(
        [
            bars(wander(60, 5), breathe(60, 6)),
            bars(wander(60, 5), breathe(60, 7, start=5e8), venue="beta", instrument=2, payoff="inverse"),
        ]
    )
    at_once = advance(start("BTC"), frame)
    state = start("BTC")
    for _, rows in frame.groupby("t"):
        state = advance(state, rows)
    np.testing.assert_allclose(state.mass.total, at_once.mass.total, rtol=1e-12)
    np.testing.assert_allclose(state.mass.shape, at_once.mass.shape, rtol=1e-5)


def test_advancing_leaves_the_old_state_as_it_was() -> None:
    frame = bars(wander(20, 8), breathe(20, 9))
    state = advance(start("BTC"), frame.iloc[:10])
    shape, total = state.mass.shape.copy(), state.mass.total.copy()
    advance(state, frame.iloc[10:])
    np.testing.assert_array_equal(state.mass.shape, shape)
    np.testing.assert_array_equal(state.mass.total, total)


def test_the_mark_removes_what_it_goes_through_and_nothing_beyond() -> None:
    before = advance(start("BTC"), bars([100.0, 100.0], [1000.0, 1100.0]))
    # the open interest falls by what a fall to 97 kills, so nothing is left to rescale
    low = 97.0
    prices = np.exp((np.arange(cells(before).shape[2]) + before.offsets()[0] + 0.5) * STEP)
    dead = cells(before)[0][:, prices >= low].sum(axis=(0, 1))
    frame = bars([98.0], [1100.0 - dead.mean()], start=T0 + 2 * MINUTE)
    frame["mark_low"], frame["mark_high"] = low, 100.0
    after = advance(before, frame, step_ms=MINUTE)
    assert dead.min() > 0
    assert cells(after)[0][:, prices >= low].sum() == 0.0
    survivors = cells(after)[0][:, prices < low].sum(axis=(1, 2))
    np.testing.assert_allclose(survivors.sum(), cells(before)[0][:, prices < low].sum(), rtol=0.01)
    assert after.ledger.swept_usd[0] == pytest.approx(dead.mean() * 98.0, rel=1e-5)
    assert after.ledger.explained_usd[0] == pytest.approx(dead.mean() * 98.0, rel=1e-5)


@pytest.mark.parametrize("sd", [0.002, 0.02])
def test_no_long_lies_above_the_mark_and_no_short_below(sd: float) -> None:
    """So a sweep need not look there."""
    mark = wander(80, 21, sd=sd)
    frame = bars(mark, breathe(80, 22, sd=0.02))
    state = start("BTC", {"alpha": Terms(100.0, 0.005, 0.015)})
    for i in range(80):
        state = advance(state, frame.iloc[i : i + 1], step_ms=MINUTE)
        prices = [np.exp((np.arange(cells(state).shape[2]) + first + 0.5) * STEP) for first in state.offsets()]
        assert not cells(state)[0][:, prices[0] > mark[i]].any()
        assert not cells(state)[1][:, prices[1] < mark[i]].any()


def test_shorts_die_above_and_longs_below() -> None:
    before = advance(start("BTC"), bars([100.0], [1000.0]))
    up = advance(before, bars([104.0], [1000.0], start=T0 + MINUTE).assign(mark_low=100.0, mark_high=104.0))
    assert up.mass.total[0, 1, -2].sum() < 0.05 * before.mass.total[0, 1, -2].sum(), "100x shorts are gone"
    assert up.mass.total[0, 0, -2].mean() == pytest.approx(before.mass.total[0, 0, -2].mean(), rel=1e-9)


def test_an_opening_dies_where_its_leverage_says() -> None:
    terms = {"alpha": Terms(100.0, 0.005)}
    before = advance(start("BTC", terms), bars([100.0], [1e-9]))
    after = advance(before, bars([100.0], [1000.0], start=T0 + MINUTE))
    tenfold = cells(after)[:, 4].sum(axis=-1)  # [2, BINS]
    for side, sign, rate in ((0, 1, 0.995), (1, -1, 1.005)):
        where = np.exp((np.arange(tenfold.shape[1]) + after.offsets()[side] + 0.5) * STEP)
        held = where[tenfold[side] > 1e-9 * tenfold[side].sum()]
        ends = sorted(100 * (1 - sign / np.sqrt(10 * x)) / rate for x in (7, 15))
        assert ends[0] * (1 - 3 * STEP) < held.min() < held.max() < ends[1] * (1 + 3 * STEP)
        mean = (tenfold[side] * where).sum() / tenfold[side].sum()
        assert mean == pytest.approx(100 * (1 - sign / 10) / rate, rel=0.02)
    exposed = after.mass.total[0, :, :NONE].sum(axis=1)
    np.testing.assert_allclose(exposed, 1000 * np.stack([Particles().exposed] * 2), rtol=1e-6)


def test_entries_of_an_hour_fill_the_range_of_their_rung() -> None:
    grown = advance(start("BTC"), bars([100.0] * 60, [1000.0 + 10 * k for k in range(60)]))
    tenfold = grown.mass.shape[0, 0, 4].sum(axis=-1)
    where = np.exp((np.arange(tenfold.shape[0]) + grown.offsets()[0] + 0.5) * STEP)
    inside = tenfold[(where > 100 * (1 - 1 / 8.6) / 0.995) & (where < 100 * (1 - 1 / 12.0) / 0.995)]
    assert inside.min() > 0.2 * inside.mean()


def test_entries_are_smeared_as_far_as_tiers_spread() -> None:
    """The kernel of a venue with tiers against that of one without, of entries over half a day at one mark."""
    frame = bars([100.0] * 720, [1000.0 + k for k in range(720)])
    spreads: list[np.ndarray] = []
    for large in (None, 0.009):
        state = advance(start("BTC", {"alpha": Terms(100.0, 0.005, large)}), frame)
        begun = advance(start("BTC", {"alpha": Terms(100.0, 0.005, large)}), frame.iloc[:1])
        held = (cells(state) - cells(begun) * (state.mass.gain / begun.mass.gain)[0][:, :, None, :])[:, 5].sum(axis=-1)
        where = (np.arange(held.shape[1]) + 0.5) * STEP
        middle = (held * where).sum(axis=1) / held.sum(axis=1)
        spreads.append((held * (where - middle[:, None]) ** 2).sum(axis=1) / held.sum(axis=1))
    wider = np.sqrt(spreads[1] - spreads[0] + STEP**2)
    np.testing.assert_allclose(wider, np.log(0.995 / 0.991), rtol=0.1)


def test_what_strays_never_lands_beyond_the_mark() -> None:
    frame = bars([100.0] * 60, [1000.0 + k for k in range(60)])
    wide, plain = (advance(start("BTC", {"alpha": Terms(125.0, 0.006, r)}), frame) for r in (0.02, None))
    check_conserved(wide)
    np.testing.assert_allclose(wide.mass.total, plain.mass.total, rtol=1e-6)


def test_rungs_above_the_venues_maximum_stay_empty() -> None:
    state = advance(start("BTC", {"alpha": Terms(20.0)}), bars(wander(10, 1), breathe(10, 2)))
    assert state.mass.total[0, :, 7:NONE].sum() == 0.0
    assert (state.mass.total[0, :, 6] > 0).all()


def test_high_leverage_closes_first_by_age_hazard_and_alike_pro_rata() -> None:
    frame = bars([100.0, 100.0, 100.0], [1000.0, 2000.0, 1500.0])
    for policy in ("age_hazard", "pro_rata"):
        state = start("BTC", policy=policy)  # type: ignore[arg-type]  # both are words of Policy
        opened, closed = advance(state, frame.iloc[:2]), advance(state, frame)
        left = (closed.mass.total / opened.mass.total).mean(axis=-1)[0, 0]
        if policy == "pro_rata":
            np.testing.assert_allclose(left, 0.75, rtol=1e-9)
        else:
            assert (np.diff(left[:CLASSES]) <= 1e-12).all()
            assert left[CLASSES - 1] < 0.3 < 0.75 < left[NONE]
        check_conserved(closed)


def test_a_mirrored_market_gives_a_mirrored_map() -> None:
    """Linear in p and inverse in 1/p are one market told by the other side: longs become shorts at the mirrored bin."""
    n = 2000
    marks, amounts = np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.001, n))), breathe(n, 2, sd=0.005)
    rates = np.random.default_rng(3).normal(1e-4, 1e-4, n)
    one = advance(start("BTC"), bars(marks, amounts, funding=rates))
    other = advance(start("BTC"), bars(1 / marks, amounts, funding=-rates, payoff="inverse"))
    assert other.centre == -one.centre
    for side in (0, 1):
        here, there = cells(one)[side], cells(other)[1 - side][:, ::-1]
        # side 0 of one spans centre - REACH .. centre + MARGIN; side 1 of the other is its mirror image
        np.testing.assert_allclose(here, there, rtol=1e-3, atol=1e-6 * amounts[-1])
        np.testing.assert_allclose(one.mass.total[0, side], other.mass.total[0, 1 - side], rtol=1e-9)
    assert abs(alive(one)[0] / alive(one)[1] - 1) > 1e-3, "the sides differ, so the mirror shows something"


def test_crowded_funding_exposes_the_crowd() -> None:
    n = 2 * 24 * 60
    rates = np.where(np.arange(n) < n - 60, 1e-4 + 1e-6 * np.sin(np.arange(n)), 5e-4)
    amounts = np.where(np.arange(n) < n - 30, 1000.0, 3000.0)
    state = advance(start("BTC"), bars(np.full(n, 100.0), amounts, funding=rates))
    longs, shorts = alive(state)
    assert longs > shorts * 1.05


def outage(marks: list[float], amounts: list[float], hole: slice) -> pd.DataFrame:
    frame = bars(marks, amounts)
    return frame.drop(frame.index[hole])


def test_an_outage_removes_nothing_and_books_a_gap() -> None:
    n = 40
    amounts = [1000.0 + 10 * i for i in range(n)]
    frame = bars([100.0] * n, amounts)
    before = advance(start("BTC"), frame.iloc[:20])
    other = bars([100.0] * n, [500.0] * n, venue="beta", instrument=2)
    during = advance(before, other.iloc[20:30], step_ms=MINUTE)
    np.testing.assert_array_equal(during.mass.total[0], before.mass.total[0])
    np.testing.assert_array_equal(during.mass.shape[0], before.mass.shape[0])
    back = frame.iloc[30:31].assign(native=50_000.0, base=500.0, usd=50_000.0)
    after = advance(during, back, step_ms=MINUTE)
    fallen = after.mass.total[0] / before.mass.total[0]
    np.testing.assert_allclose(fallen, 500 / 1190, rtol=1e-9, err_msg="pro rata, no class is closed first")
    assert (after.ledger.gap_changes[0], after.ledger.swept_usd[0]) == (1, 0.0)
    assert after.ledger.gap_change_usd[0] == pytest.approx((500 - 1190) * 100)
    check_conserved(after)


def test_what_the_mark_passed_in_an_outage_is_gone_but_no_liquidation_of_that_minute() -> None:
    before = advance(start("BTC"), bars([100.0, 100.0], [1000.0, 1100.0]))
    after = advance(before, bars([97.0], [1100.0], start=T0 + 60 * MINUTE), step_ms=MINUTE)
    hundredfold = after.mass.total[0, :, CLASSES - 1].mean(axis=1)
    assert hundredfold[0] < 0.1 * hundredfold[1]
    assert after.ledger.swept_usd[0] == 0.0
    check_conserved(after)


def test_growth_across_a_gap_is_legacy_and_not_an_opening() -> None:
    frame = outage([100.0] * 40, [1000.0 + 10 * i for i in range(40)], slice(20, 30))
    state = advance(start("BTC"), frame, step_ms=MINUTE)
    seen = state.mass.identified[0].sum(axis=1).mean()
    assert seen == pytest.approx(10 * 19 + 10 * 9, rel=1e-9)
    assert state.ledger.gap_changes[0] == 1


def test_one_missing_bar_is_no_outage() -> None:
    state = advance(start("BTC"), outage([100.0] * 10, [1000.0 + i for i in range(10)], slice(5, 6)))
    assert state.ledger.gap_changes[0] == 0


def test_silent_bars_count_as_missing() -> None:
    frame = bars([100.0] * 4, [1000.0, 1000.0, 10.0, 10.0])
    frame["covered_s"], frame["readings"] = [60.0, 60.0, 0.0, 0.0], [60, 60, 0, 0]
    assert advance(start("BTC"), frame).ledger.amount[0] == 1000.0
    frame["readings"] = 1  # backfilled: read later, true all the same
    assert advance(start("BTC"), frame).ledger.amount[0] == 10.0


def test_gross_flow_inside_a_bar_refreshes_entries() -> None:
    still = bars([100.0] * 3, [1000.0] * 3)
    busy = still.assign(opened=[0.0, 5_000.0, 5_000.0], closed=[0.0, 5_000.0, 5_000.0])  # native: a hundredth of a coin
    calm, churned = (view(advance(start("BTC"), x), now=T0) for x in (still, busy))
    assert calm.identified_share == 0.0
    assert churned.identified_share == pytest.approx(1 - 0.95**2, rel=0.02)


def test_volume_transfers_refresh_entries_without_changing_open_interest() -> None:
    state = advance(start("BTC"), bars([100.0] * 3, [1000.0] * 3).assign(volume=200.0))
    check_conserved(state)
    answer = view(state, now=state.as_of or 0)
    assert answer.identified_share == pytest.approx(1 - (1 - 0.2 * 0.2) ** 2, rel=0.02)
    assert "volume_unavailable" not in answer.reasons


def test_an_instrument_that_falls_silent_keeps_its_share_of_the_book() -> None:
    first, second = bars([100.0] * 9, [1000.0] * 9), bars([100.0] * 5, [500.0] * 5, instrument=2)
    state = advance(start("BTC"), pd.concat([first, second]))
    assert len(state.books) == 1
    assert state.ledger.amount[0] == 1500.0


def test_late_doubled_and_impossible_bars_are_counted_and_left_out() -> None:
    frame = bars([100.0, 101.0, 102.0], [1000.0, 1001.0, 1002.0])
    state = advance(start("BTC"), frame)
    again = advance(state, frame.iloc[:2])
    assert (again.rejected, again.ledger.amount[0]) == (2, 1002.0)
    bad = bars([100.0] * 3, [1000.0] * 3, start=T0 + 3 * MINUTE)
    bad["mark"], bad["base"], bad["usd"] = [np.nan, 100.0, 100.0], [1.0, np.inf, 1.0], [1.0, 1.0, -1.0]
    assert advance(state, bad).rejected == 3
    assert advance(start("BTC"), bad).books == ()


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="payoff"):
        advance(start("BTC"), bars([1.0], [1.0]).drop(columns="payoff"))


def test_no_bars_no_change() -> None:
    state = start("BTC")
    assert advance(state, bars([], [])) is state


def test_far_moves_and_zero_open_interest_break_nothing() -> None:
    frame = bars([100.0, 300.0, 1.0, 1.0, 50.0], [1000.0, 900.0, 0.0, 0.0, 10.0])
    state = start("BTC")
    for i in range(len(frame)):
        state = advance(state, frame.iloc[i : i + 1], step_ms=MINUTE)
        check_conserved(state)


def stepped(frame: pd.DataFrame, at: int, ratio: float) -> pd.DataFrame:
    """The same market by a venue that counts `ratio` times as much from the bar at row `at` on; its gross flow of that
    bar holds the step, as stored bars do."""
    after = np.arange(len(frame)) >= at
    said = frame.assign(**{name: np.where(after, ratio, 1.0) * frame[name] for name in ("native", "base", "usd")})
    said["opened"] = np.maximum(said["native"].diff().fillna(0.0), 0.0)
    said["closed"] = np.maximum(-said["native"].diff().fillna(0.0), 0.0)
    return said


def since(frame: pd.DataFrame, at: int, ratio: float, symbol: str = "S1") -> pd.DataFrame:
    """The change as `conventions.breaks` tells it: ten seconds into the bar at row `at`, recorded a minute later."""
    began = int(frame["t"].iloc[at]) - MINUTE + 10_000
    rows = [("alpha", "", symbol, began - 1, float(began + MINUTE), "unit_or_convention_change", ratio)]
    return pd.DataFrame(rows, columns=["venue", "segment", "symbol", "start", "end", "reason", "ratio"])


@pytest.mark.parametrize("payoff", ["linear", "inverse"])
@pytest.mark.parametrize("ratio", [2.0, 10.0, 0.5])
def test_a_step_of_counting_scales_the_book_and_trades_nothing(ratio: float, payoff: str) -> None:
    plain = stepped(bars(wander(60, 5), breathe(60, 6), payoff=payoff), 30, 1.0)
    odd = stepped(bars(wander(60, 5), breathe(60, 6), payoff=payoff), 30, ratio)
    told = since(odd, 30, ratio)
    one, other = advance(start("BTC"), plain), advance(start("BTC"), odd, breaks=told)
    check_conserved(other)
    for side in (0, 1):
        held = cells(other)[side].sum(axis=(0, 2)) / ratio
        np.testing.assert_allclose(held, cells(one)[side].sum(axis=(0, 2)), rtol=1e-5, atol=1e-9)
    share = (view(s, now=T0).identified_share for s in (other, one))
    assert next(share) == pytest.approx(next(share), rel=1e-9)
    assert other.ledger.gap_changes[0] == 0
    by_bar = start("BTC")
    for i in range(60):
        by_bar = advance(by_bar, odd.iloc[i : i + 1], step_ms=MINUTE, breaks=told)
    np.testing.assert_allclose(by_bar.mass.total, other.mass.total, rtol=1e-9)
    taken = advance(start("BTC"), odd)
    apart = taken.mass.total[0, 0].mean(axis=1) / ratio / one.mass.total[0, 0].mean(axis=1)
    assert np.abs(apart - 1).max() > 0.05, "untold, it is openings or closures"


def test_a_book_is_scaled_by_what_the_instrument_is_of_it() -> None:
    odd = stepped(bars([100.0] * 20, [1000.0] * 20), 10, 2.0)
    state = advance(
        start("BTC"), pd.concat([odd, bars([100.0] * 20, [500.0] * 20, instrument=2)]), breaks=since(odd, 10, 2.0)
    )
    assert state.ledger.amount[0] == 2500.0
    assert view(state, now=T0).identified_share == 0.0
    check_conserved(state)


def test_a_step_by_nobody_knows_how_much_is_a_gap() -> None:
    odd = stepped(bars([100.0] * 20, [1000.0 + 10 * k for k in range(20)]), 10, 3.0)
    before = advance(start("BTC"), odd.iloc[:10])
    after = advance(before, odd.iloc[10:11], step_ms=MINUTE, breaks=since(odd, 10, np.nan))
    assert after.ledger.gap_changes[0] == 1
    np.testing.assert_allclose(after.mass.identified, before.mass.identified, rtol=1e-9)
    check_conserved(after)


def test_only_the_bar_that_holds_a_step_of_counting_is_touched_by_it() -> None:
    frame = bars([100.0] * 20, [1000.0] * 20)
    state = advance(start("BTC"), frame.iloc[:15])
    for told in (since(frame, 10, 2.0), since(frame, 16, 2.0, symbol="S2"), since(frame, 16, 2.0)[:0]):
        after = advance(state, frame.iloc[15:], breaks=told)
        np.testing.assert_array_equal(after.mass.total, advance(state, frame.iloc[15:]).mass.total)
