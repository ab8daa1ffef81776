"""The charts there are, and how to read each."""

from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from analytics import catalogue
from server.answers import Answer, Cell, utc
from server.tools.arguments import Detail, suggestion
from server.tools.house import House
from server.tools.moment import AsOf, at

GUIDE = ("how_to_read", "zones", "watch", "history", "mistakes", "formula", "basis", "related")

NAMED = 8  # charts whose names a summary can hold


def list_charts(
    house: House,
    search: Annotated[str, Field(description="Words that name, id or guide must contain; all charts if empty")] = "",
    metric_id: Annotated[str | None, Field(description="One chart, with its guide")] = None,
    detail: Annotated[Detail, Field(description="detailed: with every chart's guide")] = "concise",
    as_of: AsOf = None,
) -> Answer:
    """Which charts get_chart_value can show; with metric_id or detail="detailed" also how to read each.

    Use it to find a metric_id. Rows: metric_id, name, unit, per_venue (get_chart_value takes venue=), what; the guide
    adds how_to_read, zones, watch (what to look for), history (how far back, what breaks the line), mistakes (how it is
    misread), formula, basis, related. The figure `venues` names the exchanges. The charts never change while the server
    runs.
    """
    house = at(house, as_of)
    heard = venues(house)
    chosen = [c for c in catalogue.CHARTS if all(word in text_of(c) for word in search.lower().split())]
    if metric_id is not None:
        chosen = [known(metric_id, heard).chart]
    if not chosen:
        near = catalogue.near(search, heard)
        raise ToolError(
            f"No chart is about {search!r}. Near: {', '.join(near) or 'none'}. Leave search empty for all charts."
        )
    guided = detail == "detailed" or metric_id is not None
    about = f" about {search!r}" if search and metric_id is None else ""
    names = f": {', '.join(c.name for c in chosen)}" if len(chosen) <= NAMED else "; search narrows them"
    return Answer(
        summary=f"{len(chosen)} chart{'s' if len(chosen) > 1 else ''}{about}{names}",
        as_of=utc(house.now()),
        simulated=house.simulated,
        figures={
            "venues": ", ".join(heard) or "none yet",
            "timeframes": "24h (5 min), 7d (1 h), 30d (4 h), 90d, 1y, all (1 d; 1 w beyond 1,000 points)",
        },
        columns=["metric_id", "name", "unit", "per_venue", "what", *(GUIDE if guided else ())],
        rows=[[c.id, c.name, c.unit, c.by_venue, c.guide.what, *(guide(c) if guided else ())] for c in chosen],
        next="get_chart_value with a metric_id and a timeframe"
        + ("" if guided else "; list_charts with a metric_id for how to read it"),
    )


def guide(chart: catalogue.Chart) -> list[Cell]:
    """How to read a chart, in the order of GUIDE."""
    told = chart.guide
    zones, watch, mistakes = ("; ".join(x) or None for x in (told.zones, told.watch, told.mistakes))
    related = ", ".join(chart.related) or None
    return [told.how_to_read, zones, watch, told.history, mistakes, chart.formula, chart.basis, related]


def text_of(chart: catalogue.Chart) -> str:
    """What a search looks through."""
    return " ".join((chart.id, chart.name, chart.guide.what, chart.guide.how_to_read)).lower()


def known(metric_id: str, heard: tuple[str, ...]) -> catalogue.Found:
    """The chart of an id, the pattern of one exchange's chart included. ToolError names the near ones."""
    word = metric_id.strip().lower()
    pattern = next((c for c in catalogue.CHARTS if c.id == word), None)
    found = catalogue.find(word, heard) or (catalogue.Found(pattern, None) if pattern else None)
    if found is None:
        hint = suggestion(word, list(catalogue.ids(heard)), catalogue.VENUE_PREFIX)
        raise ToolError(f"No chart {metric_id!r}. {hint} list_charts tells what each shows.")
    return found


def venues(house: House) -> tuple[str, ...]:
    return tuple(str(v) for v in house.reader.venues()["venue"])
