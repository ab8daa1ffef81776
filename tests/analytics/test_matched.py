from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.alignment import extended, grid, panel, snapshot
from analytics.carry import level
from analytics.matched import chained, steps, window
from tests.analytics.market import MINUTE, NOW, Line, bars, latest


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 0.9), st.integers(6, 23), st.floats(-0.5, 0.5))
def test_growth_does_not_see_an_outage(weight: float, when: int, move: float):
    """Whatever the silent venue held and did, the others' growth is the answer, and the level carries it."""
    n, big = 30, 1000.0
    one = Line("one", [big] * (n - 1) + [big * (1 + move)], [100.0] * n)
    two = Line("two", [big * weight] * when + [None] * (n - when), [100.0] * n)
    lines = [one, two]
    whole = extended(
        panel(bars(lines), grid(NOW - MINUTE, NOW - (n - 1) * MINUTE, 60)),
        snapshot(latest(lines, ages={"two": (n - when) * 60.0}), NOW),
    )
    assert window(whole, 0, n - 1).total_growth == pytest.approx(move, abs=1e-12)
    assert level(whole).total_usd[-1] == pytest.approx(big * 100 * (1 + move + weight))


def test_a_report_that_cannot_speak_within_a_window_is_no_part_of_its_guard():
    lines = [Line("one", [700.0, 707.0], [10.0] * 2), Line("weekly", [300.0, 300.0], [10.0] * 2)]
    seen = panel(bars(lines), [NOW - MINUTE, NOW])

    def told(cadence_s: float) -> tuple[float, float, float | None]:
        paced = replace(seen, cadence_s=np.where([False, True], cadence_s, 1.0) * np.ones(seen.cadence_s.shape))
        w, s = window(paced, 0, 1), steps(paced)
        return w.panel_share, float(s.panel_share[0]), w.total_growth

    assert told(7 * 86_400.0) == (1.0, 1.0, pytest.approx(0.01))
    assert told(86_400.0) == (1.0, 1.0, pytest.approx(0.01))
    assert told(600.0) == (pytest.approx(0.7), pytest.approx(0.7), pytest.approx(0.01)), "a slow poll is one of them"
    assert told(1.0) == (pytest.approx(1.0), pytest.approx(1.0), pytest.approx(0.007))


def test_the_panel_alone_grows_where_one_venue_falls_silent():
    """T13: the matched panel says -3.571429 %, whatever the naive sum (-33.85 %) says; at 0.70 nothing is stated."""
    mark = [100_000.0, 98_000.0]
    lines = [
        Line("one", [60_000.0, 58_000.0], mark),
        Line("two", [30_000.0, None], mark),
        Line("three", [10_000.0, 9_500.0], mark),
    ]
    whole = panel(bars(lines), [NOW - MINUTE])
    seen = extended(whole, snapshot(latest(lines, ages={"two": 301.0}), NOW))
    w = window(seen, 0, 1)
    assert w.total_growth == pytest.approx(-0.03571429, rel=1e-6)
    assert w.panel_share == pytest.approx(0.70)
    assert getattr(w.refusal(), "code", None) == "undetermined_panel"
    assert steps(seen).total_growth()[0] == pytest.approx(-0.03571429, rel=1e-6)
    assert level(seen).total_usd.tolist() == pytest.approx([10e9, 9.555e9])


def test_growth_is_weighted_by_dollars_and_counts_contracts():
    lines = [Line("one", [100.0, 110.0], [10.0, 20.0]), Line("two", [3000.0, 3000.0], [10.0, 20.0], "inverse")]
    w = window(panel(bars(lines), [NOW - MINUTE, NOW]), 0, 1)
    assert w.total_growth == pytest.approx(0.1 * 1000 / 4000)
    assert w.flow.tolist() == pytest.approx([150.0, 0.0])


def test_steps_chain_into_an_index_that_holds_where_nothing_is_known():
    lines = [Line("one", [100.0, 110.0, 121.0], [1.0] * 3)]
    moved = steps(panel(bars(lines), [NOW - 2 * MINUTE, NOW - MINUTE, NOW]))
    assert chained(moved.total_growth(), moved.guarded()).tolist() == pytest.approx([1.0, 1.1, 1.21])
    assert chained(moved.total_growth(), ~moved.guarded()).tolist() == [1.0, 1.0, 1.0]


def test_nothing_matches_nothing():
    empty = steps(panel(pd.DataFrame(), [NOW - 1, NOW]))
    assert empty.flow.shape == (1, 0)
    w = window(panel(pd.DataFrame(), [NOW - 1, NOW]), 0, 1)
    assert w.total_growth is None
    assert w.refusal() is not None
