"""Bad input gets a reason code with a sentence, never a number that looks fine."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from analytics.catalogue import ALL_EXCHANGES
from server.answers import Answer
from server.tools.chart_value import get_chart_value
from server.tools.concentration import get_concentration
from server.tools.divergence import get_oi_divergence
from server.tools.interest import get_open_interest
from server.tools.liquidation_map import get_liquidation_map
from store.records import Event, Gap
from tests.server.tools.made import DAY, HOUR, MINUTE, NOW, Held, always, by_name, changed, linear, market, turned

ASKS: tuple[Callable[..., Answer], ...] = (
    get_open_interest, get_chart_value, get_oi_divergence, get_concentration, get_liquidation_map,
)  # fmt: skip
PRICE = always(100.0)


@pytest.mark.parametrize("ask", ASKS)
def test_an_empty_store_knows_no_asset(tmp_path: Path, ask: Callable[..., Answer]) -> None:
    with market(tmp_path) as house, pytest.raises(ToolError, match="No asset is known yet"):
        ask(house)


@pytest.mark.parametrize("ask", ASKS)
def test_an_asset_that_nobody_lists_is_named(tmp_path: Path, ask: Callable[..., Answer]) -> None:
    with market(tmp_path, Held(linear("a"), PRICE)) as house, pytest.raises(ToolError, match="No venue lists 'XYZ'"):
        ask(house, asset="XYZ")


def test_one_venue_is_no_divergence(tmp_path: Path) -> None:
    with market(tmp_path, Held(linear("a"), turned(100.0, 150.0, NOW - 20 * MINUTE), PRICE)) as house:
        answer = get_oi_divergence(house)
    assert any(words.startswith("too_few_venues:") for words in answer.warnings)
    assert answer.figures["conviction_own_scales"] is None


def test_when_all_are_silent_nothing_is_said_of_change(tmp_path: Path) -> None:
    died = NOW - HOUR
    held = [Held(linear(v), turned(100.0, 150.0, died - 20 * MINUTE), PRICE, end=died) for v in "ab"]
    with market(tmp_path, *held, said=[Gap(v, "linear", "", died, None, "down") for v in "ab"]) as house:
        told, spread = get_oi_divergence(house), get_concentration(house, window="1h")
    assert (told.figures["label"], told.figures["net_usd"]) == ("insufficient_data", None)
    assert told.coverage.venues_ok == []
    assert any(words.startswith("insufficient_coverage:") for words in told.warnings)
    assert spread.figures.get("gross_inflow_usd") is None


def test_a_convention_that_changed_inside_the_window_is_no_flow(tmp_path: Path) -> None:
    at = NOW - 30 * MINUTE
    held = [Held(linear("a"), turned(100.0, 200.0, at), PRICE), Held(linear("b"), always(900.0), PRICE)]
    odd = Event(at + 2 * MINUTE, "unit_or_convention_change", "BTC", "a", changed("BTCUSDT", at))
    with market(tmp_path, *held, said=[odd]) as house:
        answers = [get_oi_divergence(house), get_oi_divergence(house, window="4h"), get_concentration(house)]
        shown = [get_chart_value(house, metric, "24h") for metric in (ALL_EXCHANGES, "derivatives-oi-flow")]
        held_now = get_open_interest(house)
    for told in (*answers, *shown, held_now):
        assert any(w.startswith("convention_change_in_window: a BTCUSDT counts otherwise") for w in told.warnings)
    for told in answers[:2]:
        assert (told.figures["net_usd"], told.figures["gap_change_usd"]) == (0, 0)
        assert told.figures["panel_share"] == 0.9
    assert answers[2].figures["gross_inflow_usd"] == 0
    assert shown[0].figures["change_24h_pct"] == 0
    assert (shown[1].figures["lowest_flow_usd"], shown[1].figures["highest_flow_usd"]) == (0, 0)
    assert [row["growth_24h_pct"] for row in by_name(held_now, "venue").values()] == [0, None]


def test_a_window_longer_than_the_history_says_so(tmp_path: Path) -> None:
    held = [Held(linear(v), always(100.0), PRICE, start=NOW - 2 * HOUR) for v in "ab"]
    with market(tmp_path, *held) as house:
        answer, year = get_oi_divergence(house, window="24h"), get_concentration(house)
    assert answer.figures["label"] == "insufficient_data"
    assert any(words.startswith(("no_data:", "undetermined_panel:")) for words in answer.warnings)
    assert year.figures["hhi_percentile"] is None
    assert any(words.startswith("insufficient_history:") for words in year.warnings)


def test_a_clock_that_steps_back_makes_no_flow(tmp_path: Path) -> None:
    held = [
        Held(linear("a"), always(100.0), PRICE, start=NOW - DAY, end=NOW - 40 * MINUTE),
        Held(linear("a"), always(100.0), PRICE, start=NOW - 50 * MINUTE + 7_000, end=NOW),
        Held(linear("b"), always(100.0), PRICE, start=NOW - DAY),
    ]
    with market(tmp_path, *held) as house:
        answer = get_oi_divergence(house)
    assert (answer.figures["net_usd"], answer.figures["label"]) == (0, "quiet")
