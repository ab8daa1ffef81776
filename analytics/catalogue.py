"""The charts there are, as data: what each shows, in which unit, and how to read it."""

from dataclasses import dataclass
from difflib import get_close_matches

from analytics.chart import Chart
from analytics.charts import CHARTS
from analytics.charts.level import ALL_EXCHANGES, VENUE_PREFIX

__all__ = ["ALL_EXCHANGES", "CHARTS", "VENUE_PREFIX", "Chart", "Found", "find", "ids", "near"]


@dataclass(frozen=True, slots=True)
class Found:
    chart: Chart
    venue: str | None  # where the id was a venue's own chart


def ids(venues: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Every id that can be asked for, the venue pattern spelled out for `venues`."""
    out: list[str] = []
    for chart in CHARTS:
        out += [chart.id.format(venue=v) for v in venues] if "{venue}" in chart.id else [chart.id]
    return tuple(out)


def find(metric_id: str, venues: tuple[str, ...]) -> Found | None:
    """The chart of an id, exactly, or of an id with a venue behind it (`derivatives-oi-flow-<venue>`); else None."""
    for chart in CHARTS:
        if chart.id == metric_id:
            return Found(chart, None) if "{venue}" not in chart.id else None
        if "{venue}" in chart.id and metric_id in ids(venues):
            venue = metric_id.removeprefix(VENUE_PREFIX)
            if venue in venues:
                return Found(chart, venue)
    for chart in CHARTS:
        venue = metric_id.removeprefix(chart.id + "-")
        if chart.by_venue and venue in venues and venue != metric_id:
            return Found(chart, venue)
    return None


def near(metric_id: str, venues: tuple[str, ...], n: int = 3) -> tuple[str, ...]:
    """The ids most like a misspelt one."""
    return tuple(get_close_matches(metric_id, ids(venues), n=n, cutoff=0.4))
