import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import concentration
from analytics.concentration import shape
from analytics.inflow import inflow
from analytics.usual import Usual
from tests.analytics.market import DAY, MINUTE, NOW, Line, bars, closes, latest, walk


def test_the_shape_of_five_venues():  # T7
    s = shape(np.array([40, 25, 20, 10, 5], float))
    assert s is not None
    assert (s.hhi, s.effective, s.normalised) == (
        pytest.approx(0.275),
        pytest.approx(3.636364, rel=1e-6),
        pytest.approx(0.09375),
    )
    assert (s.entropy, s.exp_entropy, s.theil) == (
        pytest.approx(1.415023, rel=1e-6),
        pytest.approx(4.116579, rel=1e-6),
        pytest.approx(0.194415, rel=1e-5),
    )
    assert (s.k, s.cr1, s.cr3) == (5, pytest.approx(0.4), pytest.approx(0.85))


def test_the_new_open_interest_of_five_venues():  # T7
    found = inflow(
        ("a", "b", "c", "d", "e"), np.array([180, 20, -40, 60, 0], float), np.array([40, 25, 20, 10, 5], float),
        np.empty((0, 5)), 86_400,
    )  # fmt: skip
    assert found.phi == pytest.approx((0.692308, 0.076923, 0, 0.230769, 0), abs=1e-6)
    assert found.hhi_new == pytest.approx(0.538462, rel=1e-6)
    assert found.lq[0] == pytest.approx(1.730769, rel=1e-6)
    assert found.kl == pytest.approx(0.482091, rel=1e-6)
    assert (found.leader, found.material.origin) == ("a", "default_threshold")


@given(st.lists(st.floats(1e-6, 1e12), min_size=1, max_size=22))
def test_hhi_lies_between_one_over_k_and_one(sizes: list[float]):
    s = shape(np.array(sizes))
    assert s is not None
    assert 1 / s.k - 1e-12 <= s.hhi <= 1 + 1e-12


def test_a_single_venue_is_wholly_concentrated():
    s = shape(np.array([7.0]))
    assert s is not None
    assert (s.hhi, s.normalised, s.k) == (1.0, None, 1)


def test_most_inflow_to_one_small_venue_is_flagged_when_it_lasts():
    past = np.array([[90.0, 3.0, 0, 2, 1, 0], [80.0, 1.0, 2, 0, 1, 0]])
    flow, held = np.array([85.0, 2.0, -1, 1, 2, 1]), np.array([10.0, 200, 300, 200, 100, 90])
    found = inflow(tuple("abcdef"), flow, held, past, 3600)
    assert found.persistent
    assert found.flag == "concentrated_inflow"
    assert inflow(tuple("abcdef"), flow, held * 1e6, past, 3600).flag is None  # immaterial
    assert (
        inflow(tuple("abcdef"), flow, held[::-1] * np.array([20, 1, 1, 1, 1, 1]), past, 3600).flag is None
    )  # LQ < 1.5


def test_one_hour_is_enough_where_the_venue_never_grew_so():
    flow, held = np.array([85.0, 2.0, -1, 1, 2, 1]), np.array([10.0, 200, 300, 200, 100, 90])
    none = np.zeros((2, 6))
    alone = inflow(tuple("abcdef"), flow, held, none, 3600)
    assert (alone.p or 0) > 0.05, "signs cannot tell one large flow among small ones"
    assert (alone.persistent, alone.flag) == (False, None)
    assert inflow(tuple("abcdef"), flow, held, none, 3600, unusual={"b"}).flag is None
    told = inflow(tuple("abcdef"), flow, held, none, 3600, unusual={"a"})
    assert (told.unusual, told.flag) == (True, "concentrated_inflow")


def test_a_year_of_closes_places_the_concentration():
    n = 120
    lines = [Line("one", walk(1, n, 0.02), [100.0] * n), Line("two", walk(2, n, 0.02), [100.0] * n)]
    now = [Line("one", [5000.0] * 5, [100.0] * 5), Line("two", [10.0] * 5, [100.0] * 5)]
    c = concentration.assess(
        latest=latest(now), recent=bars(now), closes=closes(lines, end=NOW - MINUTE), now=NOW, window_s=240
    )
    assert (c.percentile_hhi, c.days) == (100.0, n)
    assert "fragility" in c.flags
    assert c.level_usd == 501_000.0


def test_new_concentration_is_held_against_days_only():
    now = [Line("one", [*[100.0] * 4, 110.0], [100.0] * 5), Line("two", [100.0] * 5, [100.0] * 5)]
    spread = {f"hhi_new q{k:02d}": (0.4 + 0.005 * k, 300) for k in range(0, 101, 5)}
    known = {**spread, "inflow": (1.0, 300)}

    def assessed(window_s: int, n: int = 300) -> concentration.Concentration:
        usual = Usual({name: (value, n) for name, (value, _) in known.items()})
        return concentration.assess(
            latest=latest(now), recent=bars(now, step=window_s * 250), now=NOW, window_s=window_s, usual=usual
        )

    day, few, hour = assessed(DAY // 1000), assessed(DAY // 1000, 89), assessed(3600)
    assert (day.percentile_new, day.windows) == (100.0, 300)
    assert "fragility" in day.flags
    assert [t.value for t in day.thresholds if t.name == "hhi_new"] == [pytest.approx(0.4 + 0.005 * 95)]
    for told in (few, hour):
        assert (told.percentile_new, told.index) == (None, None)
        assert "fragility" not in told.flags
        assert any(r.code == "insufficient_history" and "new open interest" in r.words for r in told.reasons)
        assert "hhi_new" not in {t.name for t in told.thresholds}


def test_a_silent_venue_makes_the_universe_partial_and_keeps_its_share():
    lines = [Line("one", [50.0] * 60, [10.0] * 60), Line("two", [50.0] * 20 + [None] * 40, [10.0] * 60)]
    c = concentration.assess(
        latest=latest(lines, ages={"two": 2400}), recent=bars(lines), closes=pd.DataFrame(), now=NOW, window_s=3540
    )
    assert c.shape is not None
    assert c.shape.hhi == pytest.approx(0.5)
    assert "partial_universe" in c.flags
    assert c.inflow is None
    assert {r.code for r in c.reasons} >= {"undetermined_panel", "insufficient_history"}


def test_an_outage_is_no_fragility():
    n = 120
    past = [Line(v, walk(k, n, 0.02), [100.0] * n) for k, v in enumerate(("one", "two", "three"))]
    held = [Line(v, [100.0] * 60, [100.0] * 60) for v in ("one", "two")]
    for hours, percentile in ((5, True), (7, False)):
        lines = [*held, Line("three", [100.0, *[None] * 59], [100.0] * 60)]
        c = concentration.assess(
            latest=latest(lines, ages={"three": hours * 3600.0}), recent=bars(lines), now=NOW, window_s=3540,
            closes=closes(past, end=NOW - MINUTE),
        )  # fmt: skip
        assert (c.percentile_hhi is not None) is percentile
        assert c.flags == ("partial_universe",)
        assert any("held against no year" in r.words for r in c.reasons) is not percentile


def test_of_who_was_not_heard_at_both_ends_no_part_of_the_inflow_is_told():
    lines = [Line("one", [*[100.0] * 59, 110.0], [100.0] * 60), Line("two", [10.0, *[None] * 59], [100.0] * 60)]
    c = concentration.assess(
        latest=latest(lines, ages={"two": 3540.0}), recent=bars(lines), closes=pd.DataFrame(), now=NOW, window_s=3540
    )
    told = {v.venue: (v.phi, v.lq, v.flow_usd) for v in c.venues}
    assert told["one"] == (1.0, pytest.approx(1.0, rel=0.1), pytest.approx(1000.0))
    assert told["two"] == (None, None, None)


def test_nobody_lists_the_asset():
    nothing = pd.DataFrame()
    c = concentration.assess(latest=nothing, recent=nothing, closes=nothing, now=NOW)
    assert (c.shape, c.venues, c.flags) == (None, (), ())
    assert c.reasons[0].code == "no_data"
