import numpy as np
import pandas as pd
import pytest

from analytics import coverage
from analytics.alignment import grid, panel, snapshot
from tests.analytics.market import HOUR, MINUTE, NOW, Line, bars, latest


def test_a_stale_value_may_have_wandered():  # T22
    assert coverage.uncertainty(80_000, 0.006, 300) == pytest.approx(138.564065, rel=1e-6)


def test_the_band_adds_independent_instruments_that_are_not_fresh():
    frame = latest([Line("one", [80_000.0], [1.0]), Line("two", [80_000.0], [1.0]), Line("three", [1.0], [1.0])],
                   ages={"one": 200, "two": 200})  # fmt: skip
    c = coverage.of(snapshot(frame, NOW), sigma_h={1: 0.006, 2: 0.006, 3: 0.006})
    assert c.band_base == pytest.approx(2**0.5 * coverage.uncertainty(80_000, 0.006, 200))


def test_the_band_from_hours_worked_by_hand():
    """Hourly changes of 1, 2, 3, 4, 5 and 6 %: median 3.5, MAD 1.5, sigma 1.4826*1.5 %. Q 100, silent for an hour."""
    path = [100 * np.exp(0.01 * k * (k + 1) / 2 - 0.21) for k in range(7)]
    lines = [Line("one", path, [10.0] * 7), Line("two", [50.0] * 7, [10.0] * 7)]
    hours = panel(bars(lines, step=HOUR), grid(NOW, NOW - 6 * HOUR, 3600))
    sigma = coverage.hourly_sd(hours)
    assert sigma == {1: pytest.approx(1.4826 * 0.015), 2: 0.0}
    c = coverage.of(snapshot(latest(lines, ages={"one": 3600, "two": 3600}), NOW), sigma_h=sigma)
    assert c.band_base == pytest.approx(2.2239)
    assert coverage.of(snapshot(latest(lines), NOW), sigma_h={}).band_base == 0.0


def test_a_band_is_unknown_without_history_and_leaves_out_what_left_the_level():
    frame = latest([Line("one", [80_000.0], [1.0]), Line("two", [1.0], [1.0])], ages={"one": 200})
    c = coverage.of(snapshot(frame, NOW), sigma_h={2: 0.006})
    assert c.band_base is None
    assert "insufficient_history" in [r.code for r in c.reasons]
    gone = latest([Line("one", [80_000.0], [1.0]), Line("two", [1.0], [1.0])], ages={"one": 7 * 3600})
    assert coverage.of(snapshot(gone, NOW), sigma_h={}).band_base == 0.0


def test_every_row_has_its_band_by_what_was_not_fresh_then():
    n = 60
    lines = [Line("one", [1000.0] * n, [10.0] * n), Line("two", [500.0] * 20 + [None] * 40, [10.0] * n)]
    seen = panel(bars(lines), grid(NOW, NOW - (n - 1) * MINUTE, 60))
    base = np.where(seen.state == 3, np.nan, seen.base)
    told = coverage.bands(seen, base, {1: 0.01, 2: 0.006})
    assert told[10] == 0.0
    assert told[-1] == pytest.approx(500.0 * 0.006 * (2400.5 / 3600) ** 0.5)
    assert told[-10] == pytest.approx(500.0 * 0.006 * (1860.5 / 3600) ** 0.5)
    assert np.isnan(coverage.bands(seen, base, {1: 0.01})[-1])
    assert coverage.bands(seen, np.full(base.shape, np.nan), {})[-1] == 0.0


def test_steps_of_days_say_nothing_of_an_hour_even_if_the_last_one_is_short():
    days = panel(bars([Line("one", [10.0, 11.0, 12.0, 13.0] * 4, [10.0] * 16)], step=24 * HOUR),
                 [*grid(NOW, NOW - 15 * 24 * HOUR, 86_400), NOW + 20 * MINUTE])  # fmt: skip
    assert coverage.hourly_sd(days) == {}


@pytest.mark.parametrize(
    ("confidence", "letter"), [(0.95, "A"), (0.9499, "B"), (0.85, "B"), (0.7, "C"), (0.69, "D"), (None, "D")]
)
def test_grades(confidence: float | None, letter: str):
    assert coverage.grade(confidence) == letter


def test_coverage_weighs_by_size_and_confidence_by_plausibility():
    frame = latest([Line("one", [90.0], [1.0]), Line("two", [10.0], [1.0])], ages={"two": 100})
    c = coverage.of(snapshot(frame, NOW), plausible={"one": 0.9})
    assert (c.coverage, c.confidence, c.grade) == (pytest.approx(0.9), pytest.approx(0.81), "C")
    assert ([v.venue for v in c.fresh], [v.venue for v in c.stale]) == (["one"], ["two"])
    assert coverage.of(snapshot(frame, NOW)).plausibility == "not_measured"


def test_a_dead_venue_weighs_what_it_did_before():
    lines = [Line("one", [10.0] * 60, [1.0] * 60), Line("two", [30.0] * 30 + [None] * 30, [1.0] * 60)]
    c = coverage.of(panel(bars(lines), grid(NOW, NOW - HOUR + MINUTE, 60)))
    assert c.coverage == pytest.approx(0.25)
    assert c.carried[0].weight == pytest.approx(0.75)


def test_nobody_is_grade_d():
    c = coverage.of(snapshot(pd.DataFrame(), NOW))
    assert (c.coverage, c.grade, c.reasons[0].code) == (None, "D", "no_data")


def test_the_usual_size_is_the_median_of_a_day_of_bars():
    n = 300
    lines = [
        Line("one", [1.0] * 20 + [7.0] * 140 + [9.0] * 140, [10.0] * n),
        Line("two", [5.0] * (n - 1) + [6.0], [10.0] * n),
    ]
    told = bars(lines, step=5 * MINUTE)
    assert coverage.sizes(told, NOW) == {1: 7.0, 2: 5.0}
    assert coverage.sizes(told[told["t"] > NOW - 20 * MINUTE], NOW) == {1: 9.0, 2: 5.0}
    assert coverage.sizes(told, NOW + 25 * HOUR) == {}
    assert coverage.sizes(pd.DataFrame(), NOW) == {}
    now = snapshot(latest(lines, ages={"one": 100.0}), NOW)
    assert coverage.of(now).coverage == pytest.approx(6 / 15)
    assert coverage.of(now, sizes={1: 7.0}).coverage == pytest.approx(6 / 13)
    assert coverage.of(now, sizes={1: 7.0, 2: 5.0}).coverage == pytest.approx(5 / 12)
