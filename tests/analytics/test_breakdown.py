import pandas as pd
import pytest

from analytics import breakdown
from tests.analytics.market import HOUR, NOW, Line, bars, latest


def test_shares_are_of_the_level_and_silent_venues_stay_in_it():
    lines = [Line("one", [60.0], [100.0]), Line("two", [3000.0], [100.0], "inverse"), Line("three", [10.0], [100.0])]
    b = breakdown.venues(latest(lines, ages={"two": 3600}), NOW)
    assert [(v.venue, v.state, v.usd, v.share) for v in b.venues] == [
        ("one", "fresh", 6000.0, 0.6),
        ("two", "carried", 3000.0, 0.3),
        ("three", "fresh", 1000.0, 0.1),
    ]
    assert b.coverage.coverage == pytest.approx(0.7)
    assert b.venues[1].basis == "carried"


def test_a_venue_silent_for_seven_hours_is_excluded():
    b = breakdown.venues(latest([Line("one", [1.0], [9.0]), Line("two", [1.0], [9.0])], ages={"two": 25_200}), NOW)
    assert (b.venues[1].state, b.venues[1].usd, b.total_usd) == ("excluded", 0.0, 9.0)


def test_growth_counts_contracts_and_not_their_price():
    lines = [Line("one", [10.0] * 24 + [11.0], [100.0] * 24 + [50.0])]
    b = breakdown.venues(latest(lines), NOW, bars=bars(lines, step=HOUR))
    assert b.venues[0].growth == pytest.approx(0.1)


def test_a_disputed_side_count_is_said():
    frame = latest([Line("one", [1.0], [9.0])]).assign(side_status="disputed")
    b = breakdown.venues(frame, NOW)
    assert b.venues[0].disputed
    assert b.reasons[-1].code == "disputed_units"


def test_nobody_lists_the_asset():
    b = breakdown.venues(pd.DataFrame(), NOW)
    assert (b.total_usd, b.venues) == (None, ())
    assert b.reasons[0].code == "no_data"


def test_a_side_count_that_nobody_states_is_disputed():
    frame = latest([Line("one", [10.0], [100.0])]).assign(side_status=None)
    found = breakdown.venues(frame, NOW)
    assert [i.side_status for i in found.instruments] == ["disputed"]
    assert "may be off by a factor of 2" in found.reasons[-1].words
