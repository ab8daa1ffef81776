"""The list of charts: short by default, with guides when asked."""

from pathlib import Path

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from analytics import catalogue
from server.tools.charts import GUIDE, list_charts
from tests.server.tools.made import Held, always, by_name, linear, market


def test_every_chart_is_listed_briefly_and_with_its_guide_when_asked(tmp_path: Path) -> None:
    with market(tmp_path, Held(linear("north"), always(1.0)), Held(linear("south"), always(1.0))) as house:
        brief, full = list_charts(house), list_charts(house, detail="detailed")
        one = list_charts(house, metric_id="derivatives-oi-south")
    assert brief.columns == ["metric_id", "name", "unit", "per_venue", "what"]
    assert list(by_name(brief, "metric_id")) == [c.id for c in catalogue.CHARTS]
    assert brief.figures["venues"] == "north, south"
    assert full.columns == [*brief.columns, *GUIDE]
    chart = catalogue.CHARTS[0]
    told = by_name(full, "metric_id")[chart.id]
    assert (told["how_to_read"], told["zones"]) == (chart.guide.how_to_read, "; ".join(chart.guide.zones))
    assert (told["formula"], told["related"]) == (chart.formula, ", ".join(chart.related))
    assert list(by_name(one, "metric_id")) == ["derivatives-oi-{venue}"]
    assert one.columns == full.columns


def test_a_search_looks_through_names_and_guides(tmp_path: Path) -> None:
    with market(tmp_path) as house:
        assert list(by_name(list_charts(house, "funding longs"), "metric_id")) == ["derivatives-funding-oi-weighted"]
        with pytest.raises(ToolError, match=r"No chart is about 'weather'\. Near: .*Leave search empty"):
            list_charts(house, "weather")
        with pytest.raises(ToolError, match="Did you mean derivatives-oi-coins"):
            list_charts(house, metric_id="derivatives-oi-coin")
