import pandas as pd
import pytest

from analytics import levels
from tests.analytics.market import DAY, HOUR, MINUTE, NOW, Line, bars, closes, latest, walk


def outage() -> list[Line]:
    """T13: (60, 30, 10) k coins; the second falls silent, the others end at 58 and 9.5 k; price 100,000 to 98,000."""
    n = 30
    mark = [100_000.0] * (n - 1) + [98_000.0]
    return [
        Line("one", [60_000.0] * (n - 1) + [58_000.0], mark),
        Line("two", [30_000.0] * 10 + [None] * 20, mark),
        Line("three", [10_000.0] * (n - 1) + [9_500.0], mark),
    ]


def drawn(lines: list[Line], ages: dict[str, float], **more: object) -> levels.ChartSeries:
    return levels.chart(
        latest=latest(lines, ages=ages), bars=bars(lines), now=NOW, start=NOW - 29 * MINUTE, step_s=60, **more
    )  # type: ignore[arg-type]  # keyword pass-through of a test


def test_an_outage_is_carried_and_never_a_fall():  # T13
    series = drawn(outage(), {"two": 20 * 60})
    assert series.points[-1].usd == pytest.approx(9_555_000_000)
    assert series.points[-1].carried_usd == pytest.approx(2_940_000_000)
    assert series.points[-1].usd / series.points[0].usd - 1 == pytest.approx(-0.0445)
    assert series.points[-1].basis == "carried"
    assert series.points[-1].coverage == pytest.approx(67.5 / 97.5)
    assert [v.venue for v in series.coverage.carried] == ["two"]


def test_a_change_over_too_small_a_panel_is_undetermined():  # T13
    series = drawn(outage(), {"two": 20 * 60})
    assert series.change is not None
    assert series.change.panel_share == pytest.approx(0.70)
    assert series.change.growth is None
    assert series.change.drop is None
    assert [r.code for r in series.change.reasons] == ["undetermined_panel"]


def test_the_parts_of_a_change_add_up():
    series = drawn(outage(), {"two": 20 * 60})
    c = series.change
    assert c is not None
    assert c.quantity_usd + c.price_usd + c.gap_usd + c.unmatched_usd == pytest.approx(c.total_usd, abs=0.01)
    assert c.quantity_usd == pytest.approx(-2500 * 99_000)
    assert c.unmatched_usd == pytest.approx(-30_000 * 2_000)


def test_the_index_does_not_see_a_venue_that_comes_and_goes():
    n = 60
    flat, mark = [50_000.0] * n, [100.0] * n
    gone = [20_000.0] * 10 + [None] * 40 + [4_000.0] * 10
    lines = [Line("one", flat, mark), Line("two", flat, mark), Line("three", gone, mark)]
    series = levels.chart(latest=latest(lines), bars=bars(lines), now=NOW, start=NOW - 59 * MINUTE, step_s=60)
    assert {p.index for p in series.points} == {1.0}
    assert series.change is not None
    assert series.change.gap_usd == pytest.approx(-16_000 * 100)
    assert series.change.growth == pytest.approx(0.0)


def test_after_six_hours_a_silent_venue_leaves_with_a_universe_change():
    n = 10
    lines = [Line("one", [9.0] * n, [100] * n), Line("two", [3.0] + [None] * (n - 1), [100] * n)]
    frame = bars(lines, step=HOUR)
    series = levels.chart(
        latest=latest(lines, ages={"two": 9 * 3600}), bars=frame, now=NOW, start=NOW - 9 * HOUR, step_s=3600
    )
    assert series.points[0].usd == 1200
    assert series.points[-1].usd == 900
    assert [name for _, name in series.left] == ["two"]
    assert series.contributing == ("one",)


def test_a_year_of_closes_gives_the_high_share_and_the_running_day_is_provisional():
    n = 200
    path = [40.0] + [32.0] * (n - 1)
    lines = [Line("one", path, [100.0] * n)]
    series = levels.chart(
        latest=latest([Line("one", [30.0], [100.0])]),
        closes=closes(lines),
        now=NOW,
        start=NOW - 90 * DAY,
        step_s=86_400,
    )
    assert series.high.share == 0.75
    assert series.high.zone == "normal"
    assert not series.high.plateau
    assert [p.provisional for p in series.points[-2:]] == [False, True]
    assert series.points[-2].high_share == 0.8


def test_what_is_no_longer_listed_is_missing_on_no_day_after_its_last():
    n = 300
    one, two = Line("one", [100.0] * n, [10.0] * n), Line("two", [40.0] * 150 + [None] * 150, [10.0] * n)
    gone = levels.chart(latest=latest([one]), closes=closes([one, two]), now=NOW, start=NOW - 290 * DAY, step_s=86_400)
    assert {p.coverage for p in gone.points} == {1.0}
    assert (gone.high.closes, gone.high.share) == (n, pytest.approx(100 / 140))
    silent = levels.chart(
        latest=latest([one, two], ages={"two": 150 * 86_400.0}), closes=closes([one, two]), now=NOW,
        start=NOW - 290 * DAY, step_s=86_400,
    )  # fmt: skip
    told = [p.coverage for p in silent.points]
    assert (told[-152], told[-150], told[-125], told[-100]) == (1.0, *[pytest.approx(100 / 140)] * 2, 1.0)


def test_what_is_left_of_a_market_is_held_against_no_year_of_all_of_it():
    n = 200
    lines = [Line("one", [60.0] * n, [10.0] * n), Line("two", [40.0] * n, [10.0] * n)]
    for hours, share in ((5, 1.0), (7, None)):
        shown = levels.chart(
            latest=latest(lines, ages={"two": hours * 3600.0}), closes=closes(lines, end=NOW - DAY), now=NOW,
            start=NOW - 90 * DAY, step_s=86_400,
        )  # fmt: skip
        assert (shown.high.share, shown.high_base.share, shown.points[-1].high_share) == (share, share, share)
        assert [r.code for r in shown.high.reasons] == ([] if share else ["insufficient_coverage"])


def test_price_alone_is_not_deleveraging():  # T14
    lines = [Line("one", [100.0, 97.0], [100.0, 86.0])]
    day = levels.chart(latest=latest(lines), closes=closes([Line("one", [100.0], [100.0])], end=NOW - DAY), now=NOW,
                       start=NOW - 2 * DAY, step_s=86_400).day  # fmt: skip
    assert day is not None
    assert day.growth == pytest.approx(-0.03)
    assert day.usd_growth == pytest.approx(-0.1658)
    assert day.drop == "price_effect_drop"


def test_contracts_that_close_are_deleveraging():  # T14
    lines = [Line("one", [81.0], [104.0])]
    day = levels.chart(latest=latest(lines), closes=closes([Line("one", [100.0], [117.0])], end=NOW - DAY), now=NOW,
                       start=NOW - 2 * DAY, step_s=86_400).day  # fmt: skip
    assert day is not None
    assert (day.growth, day.usd_growth) == (pytest.approx(-0.19), pytest.approx(-0.28))
    assert day.drop == "deleveraging"


def test_inverse_contracts_do_not_grow_with_price():  # T14
    before = closes([Line("one", [500e6], [100_000.0], "inverse")], end=NOW - DAY)
    now = latest([Line("one", [500e6], [90_000.0], "inverse")])
    series = levels.chart(latest=now, closes=before, now=NOW, start=NOW - 2 * DAY, step_s=86_400)
    assert series.day is not None
    assert series.day.growth == 0.0
    assert series.points[-1].index == 1.0
    assert series.points[-1].base / series.points[0].base - 1 == pytest.approx(1 / 9)


def test_an_asset_nobody_lists_says_so():
    nothing = pd.DataFrame()
    series = levels.chart(latest=nothing, bars=nothing, closes=nothing, now=NOW, start=NOW - DAY, step_s=300)
    assert series.points == ()
    assert series.day is None
    assert [r.code for r in series.reasons] == ["no_data"]


def test_a_single_venue_is_asked_for_by_name():
    lines = [Line("one", walk(1, 30), [100.0] * 30), Line("two", walk(2, 30), [100.0] * 30)]
    series = drawn(lines, {}, venue="two")
    assert series.contributing == ("two",)
    assert series.points[-1].base == pytest.approx(lines[1].native[-1])


def test_all_venues_stale_is_grade_d_and_keeps_the_level():
    lines = [Line("one", [5.0] * 30, [100.0] * 30), Line("two", [5.0] * 30, [100.0] * 30)]
    series = drawn(lines, {"one": 100.0, "two": 100.0})
    assert series.coverage.grade == "D"
    assert series.coverage.contributing == 0
    assert series.points[-1].usd == 1000
    assert {r.code for r in series.reasons} >= {"insufficient_coverage", "stale_reference_price"}
