import numpy as np
import pandas as pd
import pytest

from analytics import closes as days
from analytics.alignment import State, extended, grid, panel, snapshot
from tests.analytics.market import HOUR, MINUTE, NOW, Line, bars, closes, latest


def test_a_moment_takes_the_last_value_before_it_and_never_a_later_one():
    frame = bars([Line("one", [10, 20, 30], [100, 100, 100])])
    seen = panel(frame, [NOW - 2 * MINUTE, NOW - MINUTE - 1, NOW - MINUTE, NOW])
    assert seen.native[:, 0].tolist() == [10, 10, 20, 30]


def test_before_the_first_value_an_instrument_is_absent():
    seen = panel(bars([Line("one", [10, 20], [100, 100])]), [NOW - HOUR, NOW])
    assert seen.state[:, 0].tolist() == [State.ABSENT, State.FRESH]
    assert np.isnan(seen.native[0, 0])


def test_a_venue_that_falls_silent_goes_stale_then_dead():
    quiet = [10.0] * 20 + [None] * 10
    seen = panel(bars([Line("one", quiet, [100] * 30)]), grid(NOW, NOW - 29 * MINUTE, 60))
    assert seen.state[19:, 0].tolist() == [State.FRESH] * 2 + [State.STALE] * 3 + [State.DEAD] * 6


def test_a_venue_without_a_transport_is_dead_after_a_minute():
    frame = bars([Line("one", [10.0] * 5 + [None] * 5, [100] * 10), Line("two", [10.0] * 10, [100] * 10)])
    gaps = pd.DataFrame([{"venue": "one", "symbol": "", "start": NOW - 5 * MINUTE, "end": None}])
    seen = panel(frame, [NOW - 5 * MINUTE, NOW - 2 * MINUTE], gaps=gaps)
    assert seen.state.tolist() == [[State.FRESH, State.FRESH], [State.DEAD, State.FRESH]]


def test_the_reference_price_is_the_median_of_fresh_marks():
    frame = latest(
        [Line("one", [1], [100]), Line("two", [1], [102]), Line("three", [1], [110]), Line("four", [1], [500])],
        ages={"four": 4000},
    )
    assert snapshot(frame, NOW).price[0] == 102


def test_without_a_fresh_mark_the_last_reference_price_stands_and_says_so():
    lines = [Line("one", [1.0] * 5, [100] * 5)]
    whole = extended(
        panel(bars(lines), grid(NOW, NOW - 4 * MINUTE, 60)), snapshot(latest(lines, ages={"one": 900}), NOW)
    )
    assert whole.price[-1] == 100
    assert whole.price_fresh.tolist() == [True] * 5 + [False]


def test_an_instrument_that_the_last_word_lacks_is_dead_at_its_last_value():
    lines = [Line("one", [5.0] * 3, [100] * 3), Line("two", [7.0] * 3, [100] * 3)]
    before = panel(bars(lines, end=NOW - HOUR), grid(NOW - HOUR, NOW - HOUR - MINUTE, 60))
    whole = extended(before, snapshot(latest(lines[:1]), NOW))
    assert whole.native[-1].tolist() == [5, 7]
    assert whole.state[-1].tolist() == [State.FRESH, State.DEAD]
    assert whole.age_s[-1, 1] == pytest.approx(3600.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0])
def test_one_bad_instrument_leaves_the_others_alone(bad: float):
    frame = latest([Line("one", [5.0], [100]), Line("two", [7.0], [100])])
    frame.loc[1, "base"] = bad
    seen = snapshot(frame, NOW)
    assert [c.venue for c in seen.contracts] == ["one"]
    assert seen.base[0].tolist() == [5.0]


def test_nothing_in_nothing_out():
    nothing = pd.DataFrame()
    assert panel(nothing, [NOW]).contracts == ()
    assert snapshot(nothing, NOW).contracts == ()
    assert panel(latest([Line("one", [1.0], [1.0])]).iloc[:0], [NOW]).native.shape == (1, 0)


def test_points_of_history_are_held_against_their_own_spacing():
    frame = bars([Line("one", [10.0] * 12, [100] * 12)], step=5 * MINUTE).assign(
        source="import", readings=1, covered_s=60.0
    )
    seen = panel(frame.assign(last_seen=frame["t"] - 5 * MINUTE), grid(NOW, NOW - 55 * MINUTE, 300))
    assert set(seen.state[:, 0].tolist()) == {State.FRESH}
    assert seen.cadence_s[-1, 0] == 300.0


def test_a_gap_that_ends_on_a_moment_of_the_grid_is_still_a_gap_there():
    frame = bars([Line("one", [10.0] * 5 + [None] * 4 + [10.0], [100] * 10)])
    gaps = pd.DataFrame([{"venue": "one", "symbol": "", "start": NOW - 5 * MINUTE, "end": NOW - 2 * MINUTE}])
    seen = panel(frame, [NOW - 5 * MINUTE, NOW - 2 * MINUTE, NOW], gaps=gaps)
    assert seen.state[:, 0].tolist() == [State.FRESH, State.DEAD, State.FRESH]


def test_an_outage_between_two_moments_is_known_from_the_gap_table():
    frame = bars([Line("one", [10.0] * 4, [100] * 4)], step=5 * MINUTE)
    gap = {"venue": "one", "symbol": "", "start": NOW - 9 * MINUTE, "end": NOW - 7 * MINUTE}
    brief = {"venue": "one", "symbol": "", "start": NOW - 4 * MINUTE, "end": NOW - 4 * MINUTE + 2000}
    seen = panel(frame, grid(NOW, NOW - 15 * MINUTE, 300), gaps=pd.DataFrame([gap, brief]))
    assert seen.hole[:, 0].tolist() == [False, True, False, False]


def test_a_live_feed_slower_than_a_minute_is_fresh_in_bars_of_an_hour():
    frame = bars([Line("one", [10.0] * 12, [100] * 12)], step=HOUR).assign(readings=12, covered_s=720.0)
    seen = panel(frame.assign(last_seen=frame["t"] - 4 * MINUTE), grid(NOW, NOW - 11 * HOUR, 3600))
    assert set(seen.state[:, 0].tolist()) == {State.FRESH}
    assert seen.cadence_s[-1, 0] == 300.0


def test_the_reference_price_is_the_median_of_venues_and_not_of_contracts():
    n = [1.0] * 3
    lines = [Line("one", n, [100.0] * 3), Line("two", n, [101.0] * 3)]
    lines += [Line("three", n, [m] * 3, p) for m, p in ((104.0, "linear"), (105.0, "inverse"), (106.0, "quanto"))]
    moments = [NOW - 2 * MINUTE, NOW - MINUTE, NOW]
    assert panel(bars(lines), moments).price.tolist() == [101.0] * 3
    assert snapshot(latest(lines), NOW).price.tolist() == [101.0]
    assert days.panel(closes(lines)).price.tolist() == [101.0] * 3
