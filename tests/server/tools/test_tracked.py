"""Every chart of the catalogue answers for every timeframe, over a store with a year in it and over an empty one."""

import json
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from mcp.server.mcpserver.exceptions import ToolError

from analytics import catalogue
from analytics.chart import Chart
from analytics.charts.crowd import KINDS
from server.leads import measure
from server.tools.chart_value import SPANS, get_chart_value
from server.tools.charts import list_charts
from server.tools.house import House
from store.derived import append
from store.engine import open_store
from store.reader import Reader
from store.records import Event, FeedClass, Funding, Liquidation, LongShort, Record, Side, Source, Unit, Volume
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

TIMEFRAMES = (*SPANS, "all")
NORTH, SOUTH, EAST = linear("north"), linear("south"), linear("east")
PRICE = always(100.0)
DAYS = 400
TODAY = NOW - NOW % DAY
REASONS = (
    "no_data:", "insufficient_history:", "external_missing:", "too_few_venues:", "insufficient_coverage:",
)  # fmt: skip


def noise(seed: int, size: float) -> Course:
    """A walk by the minute, the same at every question."""

    def course(t: Times) -> Values:
        steps = np.sin(t / HOUR * (0.37 + seed)) + np.sin(t / DAY * (0.61 + seed)) + np.sin(t / MINUTE * (1.7 + seed))
        return size * (1 + 0.02 * steps)

    return course


def held(of: object, seed: int, klass: str, funding: float | None) -> list[Held]:
    """A venue that is heard by the day for a year, by the hour for two months, by five minutes for a week."""
    parts = ((DAYS, 60, DAY), (60, 7, HOUR), (7, 1, 5 * MINUTE))
    many = [
        Held(of, noise(seed, 1000.0 * (seed + 1)), noise(9, 100.0), TODAY - a * DAY, TODAY - z * DAY, step, klass,
             funding=funding)  # type: ignore[arg-type]
        for a, z, step in parts
    ]  # fmt: skip
    last = Held(of, noise(seed, 1000.0 * (seed + 1)), noise(9, 100.0), TODAY - DAY, klass=klass, funding=funding)  # type: ignore[arg-type]
    now = Held(of, noise(seed, 1000.0 * (seed + 1)), noise(9, 100.0), NOW - 20 * MINUTE, NOW + 1, 2000, klass,
               funding=funding)  # type: ignore[arg-type]  # fmt: skip
    return [*many, last, now]


def beside() -> list[Record]:
    """What venues and others say besides."""
    said: list[Record] = []
    for day in range(DAYS):
        t = TODAY - day * DAY
        for of, feed in ((NORTH, FeedClass.FULL), (SOUTH, FeedClass.THROTTLED)):
            usd = 1000.0 * (1 + day % 7)
            side = Side.LONG if day % 2 else Side.SHORT
            said.append(Liquidation(of, t, t, side, usd / 100, Unit.BASE, usd / 100, usd, 100.0, feed, True))
        said += [LongShort(NORTH, t, t, kind, 1.0 + 0.01 * (day % 11), Source.POLL, True) for kind in KINDS]
        for metric, value in (("mvrv", 1.5 + 0.01 * (day % 5)), ("market_cap", 2e9), ("realised_cap", 1.2e9)):
            detail = {"metric": metric, "unit": "usd", "value": value * (1 + day / 1e4), "source": "somebody"}
            said.append(Event(t, "context", "BTC", "", json.dumps(detail)))
    for minute in range(26 * 60):
        t = NOW - NOW % MINUTE - minute * MINUTE
        said += [Volume(of, t, t + MINUTE, 50.0, 26.0, Source.POLL, True) for of in (NORTH, SOUTH, EAST)]
    return said


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """A store much like the demo's."""
    many = [
        *held(NORTH, 0, "speculative", 1e-4), *held(SOUTH, 1, "institutional", 5e-5), *held(EAST, 2, "mixed", 2e-4),
    ]  # fmt: skip
    with market(tmp_path_factory.mktemp("year"), *many, said=beside(), simulated=True) as house:
        measure(house, house.reader.store, ["BTC"])
        score = {
            "days": 3, "events_usd": 1e6, "predicted_usd": 9e5, "slope": None, "intercept": None,
            "skill": {"baseline": "distance", "gain": 0.05, "low": -0.01, "high": 0.1}, "ratio": 0.9, "deciles": [],
            "spearman": 0.2, "precision": 0.3, "lift": 1.1,
            "gains": [{"baseline": "ladder", "gain": 0.4, "low": 0.1, "high": 0.6}],
        }  # fmt: skip
        rows = [
            ("BTC", venue, TODAY - d * DAY, json.dumps({"score": score, "events": 3}), True, NOW - HOUR)
            for d in (3, 2)
            for venue in ("", "north")
        ]
        append(house.reader.store, "map_scores", rows)
        yield house


WHY_NOT = {
    # the newest judged day ended before it
    ("derivatives-map-skill", "24h"): "no_data:",
}


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize("chart", catalogue.CHARTS, ids=lambda c: c.id)
def test_every_chart_answers_for_every_timeframe(year: House, chart: Chart, timeframe: str) -> None:
    for venue in (None, "north") if chart.by_venue else (None,):
        named = chart.id.format(venue="north")
        if (chart.id, timeframe) in WHY_NOT:
            with pytest.raises(ToolError, match=WHY_NOT[chart.id, timeframe]):
                get_chart_value(year, named, timeframe, venue=venue)  # type: ignore[arg-type]
            continue
        answer = get_chart_value(year, named, timeframe, venue=venue)  # type: ignore[arg-type]
        f = answer.figures
        assert answer.rows, chart.id
        assert len(answer.rows) <= 200
        assert len({len(row) for row in answer.rows} | {len(answer.columns)}) == 1
        assert answer.simulated
        assert (f["metric_id"], f["timeframe"], f["unit"]) == (named, timeframe, chart.unit)
        assert f["basis"] in ("measured", "derived", "carried", "modelled", "external")
        assert f["method"]
        assert f[f"last_{answer.columns[1]}"] is not None
        assert answer.coverage.grade == "A"
        assert set(answer.coverage.age_s) == ({"north", "south", "east"} if venue is None and named == chart.id else
                                              {"north"})  # fmt: skip
        assert answer.next
        json.dumps(answer.model_dump(), allow_nan=False)


@pytest.mark.parametrize("chart", catalogue.CHARTS, ids=lambda c: c.id)
def test_an_empty_store_is_told_in_a_sentence(tmp_path: Path, chart: Chart) -> None:
    store = open_store(tmp_path / "store.duckdb", "live")
    try:
        house = House(reader=Reader(store), simulated=False, version="1", started=NOW, now=lambda: NOW)
        with pytest.raises(ToolError, match="No asset is known yet"):
            get_chart_value(house, chart.id)
        assert list_charts(house).rows
    finally:
        store.close()


@pytest.mark.parametrize("timeframe", SPANS)
@pytest.mark.parametrize("chart", catalogue.CHARTS, ids=lambda c: c.id)
def test_a_listed_asset_that_never_spoke_gives_a_reason(silent: House, chart: Chart, timeframe: str) -> None:
    if chart.series == "cycle":  # known of Bitcoin whatever venues say
        return
    with pytest.raises(ToolError) as refused:
        get_chart_value(silent, chart.id.format(venue="north"), timeframe)  # type: ignore[arg-type]
    assert str(refused.value).startswith(REASONS), str(refused.value)


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """A market whose one contract was heard two months ago for an hour, and not since."""
    long_ago = NOW - 500 * DAY
    with market(tmp_path_factory.mktemp("silent"), Held(NORTH, PRICE, start=long_ago, end=long_ago + HOUR)) as house:
        yield house


def test_of_a_venue_that_hides_forced_closes_the_refusal_says_so(year: House) -> None:
    with pytest.raises(ToolError, match=r"^throttled_feed_only: Only a part .* published by south") as refused:
        get_chart_value(year, "derivatives-liquidation-intensity", "7d", venue="south")
    assert str(refused.value).endswith("A longer timeframe has longer steps, which older data may fill.")


def test_charts_that_compare_venues_have_none_of_one(year: House) -> None:
    with pytest.raises(
        ToolError, match=r"compares venues: it has no single one. Of one venue there is: derivatives-oi"
    ):
        get_chart_value(year, "derivatives-oi-rotation", "7d", venue="north")
    with pytest.raises(ToolError, match="is a chart of south, but venue='north' was asked for"):
        get_chart_value(year, "derivatives-oi-flow-south", "7d", venue="north")
    one = get_chart_value(year, "derivatives-oi-flow-north", "7d")
    assert (one.figures["venue"], one.rows) == ("north", get_chart_value(year, "derivatives-oi-flow", "7d",
                                                                         venue="north").rows)  # fmt: skip


def test_the_quadrant_is_asked_of_seven_days_by_the_long_timeframes(year: House) -> None:
    spans = {"24h": HOUR, "7d": 4 * HOUR, "30d": DAY, "90d": 7 * DAY, "1y": 7 * DAY}
    for timeframe, window in spans.items():
        answer = get_chart_value(year, "derivatives-oi-price-quadrant", timeframe)  # type: ignore[arg-type]
        assert answer.figures["window_s"] == window / 1000
        assert answer.figures["last_quadrant"] in (
            "build_with_price", "build_against_price", "covering", "unwind", "neutral",
        )  # fmt: skip


def test_a_step_of_flow_is_what_was_opened_in_it(tmp_path: Path) -> None:
    with market(tmp_path, Held(SOUTH, turned(900.0, 950.0, NOW - 3 * HOUR), PRICE, start=NOW - 2 * DAY)) as house:
        answer = get_chart_value(house, "derivatives-oi-flow", "24h")
    assert answer.figures["highest_flow_usd"] == 5000
    assert sum(float(str(row["flow_usd"] or 0)) for row in by_name(answer, "t").values()) == 5000
    assert answer.figures["step_s"] == 300
    assert by_name(answer.tables["venues"], "venue")["south"]["opened_usd"] == 5000


def test_gross_flow_lies_within_its_bounds(year: House) -> None:
    answer = get_chart_value(year, "derivatives-oi-gross-flow", "24h")
    rows = [r for r in by_name(answer, "t").values() if r["volume_share"] == 1]
    assert len(rows) > 150
    for row in rows:
        assert float(str(row["gross_once_a_step_usd"])) <= float(str(row["gross_usd"])) * 1.0001
        assert float(str(row["gross_usd"])) == pytest.approx(
            float(str(row["opened_usd"])) + float(str(row["closed_usd"])), rel=1e-4
        )
        assert row["volume_usd"] is not None
    assert not any(words.startswith("volume_unavailable") for words in answer.warnings)
    longer = get_chart_value(year, "derivatives-oi-gross-flow", "30d")
    assert any(words.startswith("volume_unavailable: Traded volume is known for") for words in longer.warnings)


def test_gross_flow_says_where_coarse_history_meets_fine_statements(tmp_path: Path, year: House) -> None:
    coins = turned(900.0, 950.0, NOW - 3 * HOUR)
    coarse = Held(SOUTH, coins, PRICE, start=NOW - 30 * HOUR, end=NOW - 12 * HOUR, step=30 * MINUTE)
    with market(tmp_path, coarse, Held(SOUTH, coins, PRICE, start=NOW - 12 * HOUR)) as house:
        answer = get_chart_value(house, "derivatives-oi-gross-flow", "24h")
    told = [row["statements"] for row in by_name(answer, "t").values()]
    assert {told[1], told[-2]} <= {1, 5, None}
    assert 5 in told
    assert any("rest on 1 to 5 statements" in words for words in answer.warnings)
    alike = get_chart_value(year, "derivatives-oi-gross-flow", "24h")
    assert not any("statements" in words for words in alike.warnings)


def test_forced_closes_of_throttled_feeds_are_lower_bounds(year: House) -> None:
    answer = get_chart_value(year, "derivatives-liquidations", "30d")
    assert any(
        words.startswith("throttled_feed_only: Only a part of the forced closes is") for words in answer.warnings
    )
    assert {v: row["feed"] for v, row in by_name(answer.tables["venues"], "venue").items()} == {
        "north": "full", "south": "throttled", "east": "none heard",
    }  # fmt: skip
    for row in by_name(answer, "t").values():
        if row["liquidated_usd"] is not None and row["most_usd"] is not None:
            assert float(str(row["most_usd"])) >= float(str(row["full_feeds_usd"] or 0))


def test_an_asset_without_a_known_supply_says_so(tmp_path: Path) -> None:
    with market(tmp_path, Held(linear("north", "DOGE"), always(1.0))) as house, pytest.raises(ToolError) as refused:
        get_chart_value(house, "derivatives-oi-market-cap", "24h", "DOGE")
    assert str(refused.value).startswith("external_missing: nobody states a circulating supply of it")


def payments(days: int, seen: int) -> list[Record]:
    """What SOUTH paid every 8 h, heard of at one moment."""
    times = range(NOW - NOW % (8 * HOUR), NOW - days * DAY, -8 * HOUR)
    rates = [1e-4 * (1 + t // (8 * HOUR) % 7 / 10) for t in times]
    return [Funding(SOUTH, t, seen, r, 8.0, Source.BACKFILL, True) for t, r in zip(times, rates, strict=True)]


def test_funding_rests_on_what_was_paid_where_nothing_else_is_known_and_says_so_since_it_is_known(
    tmp_path: Path,
) -> None:
    many, told = held(SOUTH, 1, "institutional", None), NOW - 10 * MINUTE
    with market(tmp_path, *many, said=payments(380, told), simulated=True) as house:
        for timeframe in ("24h", "30d"):
            answer = get_chart_value(house, "derivatives-funding-oi-weighted", timeframe)  # type: ignore[arg-type]
            rows = list(by_name(answer, "t").values())
            assert {row["settled_share"] for row in rows} <= {1, None}
            assert rows[-1]["funding_per_8h"] == pytest.approx(1e-4 * (1 + NOW // (8 * HOUR) % 7 / 10))
            assert any(
                words.startswith("funding_kind: 100 % of the rates shown, by coins") for words in answer.warnings
            )
            assert by_name(answer.tables["venues"], "venue")["south"]["kind"] == "settled"
            answer = get_chart_value(house, "derivatives-overheat", timeframe)  # type: ignore[arg-type]
            assert answer.figures["last_u_funding"] is not None
            assert any("100 % of those of the days before" in words for words in answer.warnings)
        before = datetime.fromtimestamp(told / 1000 - 1, UTC).isoformat()
        with pytest.raises(ToolError, match="no_data: no venue that is heard states a funding rate"):
            get_chart_value(house, "derivatives-funding-oi-weighted", "30d", as_of=before)
        with pytest.raises(ToolError, match="insufficient_history"):
            get_chart_value(house, "derivatives-overheat", "30d", as_of=before)


def test_running_rates_alone_need_no_warning(year: House) -> None:
    answer = get_chart_value(year, "derivatives-funding-oi-weighted", "30d")
    assert not any(words.startswith("funding_kind") for words in answer.warnings)
    assert {row["settled_share"] for row in by_name(answer, "t").values()} <= {0, None}
