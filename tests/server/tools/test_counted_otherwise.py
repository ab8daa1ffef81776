"""What every chart makes of venues that begin to count otherwise: one warning a venue and date, and no flow."""

from collections.abc import Generator
from datetime import UTC, datetime

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from analytics import catalogue
from analytics.chart import Chart
from server.answers import Answer
from server.tools.chart_value import get_chart_value
from server.tools.divergence import get_oi_divergence
from server.tools.house import House
from server.tools.interest import get_open_interest
from store.records import Event, Field, Instrument, Status, Unit
from tests.server.tools.made import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    Course,
    Held,
    always,
    by_name,
    changed,
    inverse,
    linear,
    market,
    turned,
)

PRICE = always(100.0)
TODAY = NOW - NOW % DAY
DATED = TODAY - 40 * DAY  # the registry gives a day
STEPPED = NOW - 10 * HOUR  # the checks saw it
DATE = f"{datetime.fromtimestamp(DATED / 1000, UTC):%Y-%m-%d}"
NEW = Field("oi_new", Unit.BASE, sides=1, status=Status.DOCUMENTED, since=DATE)
JUMPS = (linear("jump"), Instrument("jump", "linear", "BTCUSDC", "BTC", "USDC", "USDC"), inverse("jump"))
STILL = (linear("big"), linear("large"), linear("dated"))
FLOWS = frozenset({
    "flow_usd", "price_effect_usd", "opened_usd", "closed_usd", "gross_usd", "gross_once_a_step_usd", "rotated_usd",
    "net_usd", "growth_difference", "growth_speculative", "growth_institutional", "growth_speculative_7d",
    "growth_institutional_7d", "contracts_change", "most_usd", "hhi_new", "inflow_largest_share", "z_chg", "zq",
})  # fmt: skip
"""Columns that tell of a change: here nobody opened or closed anything."""
STANDING = ("derivatives-oi-rotation", "derivatives-oi-zscore", "derivatives-oi-price-quadrant")
"""Charts that have no value where nothing moves: they would have one if the step were a flow."""
UNSAID = ("derivatives-long-short", "derivatives-liquidation", "derivatives-map-skill", "derivatives-overheat",
          "derivatives-oi-blindness", "derivatives-funding", "market-mvrv")  # fmt: skip
"""Beginnings of those whose subject nobody speaks of here."""


def held(of: Instrument, course: Course, klass: str, field: Field = NEW) -> list[Held]:
    """By the day for a year, by the hour for two months, by five minutes for two days."""
    parts = ((400, 60, DAY), (60, 2, HOUR), (2, 1, 5 * MINUTE))
    many = [Held(of, course, PRICE, TODAY - a * DAY, TODAY - z * DAY, step, klass, field) for a, z, step in parts]
    return [*many, Held(of, course, PRICE, TODAY - DAY, NOW + MINUTE, klass=klass, field=field)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    old = Field("oi", Unit.BASE, sides=1, status=Status.DOCUMENTED)
    told = [
        Event(STEPPED + (2 + k) * MINUTE, "unit_or_convention_change", "BTC", "jump", changed(of.symbol, STEPPED))
        for k, of in enumerate(JUMPS)
    ]
    with market(
        tmp_path_factory.mktemp("odd"),
        *held(STILL[0], always(5000.0), "speculative", old),
        *held(STILL[1], always(4000.0), "institutional", old),
        *held(STILL[2], turned(100.0, 200.0, DATED), "mixed"),
        *(line for of in JUMPS for line in held(of, turned(100.0, 200.0, STEPPED), "mixed", old)),
        said=told,
    ) as made:
        yield made


def counted(answer: Answer) -> list[str]:
    return [words for words in answer.warnings if words.startswith("convention_change_in_window")]


JUMP = "convention_change_in_window: jump counts 3 symbols otherwise since about "
APART = {
    "derivatives-cycle",
    "market-mvrv",
    "derivatives-map-skill",
}  # how open interest is counted is no part of these
LONG_AGO = f"convention_change_in_window: dated BTCUSDT counts otherwise since about {DATE}T00:00Z: it is in no change"


@pytest.mark.parametrize("timeframe", ["24h", "1y"])
@pytest.mark.parametrize("chart", [c for c in catalogue.CHARTS if "{" not in c.id], ids=lambda c: c.id)
def test_a_chart_says_it_once_a_venue_and_date_and_shows_no_flow(house: House, chart: Chart, timeframe: str) -> None:
    if chart.id.startswith((*STANDING, *UNSAID)):
        with pytest.raises(ToolError):
            get_chart_value(house, chart.id, timeframe)  # type: ignore[arg-type]
        return
    answer = get_chart_value(house, chart.id, timeframe, detail="detailed")  # type: ignore[arg-type]
    told = counted(answer)
    if chart.id in APART:
        assert told == []
        return
    seen = datetime.fromtimestamp(STEPPED / 1000, UTC)
    assert sum(words.startswith(f"{JUMP}{seen:%Y-%m-%dT%H:%MZ}") for words in told) == 1, told
    assert sum(words.startswith(LONG_AGO) for words in told) == (timeframe == "1y"), told
    assert len(told) == 1 + (timeframe == "1y")
    for row in by_name(answer, "t").values():
        for name in FLOWS & set(row):
            assert row[name] in (None, 0), (name, row)
    sheet = answer.tables.get("venues")
    for row in [] if sheet is None else by_name(sheet, "venue").values():
        for name in FLOWS & set(row):
            assert row[name] in (None, 0), (name, row)


@pytest.mark.parametrize("timeframe", ["24h", "30d", "1y"])
def test_the_level_shows_the_step_and_its_change_does_not_count_it(house: House, timeframe: str) -> None:
    answer = get_chart_value(house, timeframe=timeframe)  # type: ignore[arg-type]
    f = answer.figures
    assert f["last_oi_usd"] == 100 * (5000 + 4000 + 200 + 600)
    assert f["first_oi_usd"] == 100 * (5000 + 4000 + (100 if timeframe == "1y" else 200) + 300)
    assert (f["change_range_pct"], f["change_range_quantity_usd"], f["change_range_gap_usd"]) == (0, 0, 0)
    index = get_chart_value(house, "derivatives-oi-index", timeframe)  # type: ignore[arg-type]
    assert (index.figures["lowest_oi_index"], index.figures["highest_oi_index"]) == (1, 1)


def test_other_answers_say_it_in_the_same_words(house: House) -> None:
    seen = datetime.fromtimestamp(STEPPED / 1000, UTC)
    for answer in (get_oi_divergence(house, window="24h"), get_open_interest(house)):
        [words] = counted(answer)
        assert words == (
            f"{JUMP}{seen:%Y-%m-%dT%H:%MZ}: they are in no change across it; levels are as published."
        )  # fmt: skip
    assert counted(get_oi_divergence(house, window="1h")) == []
