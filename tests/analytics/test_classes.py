import numpy as np
import pandas as pd
import pytest

from analytics import classes
from tests.analytics.market import Line, bars, latest

LINES = [Line("one", [10.0] * 3, [9.0] * 3), Line("two", [10.0] * 3, [9.0] * 3), Line("three", [10.0] * 3, [9.0] * 3)]
FULL = ("one", "two", "three")


def test_a_venue_that_behaves_against_its_class_is_told():
    frame = latest(LINES)  # one and three are speculative, two institutional
    frame["funding"] = [0.00001, 0.0009, -0.0004]
    frame["max_leverage"] = [5.0, 125.0, 50.0]
    found = {e.venue: e for e in classes.evidence(frame)}
    assert [found[v].rank for v in ("one", "three", "two")] == [0.0, 0.5, 1.0]
    assert [v for v, e in found.items() if e.disagrees] == ["one", "two"]
    assert found["one"].parts == ("funding", "leverage")
    assert classes.evidence(pd.DataFrame()) == ()


def test_turnover_and_forced_closes_count_where_they_are_known():
    frame, day = latest(LINES), bars(LINES)
    frame["funding"] = np.nan
    day["volume"] = [5.0] * 3 + [20.0] * 3 + [np.nan] * 3
    day["liquidated_long"] = [1.0] * 3 + [np.nan] * 6
    day["liquidated_short"] = [2.0] * 3 + [np.nan] * 6
    found = {e.venue: e for e in classes.evidence(frame, day, FULL)}
    assert (found["one"].turnover, found["two"].turnover, found["three"].turnover) == (1.5, 6.0, None)
    assert found["one"].liquidated_share == pytest.approx(9.0 / 90.0)
    assert found["two"].parts == ("turnover",), "a single venue with forced closes has no rank"
    assert not any(e.disagrees for e in found.values()), "one part alone says too little"


def test_deaths_on_one_side_only_are_deaths_and_throttled_feeds_have_no_rank():
    frame, day = latest(LINES), bars(LINES)
    day["liquidated_long"] = [1.0] * 3 + [np.nan] * 3 + [4.0] * 3
    day["liquidated_short"] = [np.nan] * 3 + [2.0] * 3 + [4.0] * 3
    found = {e.venue: e for e in classes.evidence(frame, day, ("one", "two"))}
    assert (found["one"].liquidated_share, found["two"].liquidated_share) == pytest.approx((3.0 / 90.0, 6.0 / 90.0))
    assert (found["one"].rank, found["two"].rank) != (None, None)
    assert found["three"].liquidated_share is None, "its amounts are lower bounds"
    assert "liquidated" in found["one"].parts
    assert "liquidated" not in found["three"].parts
