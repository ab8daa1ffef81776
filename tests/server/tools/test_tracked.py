"""Every chart of the catalogue is answered, with its value or with the reason for having none."""

from pathlib import Path

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from analytics import catalogue
from server.tools.chart_value import get_chart_value
from store.records import FeedClass, Liquidation, LongShort, Side, Source, Unit
from tests.server.tools.made import DAY, HOUR, NOW, Held, always, by_name, linear, market, turned

NORTH, SOUTH = linear("north"), linear("south")
PRICE = always(100.0)
CODES = ("no_data:", "insufficient_history:", "external_missing:")


def test_every_chart_answers_or_says_why_not(tmp_path: Path) -> None:
    said = [
        LongShort(NORTH, NOW - HOUR, NOW - HOUR, "account", 1.5, Source.POLL, False),
        Liquidation(NORTH, NOW - HOUR, NOW - HOUR, Side.LONG, 1.0, Unit.BASE, 1.0, 100.0, 100.0, FeedClass.FULL, False),
    ]
    held = [
        Held(
            NORTH,
            lambda t: 1000 + (t // HOUR % 5),
            PRICE,
            start=NOW - 6 * DAY,
            klass="speculative",
            funding=1e-4,
        ),
        Held(SOUTH, turned(900.0, 950.0, NOW - 3 * HOUR), PRICE, start=NOW - 6 * DAY, klass="institutional"),
    ]
    answered: set[str] = set()
    refusals: list[str] = []
    with market(tmp_path, *held, said=said) as house:
        for metric in catalogue.ids(("north", "south")):
            for timeframe in ("7d", "1y"):
                try:
                    answer = get_chart_value(house, metric, timeframe)  # type: ignore[arg-type]  # a word of the list
                except ToolError as refused:
                    refusals.append(str(refused))
                    continue
                answered.add(metric)
                assert answer.rows, metric
                assert answer.figures["unit"], metric
                assert answer.coverage.venues_ok, metric
    assert [words for words in refusals if not words.startswith(CODES)] == []
    missing = set(catalogue.ids(("north", "south"))) - answered
    assert missing == {
        "derivatives-oi-high-share", "derivatives-liquidation-intensity", "derivatives-overheat",
        "derivatives-long-short-top-account", "derivatives-long-short-top-position", "derivatives-long-short-taker",
    }  # fmt: skip


def test_a_step_of_flow_is_what_was_opened_in_it(tmp_path: Path) -> None:
    with market(tmp_path, Held(SOUTH, turned(900.0, 950.0, NOW - 3 * HOUR), PRICE, start=NOW - 2 * DAY)) as house:
        answer = get_chart_value(house, "derivatives-oi-flow", "24h")
    assert answer.figures["highest_flow"] == 5000
    assert sum(float(str(row["flow"] or 0)) for row in by_name(answer, "t").values()) == 5000
    assert answer.figures["step_s"] == 300


def test_an_asset_without_a_known_supply_says_so(tmp_path: Path) -> None:
    with market(tmp_path, Held(linear("north", "DOGE"), always(1.0))) as house, pytest.raises(ToolError) as refused:
        get_chart_value(house, "derivatives-oi-market-cap", "24h", "DOGE")
    assert str(refused.value).startswith("external_missing: nobody states a circulating supply of DOGE.")
