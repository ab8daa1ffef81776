import numpy as np
import pandas as pd
import pytest

from analytics import charts, flow
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


def test_what_was_opened_before_a_contract_changed_its_size_keeps_its_worth():
    """Ten coins a contract at first, then one: 20 coins are opened before the change and 30 closed after it."""
    told = bars([Line("one", [10.0, 12.0, 120.0, 90.0], [5.0] * 4)])
    size = np.array([10.0, 10.0, 1.0, 1.0])
    told["base"], told["usd"] = told["native"] * size, told["native"] * size * 5.0
    told.loc[2, "opened"] = 0.0  # the same coins, counted otherwise
    last = latest([Line("one", [90.0], [5.0])])
    f = flow.assess(latest=last, recent=told, now=NOW, window_s=180)
    assert f.flow_usd == pytest.approx(-10 * 5.0)
    assert (f.opened_usd, f.closed_usd) == (pytest.approx(20 * 5.0), pytest.approx(30 * 5.0))
    drawn = charts.of("gross", "BTC", bars=told, start=NOW - 2 * MINUTE, end=NOW, step_s=60).columns
    assert (drawn["opened_usd"], drawn["closed_usd"]) == ((100.0, 0.0, 0.0), (0.0, 0.0, 150.0))
