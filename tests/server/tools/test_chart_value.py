"""A chart's points and the parts of its change, through the real store."""

from pathlib import Path

import numpy as np
import pytest
from mcp.server.mcpserver.exceptions import ToolError

from server.answers import Answer, utc
from server.tools.chart_value import get_chart_value, thinned
from server.tools.interest import get_open_interest
from store.records import Gap
from tests.server.tools.made import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    Course,
    Held,
    Times,
    Values,
    always,
    by_name,
    linear,
    market,
    turned,
)

PARTS = ("quantity", "price", "gap", "unmatched")


def parts(answer: Answer, name: str) -> list[float]:
    return [float(str(answer.figures[f"change_{name}_{part}_usd"])) for part in PARTS]


def test_a_change_is_taken_apart_into_positions_and_price(tmp_path: Path) -> None:
    noon = NOW - 12 * HOUR
    with market(
        tmp_path, Held(linear("north"), turned(100_000.0, 98_000.0, noon), turned(100_000.0, 110_000.0, noon))
    ) as house:
        answer = get_chart_value(house, timeframe="24h")
    f = answer.figures
    for name in ("range", "24h"):
        assert parts(answer, name) == [-210_000_000, 990_000_000, 0, 0]
        assert f[f"change_{name}_total_usd"] == sum(parts(answer, name)) == 780_000_000
        assert (f[f"change_{name}_pct"], f[f"drop_{name}"]) == (-2, "none")
    assert (f["first_oi_usd"], f["last_oi_usd"], f["last_price_usd"]) == (10_000_000_000, 10_780_000_000, 110_000)
    assert (f["highest_oi_usd"], f["lowest_oi_usd"]) == (10_780_000_000, 10_000_000_000)
    assert answer.rows[0] == [utc(NOW - DAY), 10_000_000_000, 100_000, 0, 0, 100_000, 1]
    assert answer.rows[-1] == [utc(NOW), 10_780_000_000, 98_000, 0, 0, 110_000, 1]
    assert f["last_is_provisional"] is True
    assert answer.summary == (
        "BTC open interest, all exchanges: 10.78 bn USD; contracts -2.00% over 24h; coverage 100%, grade A"
    )


def test_the_parts_of_a_change_add_up_to_it(tmp_path: Path) -> None:
    def wave(size: float, period_s: float) -> Course:
        return lambda t: size * (1 + 0.1 * np.sin(t / 1000 / period_s))

    died = NOW - 3 * HOUR
    with market(
        tmp_path,
        Held(linear("north"), wave(60_000, 4000), wave(100_000, 9000)),
        Held(linear("south"), wave(30_000, 7000), wave(100_000, 9000)),
        Held(linear("west"), wave(9_000, 3000), wave(100_000, 9000), end=died),
        said=[Gap("west", "linear", "", died, None, "down")],
    ) as house:
        answer = get_chart_value(house, timeframe="24h")
    assert answer.coverage.venues_carried == ["west"]
    for name in ("range", "24h"):
        total = float(str(answer.figures[f"change_{name}_total_usd"]))
        assert parts(answer, name)[3] != 0
        assert sum(parts(answer, name)) == pytest.approx(total, abs=5e-5 * max(map(abs, parts(answer, name))))


def test_an_outage_is_carried_and_lowers_coverage_and_is_no_fall(tmp_path: Path) -> None:
    """analytics.md, T13: naively -33.85 %; the level with what is carried -4.45 %; the change undetermined."""
    died = NOW - 20 * MINUTE
    price = turned(100_000.0, 98_000.0, died + 5 * MINUTE)
    with market(
        tmp_path,
        Held(linear("north"), turned(60_000.0, 58_000.0, died + 5 * MINUTE), price),
        Held(linear("south"), always(30_000.0), price, end=died),
        Held(linear("west"), turned(10_000.0, 9_500.0, died + 5 * MINUTE), price),
        said=[Gap("south", "linear", "", died, None, "down")],
    ) as house:
        answer = get_chart_value(house, timeframe="24h")
        alone = get_chart_value(house, "derivatives-oi-south", "24h")
        covered = get_chart_value(house, "derivatives-oi-coverage", "24h")
    assert answer.figures["first_oi_usd"] == 10_000_000_000
    assert answer.figures["last_oi_usd"] == 9_555_000_000
    assert answer.figures["lowest_oi_usd"] == 9_555_000_000
    assert answer.figures["change_range_total_usd"] == -445_000_000
    assert (answer.figures["change_range_pct"], answer.figures["drop_range"]) == (None, None)
    assert answer.figures["panel_share_range"] == 0.7
    assert "change undetermined over 24h" in answer.summary
    (said,) = [words for words in answer.warnings if words.startswith("undetermined_panel")]
    assert said.startswith("undetermined_panel: Of the range and the last 24 h: Only 70.0%")
    assert answer.rows[-1] == [utc(NOW), 9_555_000_000, 97_500, 2_940_000_000, 0, 98_000, 0.69231]
    assert answer.figures["basis"] == "carried"
    assert answer.coverage.venues_carried == ["south"]
    assert answer.coverage.share == 0.7
    assert alone.figures["last_oi_usd"] == 2_940_000_000
    assert covered.rows[-1][1] == 0.69231
    assert covered.figures["highest_coverage_share"] == 1
    assert "change_range_pct" not in covered.figures


def test_a_venue_that_comes_back_books_what_happened_meanwhile_as_a_gap(tmp_path: Path) -> None:
    down, up = NOW - 10 * HOUR, NOW - 9 * HOUR
    of = linear("south")
    with market(
        tmp_path,
        Held(linear("north"), always(90_000.0)),
        Held(of, always(10_000.0), end=down),
        Held(of, always(4_000.0), start=up),
        said=[Gap("south", "linear", "", down, up, "down")],
    ) as house:
        answer = get_chart_value(house, timeframe="24h")
    assert parts(answer, "24h") == [0, 0, -600_000_000, 0]
    assert answer.figures["change_24h_pct"] == 0
    assert answer.figures["lowest_oi_usd"] == 9_400_000_000


def test_a_level_that_rests_on_a_last_value_has_a_band(tmp_path: Path) -> None:
    """South moves by one per cent an hour, up and down; the chart ends with the band that get_open_interest tells."""
    died = NOW - 2 * HOUR

    def restless(t: Times) -> Values:
        return 10_000 * np.exp(0.01 * np.cumsum(np.array([1, -2, 3, -4, 5, -6, 2, 1] * 6))[(t - NOW) // HOUR + 40])

    with market(
        tmp_path,
        Held(linear("north"), always(90_000.0)),
        Held(linear("south"), restless, end=died),
        said=[Gap("south", "linear", "", died, None, "down")],
    ) as house:
        answer = get_chart_value(house, timeframe="24h", detail="detailed")
        coins = get_chart_value(house, "derivatives-oi-coins", "24h", detail="detailed")
        now = get_open_interest(house).figures
        alone = get_chart_value(house, "derivatives-oi-north", "24h")
    rows = by_name(answer, "t")
    assert float(str(now["band_usd"])) > 1e6
    assert rows[utc(NOW)]["band_usd"] == now["band_usd"]
    assert by_name(coins, "t")[utc(NOW)]["band_coins"] == now["band_coins"]
    assert rows[utc(NOW - 3 * HOUR)]["band_usd"] == 0
    half, whole = (float(str(rows[utc(NOW - h * HOUR)]["band_usd"])) for h in (1, 0))
    assert whole / half == pytest.approx(2**0.5, rel=0.02)
    assert {row["band_usd"] for row in by_name(alone, "t").values()} == {0}


def test_who_was_heard_too_briefly_leaves_the_band_unknown_and_that_is_said(tmp_path: Path) -> None:
    came, died = NOW - 4 * HOUR, NOW - HOUR
    with market(
        tmp_path,
        Held(linear("north"), always(90_000.0)),
        Held(linear("south"), always(10_000.0), start=came, end=died),
        said=[Gap("south", "linear", "", died, None, "down")],
    ) as house:
        answer = get_chart_value(house, timeframe="24h", detail="detailed")
        index = get_chart_value(house, "derivatives-oi-index", "24h")
    rows = by_name(answer, "t")
    assert (rows[utc(NOW)]["band_usd"], rows[utc(NOW - 2 * HOUR)]["band_usd"]) == (None, 0)
    assert any(words.startswith("insufficient_history: No band at 1") for words in answer.warnings)
    assert not any("No band" in words for words in index.warnings)


def test_points_are_thinned_to_200_and_detailed_gives_all(tmp_path: Path) -> None:
    def minute(t: Times) -> Values:
        return (t - NOW + 2 * DAY) / MINUTE

    with market(tmp_path, Held(linear("north"), minute)) as house:
        concise = get_chart_value(house, timeframe="24h")
        every = get_chart_value(house, timeframe="24h", detail="detailed")
        week = get_chart_value(house, timeframe="7d")
    assert (len(concise.rows), concise.truncated, concise.figures["points"]) == (200, True, 289)
    assert (len(every.rows), every.truncated) == (289, False)
    assert (concise.rows[0], concise.rows[-1]) == (every.rows[0], every.rows[-1])
    assert {str(row[0]) for row in concise.rows} < {str(row[0]) for row in every.rows}
    assert "detail=detailed" in concise.next
    assert [row[2] for row in every.rows[:3]] == [1439, 1444, 1449]  # what was last said before each moment
    assert (week.figures["step_s"], week.figures["points"], week.truncated) == (3600, 35 if NOW % HOUR else 34, False)


def test_a_thinned_series_keeps_its_ends_and_its_order() -> None:
    assert thinned(5, 10) == ([0, 1, 2, 3, 4], False)
    assert thinned(9, 5) == ([0, 2, 4, 6, 8], True)
    kept, _ = thinned(1000, 200)
    assert (kept[0], kept[-1], len(set(kept)), kept == sorted(kept)) == (0, 999, 200, True)


def test_daily_charts_rest_on_closes_and_place_today_in_its_year(tmp_path: Path) -> None:
    peak = NOW // DAY * DAY - 30 * DAY
    with market(
        tmp_path,
        Held(
            linear("north"),
            lambda t: np.where(t < peak, 200.0, 150.0),
            start=NOW - 250 * DAY,
            end=NOW - 2 * DAY,
            step=5 * MINUTE,
        ),
        Held(linear("north"), always(150.0), start=NOW - 2 * DAY),
    ) as house:
        year = get_chart_value(house, timeframe="1y")
        share = get_chart_value(house, "derivatives-oi-high-share", "90d")
        day = get_chart_value(house, "derivatives-oi-high-share", "24h")
    assert (year.figures["high_share"], year.figures["zone"]) == (0.75, "normal")
    assert year.figures["year_high_usd"] == 20_000_000
    assert year.figures["plateau"] is False
    assert year.figures["step_s"] == 86_400
    assert share.rows[-1][1] == 0.75
    assert (day.figures["step_s"], day.rows[-1][1]) == (86_400, 0.75)
    assert share.figures["highest_high_share"] == 1
    assert str(year.rows[0][0]).endswith("T00:00:00Z")


def test_a_fall_of_positions_is_deleveraging_and_of_dollars_alone_is_not(tmp_path: Path) -> None:
    """analytics.md, T14."""
    then = NOW - 2 * HOUR
    with market(tmp_path / "a", Held(linear("north"), turned(100.0, 81.0, then), turned(117.0, 104.0, then))) as house:
        fell = get_chart_value(house, timeframe="24h")
    with market(tmp_path / "b", Held(linear("north"), turned(100.0, 97.0, then), turned(100.0, 86.0, then))) as house:
        cheaper = get_chart_value(house, timeframe="24h")
    assert (fell.figures["change_24h_pct"], fell.figures["drop_24h"]) == (-19, "deleveraging")
    assert "deleveraging in 24 h" in fell.summary
    assert fell.figures["drop_range"] == "deleveraging"
    assert (cheaper.figures["change_24h_pct"], cheaper.figures["drop_24h"]) == (-3, "price_effect_drop")


def test_a_month_that_lost_a_fifth_is_no_deleveraging(tmp_path: Path) -> None:
    long_ago = Held(linear("north"), turned(100.0, 80.0, NOW - 60 * HOUR), start=NOW - 5 * DAY)
    with market(tmp_path, long_ago) as house:
        answer = get_chart_value(house, timeframe="7d")
    assert answer.figures["change_range_pct"] == -20
    assert (answer.figures["drop_range"], answer.figures["drop_24h"]) == (None, "none")


def test_a_misspelt_chart_names_the_near_ones_and_a_pattern_asks_for_a_venue(tmp_path: Path) -> None:
    with market(tmp_path, Held(linear("north"), always(1.0))) as house:
        with pytest.raises(ToolError, match=r"No chart 'derivatives-oi-noth'. Did you mean derivatives-oi-north"):
            get_chart_value(house, "derivatives-oi-noth")
        with pytest.raises(ToolError, match=r"is a pattern. Put a venue in: north"):
            get_chart_value(house, "derivatives-oi-{venue}")
