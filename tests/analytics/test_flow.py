import pandas as pd
import pytest

from analytics import flow
from tests.analytics.market import MINUTE, NOW, Line, bars, latest


def test_flow_is_net_and_gross_counts_both_ways():
    path = [100.0, 120.0, 110.0, 130.0, 105.0]
    lines = [Line("one", path, [10.0] * 5)]
    f = flow.assess(latest=latest(lines), recent=bars(lines), now=NOW, window_s=240)
    assert (f.flow_usd, f.opened_usd, f.closed_usd) == (pytest.approx(50), pytest.approx(400), pytest.approx(350))


def test_price_moves_no_position():
    lines = [Line("one", [100.0] * 5, [10.0, 11, 12, 13, 14])]
    f = flow.assess(latest=latest(lines), recent=bars(lines), now=NOW, window_s=240)
    assert (f.flow_usd, f.price_usd) == (0.0, pytest.approx(400))


def test_the_change_across_a_silence_is_left_out_of_the_gross():
    path = [100.0] * 10 + [None] * 10 + [40.0] * 11
    lines = [Line("one", path, [10.0] * 31), Line("two", [500.0] * 31, [10.0] * 31)]
    f = flow.assess(latest=latest(lines), recent=bars(lines), now=NOW, window_s=1800)
    assert (f.flow_usd, f.opened_usd, f.closed_usd) == (0.0, 0.0, 0.0)
    assert f.gap_usd == pytest.approx(-600)


def test_an_outage_is_no_flow():
    lines = [Line("one", [100.0] * 10 + [None] * 21, [10.0] * 31), Line("two", [50.0] * 31, [10.0] * 31)]
    f = flow.assess(latest=latest(lines, ages={"one": 1260}), recent=bars(lines), now=NOW, window_s=1800)
    assert f.flow_usd is None
    assert f.reasons[0].code == "undetermined_panel"
    assert [v.venue for v in f.venues] == ["two"]


def test_nobody_lists_the_asset():
    f = flow.assess(latest=pd.DataFrame(), recent=pd.DataFrame(), now=NOW, window_s=3600)
    assert (f.flow_usd, f.reasons[0].code) == (None, "no_data")


def test_a_bar_outside_the_window_does_not_count():
    lines = [Line("one", [100.0, 200.0, 200.0, 200.0], [10.0] * 4)]
    f = flow.assess(latest=latest(lines), recent=bars(lines), now=NOW, window_s=2 * MINUTE // 1000)
    assert f.opened_usd == 0.0
