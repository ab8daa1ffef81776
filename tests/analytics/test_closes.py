import pandas as pd

from analytics import closes as days
from analytics.alignment import State
from analytics.carry import level
from tests.analytics.market import DAY, NOW, Line, closes


def test_a_close_ends_its_day_and_the_highest_revision_counts():
    frame = closes([Line("one", [5.0, 6.0], [10.0, 10.0])])
    corrected = frame.tail(1).assign(native=7.0, base=7.0, usd=70.0, revision=1)
    p = days.panel(pd.concat([corrected, frame]))
    assert p.t.tolist() == [NOW - DAY, NOW]
    assert p.usd[:, 0].tolist() == [50.0, 70.0]


def test_a_carried_close_is_dead_and_leaves_after_six_hours():
    frame = closes([Line("one", [5.0, None], [10.0, 10.0]), Line("two", [1.0, 1.0], [10.0, 10.0])])
    frame.loc[frame["basis"] == "carried", "age_s"] = 3600.0
    p = days.panel(frame)
    assert p.state.tolist() == [[State.FRESH, State.FRESH], [State.DEAD, State.FRESH]]
    assert level(p).total_usd.tolist() == [60.0, 60.0]
    frame.loc[frame["basis"] == "carried", "age_s"] = 7 * 3600.0
    assert level(days.panel(frame)).total_usd.tolist() == [60.0, 10.0]


def test_a_day_without_a_row_is_dead_and_not_zero():
    frame = closes([Line("one", [5.0, 5.0, 5.0], [10.0] * 3), Line("two", [1.0] * 3, [10.0] * 3)])
    hole = (frame["venue"] == "one") & (frame["day"] == frame["day"].unique()[1])
    p = days.panel(frame.loc[~hole])
    assert p.state[:, 0].tolist() == [State.FRESH, State.DEAD, State.FRESH]
    assert p.native[1, 0] == 5.0


def test_days_may_be_milliseconds_or_dates():
    frame = closes([Line("one", [5.0], [10.0])])
    assert days.panel(frame.assign(day=NOW - DAY)).t.tolist() == [NOW]
    assert days.panel(frame.assign(day=[d.date() for d in frame["day"]])).t.tolist() == [NOW]


def test_nothing_in_nothing_out():
    assert days.panel(pd.DataFrame()).contracts == ()
