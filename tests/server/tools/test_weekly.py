"""A report of the week is in the level until the next one, in changes of seven days, and in no shorter one."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from server.answers import Answer
from server.maps import Maps
from server.tools.chart_value import get_chart_value
from server.tools.divergence import get_oi_divergence
from server.tools.house import House
from server.tools.interest import get_open_interest
from server.tools.liquidation_map import get_liquidation_map
from store.records import Instrument, Kind
from tests.server.tools.made import DAY, HOUR, MINUTE, NOW, Held, Times, Values, always, by_name, linear, market

WEEK = 7 * DAY
TUESDAY = NOW - 5 * DAY
REPORT = Instrument("report", "futures", "BTC", "BTC", "USD", "USD", kind=Kind.DATED, contract_size=5.0)
PRICE = always(100.0)


def weekly(t: Times) -> Values:
    """Grows by a tenth and falls back, from week to week."""
    return 200.0 * (1 + 0.1 * (((t - TUESDAY) // WEEK) % 2))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    many = [
        Held(linear(name), always(1000.0), PRICE, NOW - a * DAY, NOW - z * DAY if z else NOW + MINUTE, step,
             klass="speculative" if k % 2 else "institutional")
        for k, name in enumerate("abcd")
        for a, z, step in ((70, 20, 4 * HOUR), (20, 0, 5 * MINUTE))
    ]  # fmt: skip
    report = Held(REPORT, weekly, PRICE, TUESDAY - 9 * WEEK, TUESDAY + 1, WEEK, "institutional")
    with market(tmp_path_factory.mktemp("weekly"), *many, report) as made:
        yield made


@pytest.mark.parametrize("window", ["1h", "4h", "24h"])
def test_a_weekly_report_is_in_no_change_of_a_day_or_less(house: House, window: str) -> None:
    answer = get_oi_divergence(house, window=window)  # type: ignore[arg-type]
    assert answer.figures["institutional_live"] == "a, c"
    assert "report" not in by_name(answer, "venue")


def test_it_stays_in_the_level_until_the_next_one(house: House) -> None:
    row = by_name(get_open_interest(house), "venue")["report"]
    assert (row["oi_coins"], row["state"], row["age_s"]) == (200, "fresh", 5 * 86_400)
    assert row["cadence_s"] == 7 * 86_400


def test_it_is_no_silent_venue_of_the_map(house: House, tmp_path: Path) -> None:
    maps = Maps(house.reader, tmp_path, ["BTC"])
    maps.advance(NOW)
    answer = get_liquidation_map(replace(house, map_state=maps.state))
    assert "report" in by_name_of(answer, "venues")
    assert not any("frozen" in words for words in answer.warnings)
    assert (answer.coverage.grade, answer.coverage.venues_carried) == ("A", [])
    assert answer.coverage.cadence_s["report"] == 7 * 86_400


def by_name_of(answer: Answer, table: str) -> set[str]:
    return {str(row[0]) for row in answer.tables[table].rows}


@pytest.mark.parametrize("chart", ["derivatives-oi-flow", "derivatives-oi-gross-flow", "derivatives-oi-zscore"])
def test_a_chart_of_its_changes_says_how_often_it_is_told(house: House, chart: str) -> None:
    with pytest.raises(
        ToolError, match=r"^no_data: report states its open interest every 168 h: of shorter"
    ) as refused:
        get_chart_value(house, chart, "30d", venue="report")
    assert "derivatives-oi-report has its level" in str(refused.value)
    assert get_chart_value(house, "derivatives-oi-report", "30d").figures["change_range_pct"] is not None


def test_its_growth_is_that_of_seven_days_and_of_no_single_day(house: House) -> None:
    told = by_name(get_chart_value(house, "derivatives-oi-conviction", "90d", detail="detailed"), "t").values()
    day, week = (
        [abs(float(str(row[name]))) for row in told if row[name] is not None]
        for name in ("growth_institutional", "growth_institutional_7d")
    )
    assert max(day) == 0
    assert max(week) == pytest.approx(0.1 * 200 / 2200, rel=1e-3)


@pytest.mark.parametrize(("timeframe", "reported"), [("24h", {200}), ("7d", {220, 200}), ("30d", {220, 200})])
def test_it_is_in_every_point_of_a_chart_as_it_is_in_the_answer_of_now(
    house: House, timeframe: str, reported: set[int]
) -> None:
    """Also where its last statement lies before the range; and a lone statement is no feed by the minute."""
    now = get_open_interest(house).figures["total_coins"]
    mine, all_of_it = (
        get_chart_value(house, chart, timeframe, detail="detailed")  # type: ignore[arg-type]  # the words of a literal
        for chart in ("derivatives-oi-report", "derivatives-oi-aggregated-all-exchanges")
    )
    said = [row["oi_coins"] for row in by_name(mine, "t").values()]
    assert set(said) == reported, "each until the next one"
    assert said[-1] == 200
    told = list(by_name(all_of_it, "t").values())
    assert {row["oi_coins"] for row in told} == {4000 + coins for coins in reported}
    assert (told[-1]["oi_coins"], now) == (4200, 4200)
    assert len(mine.rows) == len(all_of_it.rows)
    assert all_of_it.figures["change_24h_unmatched_usd"] == 0
    assert not any("universe_change" in w for w in all_of_it.warnings)
    assert told[-2]["coverage_share"] == 1


def test_nor_does_a_chart_of_who_holds_how_much_jump_at_its_end(house: House) -> None:
    for timeframe in ("24h", "7d"):
        told = list(by_name(get_chart_value(house, "derivatives-oi-concentration", timeframe), "t").values())  # type: ignore[arg-type]
        assert {row["hhi"] for row in told[-5:]} == {0.22902}
        assert all(row["hhi"] in (0.22902, 0.22733) for row in told)


def test_over_months_it_counts(house: House, tmp_path: Path) -> None:
    answer = get_chart_value(house, "derivatives-oi-report", "30d")
    assert answer.figures["change_range_pct"] in (0, 10, pytest.approx(-9.0909))
