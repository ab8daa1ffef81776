"""One chart: its series, and what changed."""

from typing import Annotated, Literal

import pandas as pd
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from analytics import catalogue, charts, levels
from server.answers import Answer, rounded, utc
from server.tools import series as told
from server.tools.arguments import Asset, Detail, asset_of, venue_of
from server.tools.charts import known, venues
from server.tools.conventions import gaps
from server.tools.house import House
from server.tools.moment import AsOf, OfUniverse, at, expiring
from server.tools.provenance import coverage, warnings
from server.tools.spans import DAY_MS, HOUR_MS, MINUTE_MS, WINDOW_S, carried_ms, floor, joined, recent, reported
from server.tools.tracked import ROWS, thinned, tracked
from store.recent import COLUMNS

Timeframe = Literal["24h", "7d", "30d", "90d", "1y", "all"]
SPANS: dict[str, tuple[int, int]] = {
    "24h": (DAY_MS, 5 * MINUTE_MS),
    "7d": (7 * DAY_MS, HOUR_MS),
    "30d": (30 * DAY_MS, 4 * HOUR_MS),
    "90d": (90 * DAY_MS, DAY_MS),
    "1y": (365 * DAY_MS, DAY_MS),
}
"""Length and step of each timeframe in ms (decisions.md, 25)."""
POINTS = 1000  # "all" beyond so many days goes by the week
DAILY = frozenset({"high_share"})  # made of daily closes, whatever the timeframe


def get_chart_value(
    house: House,
    metric_id: Annotated[str, Field(description="From list_charts; also derivatives-oi-{venue}")] = (
        catalogue.ALL_EXCHANGES
    ),
    timeframe: Annotated[Timeframe, Field(description="Steps: 24h 5 min, 7d 1 h, 30d 4 h, others a day")] = "30d",
    asset: Asset = "BTC",
    venue: Annotated[
        str | None, Field(description="One exchange's, of charts that list_charts marks per_venue")
    ] = None,
    detail: Annotated[Detail, Field(description="detailed: every point; concise: at most 200")] = "concise",
    as_of: AsOf = None,
    universe: OfUniverse = None,
) -> Answer:
    """One chart as a series with its newest value: open interest, what follows from it (coins, contracts-only index,
    share of the year's high, concentration), flows, funding, long/short, liquidations, z-scores, overheat and more.

    Use it for history, trend, highs and what changed; use get_open_interest for who holds it now. Rows: t, the metric,
    then what goes with it; of open interest oi_coins, carried_usd (of venues then silent), band_usd (one sd of how far
    what was not fresh may have moved), price_usd, coverage_share.
    Figures: last, first, lowest and highest value; for open interest the change over the range and over 24 h, taken
    apart into quantity (positions opened minus closed), price, gap (happened while a venue was silent) and unmatched
    USD, which add up; change_*_pct is of contracts, free of price; drop_* is deleveraging, price_effect_drop or none;
    high_share is the part of the year's highest close, with zone and plateau_days. Table venues where a chart has one:
    the same by exchange. The last row may be provisional: it is now, no close. An outage is never a fall: see coverage.
    """
    house = at(house, as_of, universe)
    named = asset_of(house, asset)
    found = chosen(house, metric_id, venue)
    if "{venue}" in found.chart.id and found.venue is None:
        raise ToolError(f"{metric_id!r} is a pattern. Put a venue in: {', '.join(venues(house)) or 'none yet'}.")
    now = house.now()
    start, step = span(house, named, timeframe, now)
    if found.chart.series in DAILY:
        start, step = floor(start, DAY_MS), max(step, DAY_MS)
    if found.chart.series in charts.DRAWN:
        return tracked(house, named, found, timeframe, start, step, now, detail)
    latest = house.reader.latest(named)
    day_from, range_from = now - DAY_MS - carried_ms(house), start - carried_ms(house)
    said = reported(house, named, latest, min(day_from, range_from) if step < DAY_MS else day_from, day_from)
    day = joined(said, recent(house, named, now, WINDOW_S["24h"]), day_from)
    shown = levels.chart(
        latest=latest,
        now=now,
        start=start,
        step_s=step / 1000,
        bars=bars(house, named, start, now, step, day, said),
        recent=day,
        closes=house.reader.closes(named, min(start, now - 366 * DAY_MS) - DAY_MS, now),
        gaps=gaps(house, named, start - DAY_MS, now),
        venue=found.venue,
        plausible=house.plausible(named),
        settings=house.thresholds,
    )
    if not shown.points:
        raise ToolError(
            f"no_data: nothing of {named} is known for {metric_id} in {timeframe}. Ask get_status for what is heard, "
            "or a longer timeframe."
        )
    series, name = found.chart.series, told.NAMES[found.chart.series]
    values: list[float | None] = [getattr(p, series) for p in shown.points]
    stated = [(v, p.t) for v, p in zip(values, shown.points, strict=True) if v is not None]
    if not stated:
        why = shown.high.reasons if series in DAILY else ()
        words = " ".join(f"{r.code}: {r.words}" for r in why) or "no_data: Ask get_status for what is heard."
        raise ToolError(f"{words} {found.chart.id} of {named} has no value in {timeframe}.")
    keep, truncated = thinned(len(values), ROWS if detail == "concise" else len(values))
    last = shown.points[-1]
    return Answer(
        summary=told.spoken(found, named, values, shown, timeframe),
        as_of=utc(now),
        simulated=house.simulated,
        asset=named,
        figures={
            "metric_id": found.chart.id.format(venue=found.venue), "venue": found.venue,
            "timeframe": timeframe, "step_s": step // 1000,
            "points": len(values), "unit": found.chart.unit, f"last_{name}": rounded(values[-1]),
            "last_price_usd": rounded(last.price, 7), "last_is_provisional": last.provisional, "basis": last.basis,
            **told.extremes(name, stated), **(told.movement(shown) if series in told.LEVELS else {}),
            "contributing_venues": ", ".join(shown.contributing),
            "method": f"{shown.method.name} v{shown.method.version}",
        },
        columns=told.columns(series),
        rows=[told.row(shown.points[k], series) for k in keep],
        coverage=coverage(shown.coverage, house.rates),
        warnings=[
            *warnings(shown.coverage, told.reasons(shown, series)),
            *expiring(house),
            *told.shorter(named, timeframe, start, shown.points[0].t, step),
            *(f"universe_change: {venue} left the level at {utc(t)}; this is no decline." for t, venue in shown.left),
        ],
        truncated=truncated,
        next="detail=detailed for every point" if truncated else "get_oi_divergence for where a change came from",
    )  # fmt: skip


def chosen(house: House, metric_id: str, venue: str | None) -> catalogue.Found:
    """The chart that is meant, of one venue or of all. ToolError where it is of all venues only."""
    found = known(metric_id, venues(house))
    if venue is None:
        return found
    named = venue_of(house, venue)
    if found.venue not in (None, named):
        raise ToolError(f"{metric_id!r} is a chart of {found.venue}, but venue={venue!r} was asked for. Give one.")
    if not found.chart.by_venue:
        words = ", ".join(c.id for c in catalogue.CHARTS if c.by_venue)
        raise ToolError(f"{found.chart.id} compares venues: it has no single one. Of one venue there is: {words}.")
    return catalogue.Found(found.chart, named)


def bars(
    house: House, asset: str, start: int, now: int, step: int, day: pd.DataFrame, said: pd.DataFrame
) -> pd.DataFrame | None:
    """Finished bars of the range and of what may still count at its start; a daily chart rests on closes."""
    if step >= DAY_MS:
        return None
    if step == 5 * MINUTE_MS and now - start <= DAY_MS:
        return day
    since = floor(start - carried_ms(house), step)
    found = house.reader.bars(asset, since, floor(now, step), step, columns=COLUMNS)
    return joined(said, found, since)


def span(house: House, asset: str, timeframe: Timeframe, now: int) -> tuple[int, int]:
    """(start, step) in ms."""
    if timeframe != "all":
        length, step = SPANS[timeframe]
        return now - length, step
    known = house.reader.span(asset)
    start = now - DAY_MS if known is None else known[0]
    return start, DAY_MS if (now - start) / DAY_MS <= POINTS else 7 * DAY_MS
