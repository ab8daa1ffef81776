"""Earlier windows: what was interrupted in them, and that they follow each other."""

import numpy as np
import pandas as pd
import pytest

from analytics import divergence, usual, windows
from analytics.inflow import persistent
from analytics.settings import DEFAULTS
from tests.analytics.market import HOUR, MINUTE, NOW, Line, bars, walk
from tests.analytics.test_divergence import HELD, market

END = NOW - HOUR


def gap(start: int, minutes: float, venue: str = "one") -> pd.DataFrame:
    return pd.DataFrame(
        [{"venue": venue, "segment": "perp", "symbol": "", "start": start, "end": start + minutes * MINUTE,
          "reason": "down"}]
    )  # fmt: skip


def hours(n: int = 30) -> pd.DataFrame:
    """Two venues by the hour; the first leaps by half in the tenth."""
    one = [100.0] * 10 + [150.0] * (n - 10)
    return bars([Line("one", one, [10.0] * n), Line("two", [900.0] * n, [10.0] * n)], end=END, step=HOUR)


def test_what_changed_across_a_silence_within_a_past_window_is_no_flow_and_no_growth():
    leap = END - 20 * HOUR  # between the tenth hour and the one after it
    there, inside = usual.of(hours(), END, 3600), gap(leap + 10 * MINUTE, 20)
    dropped = usual.of(hours(), END, 3600, gaps=inside)
    assert (there.count("growth_far one"), dropped.count("growth_far one")) == (29, 28)
    assert there.number("growth_far one") == pytest.approx(np.log(1.5), rel=0.4)
    assert dropped.number("growth_far one") == 0.0
    moved = windows.flows(windows.past(hours(), END, 3600, gaps=inside), ("one", "two"))
    assert np.nansum(np.abs(moved)) == 0.0


def test_a_hundredth_of_a_past_window_may_be_silent():
    rows = hours()
    leap = END - 20 * HOUR
    for minutes, left in ((0.5, 0), (2, 1)):
        seen = windows.past(rows, END, 3600, gaps=gap(leap + 10 * MINUTE, minutes))
        assert int(seen.hole[:, 0].sum()) == left
    days = bars([Line("one", [100.0] * 30, [10.0] * 30)], end=END, step=24 * HOUR)
    for minutes, left in ((14, 0), (15, 1)):
        seen = windows.past(days, END, 86_400, gaps=gap(END - 100 * HOUR, minutes))
        assert int(seen.hole.sum()) == left


def test_windows_that_did_not_hold_keep_their_place():
    n = 12
    two: list[float | None] = [900.0] * n
    two[5] = None
    rows = bars([Line("one", list(range(100, 100 + n)), [10.0] * n), Line("two", two, [10.0] * n)], end=END, step=HOUR)
    earlier = windows.past(rows, END, 3600)
    found = windows.flows(earlier, ("one", "two"))
    assert len(found) == n - 1
    assert np.flatnonzero(np.isnan(found[:, 0])).tolist() == [4, 5]
    assert np.isnan(windows.flows(earlier, ("one", "two"), before=END + 2 * HOUR + MINUTE)[-2:]).all()
    assert len(windows.flows(earlier, ("one", "two"), before=END + 59 * MINUTE)) == n - 1


@pytest.mark.parametrize(("lost", "told"), [(None, True), (8, True), (3, False), (1, False)])
def test_persistence_wants_six_windows_in_a_row(lost: int | None, told: bool):
    last, recent, history = market([0.09, 0.001, -0.025, -0.02, -0.018, -0.012, -0.008, -0.007])
    gone = history["t"] == END - (lost or 0) * HOUR
    some = history["venue"].isin(["a", "b", "c"])
    rows = history if lost is None else history[~(gone & some)]
    found = divergence.assess(latest=last, recent=recent, history=rows, now=NOW, window_s=3600)
    assert found.rotation is not None
    assert (found.rotation.vr is not None, found.rotation.vr_p is not None) == (told, told)


def test_the_same_venue_three_times_means_three_in_a_row():
    came = np.array([[10.0, 1.0], [10.0, 1.0]])
    assert persistent(came, 0, 2, DEFAULTS)
    assert not persistent(np.array([[10.0, 1.0], [10.0, 1.0], [np.nan, np.nan]]), 0, 2, DEFAULTS)


def test_a_history_that_breaks_off_before_the_window_is_not_consecutive():
    last, recent, history = market([0.09, 0.001, -0.025, -0.02, -0.018, -0.012, -0.008, -0.007])
    early = history[history["t"] <= END - 2 * HOUR]
    found = divergence.assess(latest=last, recent=recent, history=early, now=NOW, window_s=3600)
    assert found.rotation is not None
    assert (found.rotation.vr, found.rotation.vr_p) == (None, None)
    assert found.windows > 200


def test_a_walk_is_whole():
    rows = bars([Line("one", walk(1, 50, start=HELD), [10.0] * 50)], end=END, step=HOUR)
    assert np.isfinite(windows.flows(windows.past(rows, END, 3600), ("one",), before=END)).all()
