import numpy as np
import pandas as pd
import pytest

from analytics import zscore
from tests.analytics.market import HOUR, NOW, Line, bars, latest, walk

REFERENCE = np.array([10, 12, 11, 13, 12, 11, 10, 14, 12, 11], float)


def test_the_classical_and_the_robust_score():  # T8
    assert zscore.classical(REFERENCE, 18) == pytest.approx(5.059644, rel=1e-6)
    assert zscore.robust(REFERENCE, 18) == pytest.approx(8.768380, rel=1e-6)


def test_an_outlier_in_its_own_reference_is_capped():  # T8
    with_it = np.append(REFERENCE, 18)
    assert zscore.classical(with_it, 18) == pytest.approx(2.560410, rel=1e-6)
    assert 10 / np.sqrt(11) == pytest.approx(3.015113, rel=1e-6)


def test_a_reference_without_movement_has_no_score():
    assert zscore.classical(np.ones(9), 2) is None
    assert zscore.robust(np.ones(9), 2) is None
    assert zscore.robust(np.array([1.0] * 8 + [2.0]), 2) is not None  # MAD is zero, the mean deviation is not


def test_a_steady_climb_is_not_unusual_off_its_own_line():
    t = np.arange(300.0)
    noise = np.random.default_rng(1).normal(0, 0.1, 300)
    z = zscore.detrended(t, t * 0.1 + noise, 300.0, 30.0)
    assert z is not None
    assert abs(z) < 1.0
    assert (zscore.robust(t * 0.1 + noise, 30.0) or 0) > 1.3


def test_one_exponential_step():
    mean, variance = zscore.smoothed(10.0, 4.0, 12.0, 1e9, 1.0)
    assert (mean, variance) == (pytest.approx(12.0), pytest.approx(0.0))


def market(last: float = 1.0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(latest, recent, history): 300 hours of two venues; the first moves by `last` in the final hour."""
    n = 300
    one, two = walk(5, n, 0.01), walk(6, n, 0.01)
    lines = [Line("one", one, [100.0] * n), Line("two", two, [100.0] * n)]
    past = bars(lines, end=NOW - HOUR, step=HOUR)
    now = [Line("one", [one[-1]] * 60 + [one[-1] * last], [100.0] * 61), Line("two", [two[-1]] * 61, [100.0] * 61)]
    return latest(now), bars(now), past


def test_an_hour_beyond_all_hours_before_alerts():
    last, recent, past = market(1.2)
    found = zscore.assess(latest=last, recent=recent, history=past, now=NOW, window_s=3600)
    top = found.venues[0]
    assert (top.venue, top.percentile, top.alert, top.n) == ("one", 100.0, True, 299)
    assert top.growth == pytest.approx(0.2)
    assert (top.z_chg or 0) > 10
    assert (top.z_gap or 0) > 10
    assert None not in (top.z_level, top.z_level_rob, top.z_detr, top.z_gap_percentile)
    assert not found.venues[1].alert
    assert (top.gap_alert, top.z_gap_percentile) == (True, 100.0)
    assert not any(v.interrupted for v in found.venues)


def interruption(minutes: float, symbol: str = "") -> pd.DataFrame:
    start = NOW - 30 * 60_000
    row = {"venue": "one", "symbol": symbol, "start": start, "end": start + minutes * 60_000, "reason": "down"}
    return pd.DataFrame([row])


def test_a_newest_window_that_was_interrupted_is_no_change_of_a_window():
    last, recent, past = market(1.2)
    cut, brief = (
        zscore.assess(latest=last, recent=recent, history=past, now=NOW, window_s=3600, gaps=interruption(minutes))
        for minutes in (5, 0.5)
    )
    one = next(v for v in cut.venues if v.venue == "one")
    assert (one.interrupted, one.z_chg, one.percentile, one.z_gap, one.alert, one.gap_alert) == (
        True, None, None, None, False, False,
    )  # fmt: skip
    assert [(r.code, "interrupted" in r.words) for r in one.reasons] == [("undetermined_panel", True)]
    assert one.z_level is not None, "its level is known"
    assert (brief.venues[0].interrupted, brief.venues[0].alert) == (False, True), "half a minute of an hour is let pass"


def test_a_contract_that_was_interrupted_leaves_the_others_of_its_venue():
    n = 300
    hour = [100.0] * 61
    past = bars([Line("one", walk(5, n), [100.0] * n), Line("one", walk(6, n), [100.0] * n, "inverse"),
                 Line("two", walk(7, n), [100.0] * n)], end=NOW - HOUR, step=HOUR)  # fmt: skip
    now = [Line("one", [500.0] * 60 + [900.0], hour), Line("one", [5e4] * 61, hour, "inverse"),
           Line("two", [900.0] * 61, hour)]  # fmt: skip
    found = zscore.assess(
        latest=latest(now), recent=bars(now), history=past, now=NOW, window_s=3600, gaps=interruption(5, "BTC-linear")
    )
    one = next(v for v in found.venues if v.venue == "one")
    assert (one.interrupted, one.growth, one.alert) == (True, 0.0, False)
    assert one.percentile is not None


def test_nothing_alerts_where_volume_says_that_changes_are_not_believed():
    last, recent, past = market(1.2)
    found = zscore.assess(latest=last, recent=recent, history=past, now=NOW, window_s=3600, plausible={"one": 0.4})
    assert (found.coverage.grade, found.venues[0].percentile, found.venues[0].alert) == ("D", 100.0, False)


def test_a_quiet_hour_does_not():
    last, recent, past = market(1.0)
    assert not any(
        v.alert for v in zscore.assess(latest=last, recent=recent, history=past, now=NOW, window_s=3600).venues
    )


def test_a_window_longer_than_history_gives_a_reason_and_no_number():
    last, recent, past = market(1.2)
    found = zscore.assess(latest=last, recent=recent, history=past.tail(50), now=NOW, window_s=3600)
    assert {(v.z_chg, v.percentile, v.z_level) for v in found.venues} == {(None, None, None)}
    assert {v.reasons[0].code for v in found.venues} == {"insufficient_history"}


def test_an_outage_is_not_a_score():
    n = 300
    one = walk(5, n)
    lines = [Line("one", one, [100.0] * n), Line("two", walk(6, n), [100.0] * n)]
    now = [Line("one", [one[-1]] * 61, [100.0] * 61), Line("two", [5.0] * 10 + [None] * 51, [100.0] * 61)]
    past = bars(lines, end=NOW - HOUR, step=HOUR)
    last = latest(now, ages={"two": 3000})
    found = zscore.assess(latest=last, recent=bars(now), history=past, now=NOW, window_s=3600)
    two = next(v for v in found.venues if v.venue == "two")
    assert (two.z_chg, two.percentile, two.z_level, two.alert) == (None, None, None, False)
    assert two.reasons[0].code == "undetermined_panel"


def test_a_contract_that_is_silent_is_no_fall_of_its_venue():
    n = 300
    big, small = walk(5, n), walk(6, n)
    mark = [100.0] * n
    past = bars([Line("one", big, mark), Line("one", small, mark, "inverse"), Line("two", walk(7, n), mark)],
                end=NOW - HOUR, step=HOUR)  # fmt: skip
    hour = [100.0] * 61
    still = [Line("one", [big[-1]] * 61, hour), Line("one", [small[-1]] * 61, hour, "inverse"),
             Line("two", [900.0] * 61, hour)]  # fmt: skip
    told = bars(still)
    late = told[(told["payoff"] != "linear") | (told["venue"] != "one") | (told["t"] <= NOW - 20 * 60_000)]
    last = latest(still)
    last.loc[0, ["ts", "seen", "last_seen"]] = NOW - 20 * 60_000
    whole, silent = (
        next(v for v in zscore.assess(latest=now, recent=seen, history=past, now=NOW, window_s=3600).venues
             if v.venue == "one")
        for now, seen in ((latest(still), told), (last, late))
    )  # fmt: skip
    assert None not in (whole.z_level, whole.z_level_rob, whole.z_detr)
    assert whole.reasons == ()
    assert (silent.z_level, silent.z_level_rob, silent.z_detr) == (None, None, None)
    assert [r.code for r in silent.reasons] == ["insufficient_coverage"]
    assert silent.growth == pytest.approx(0.0), "what is left of it is judged"


def test_nobody_lists_the_asset():
    nothing = pd.DataFrame()
    found = zscore.assess(latest=nothing, recent=nothing, history=nothing, now=NOW, window_s=3600)
    assert (found.venues, found.reasons[0].code) == ((), "no_data")
