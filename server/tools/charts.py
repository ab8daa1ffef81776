"""The charts: which there are, and what one shows."""

from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from analytics import catalogue, levels
from analytics.change import Change
from server.answers import Answer, Cell, rounded, utc
from server.tools.arguments import DAY_MS, HOUR_MS, Asset, Detail, asset_of, suggestion
from server.tools.house import House
from server.tools.provenance import coverage, money, pct, warnings

Timeframe = Literal["24h", "7d", "30d", "90d", "1y", "all"]
SPANS: dict[str, tuple[int, int]] = {
    "24h": (DAY_MS, 300_000),
    "7d": (7 * DAY_MS, HOUR_MS),
    "30d": (30 * DAY_MS, 4 * HOUR_MS),
    "90d": (90 * DAY_MS, DAY_MS),
    "1y": (365 * DAY_MS, DAY_MS),
}
"""Length and step of each timeframe in ms (decisions.md, 25)."""
POINTS = 1000  # "all" beyond so many days goes by the week
ROWS = 200
UNITS = {
    "usd": "oi_usd", "base": "oi_coins", "index": "oi_index", "high_share": "high_share",
    "funding_8h": "funding_per_8h", "hhi": "hhi", "coverage": "coverage_share",
}  # fmt: skip


def list_charts(
    house: House,
    search: Annotated[str, Field(description="Words that name, id or guide must contain; all charts if empty")] = "",
) -> Answer:
    """Which charts get_chart_value can show, and how to read each.

    Use it to find a metric_id. Rows: metric_id, name, unit, what it is, how to read it, zones, what to watch, common
    mistakes, formula. Charts of one exchange are listed once, with {venue} in the id; `venues` names what fits there.
    """
    words = search.lower().split()
    rows: list[list[Cell]] = [
        [
            c.id, c.name, c.unit, c.guide.what, c.guide.how_to_read, "; ".join(c.guide.zones), "; ".join(c.guide.watch),
            "; ".join(c.guide.mistakes), c.formula, ", ".join(c.related),
        ]
        for c in catalogue.CHARTS
        if all(word in " ".join((c.id, c.name, c.guide.what, c.guide.how_to_read)).lower() for word in words)
    ]  # fmt: skip
    if not rows:
        near = catalogue.near(search, venues(house))
        raise ToolError(f"No chart matches {search!r}. Near: {', '.join(near) or 'none'}. Leave search empty for all.")
    return Answer(
        summary=f"{len(rows)} charts" + (f" about {search!r}" if search else ""),
        as_of=utc(house.now()),
        simulated=house.simulated,
        figures={
            "venues": ", ".join(venues(house)),
            "timeframes": "24h (5 min), 7d (1 h), 30d (4 h), 90d, 1y, all (1 d)",
        },
        columns=[
            "metric_id", "name", "unit", "what", "how_to_read", "zones", "watch", "mistakes", "formula", "related",
        ],
        rows=rows,
        next="get_chart_value with a metric_id and a timeframe",
    )  # fmt: skip


def get_chart_value(
    house: House,
    metric_id: Annotated[str, Field(description="From list_charts; per venue: derivatives-oi-<venue>")] = (
        catalogue.ALL_EXCHANGES
    ),
    timeframe: Annotated[Timeframe, Field(description="Steps: 24h 5 min, 7d 1 h, 30d 4 h, others a day")] = "30d",
    asset: Asset = "BTC",
    detail: Detail = "concise",
) -> Answer:
    """One chart as a series with its newest value: open interest over all exchanges or of one, and what follows
    from it.

    Use it for history, trend, highs and what changed; use get_open_interest for who holds it now. Returns rows
    (t, the metric, price_usd, coverage_share; for open interest also oi_coins and carried_usd), and figures:
    the last value, the change over the range and over 24 h taken apart into quantity (positions opened or
    closed), price, gap (happened while a venue was silent) and unmatched USD, the share of the year's high with
    its zone, plateau days, and a drop label. The last row is provisional: it is now, not a close. An outage is
    never a fall: see coverage.
    """
    named = asset_of(house, asset)
    found = catalogue.find(metric_id.strip().lower(), venues(house))
    if found is None:
        raise ToolError(
            f"No chart {metric_id!r}. {suggestion(metric_id.lower(), list(catalogue.ids(venues(house))))} "
            "list_charts tells them all."
        )
    now = house.now()
    start, step = span(house, named, timeframe, now)
    daily = step >= DAY_MS
    shown = levels.chart(
        latest=house.reader.latest(named),
        now=now,
        start=start,
        step_s=step / 1000,
        bars=house.reader.bars(named, now - 2 * DAY_MS if daily else start - DAY_MS, now, 300_000 if daily else step),
        closes=house.reader.closes(named, min(start, now - 366 * DAY_MS) - DAY_MS, now),
        gaps=house.reader.gaps(start - DAY_MS, now, asset=named),
        venue=found.venue,
        settings=house.thresholds,
    )
    if not shown.points:
        raise ToolError(
            f"no_data: nothing of {named} is known for {metric_id} in {timeframe}. Ask get_status for what is heard, "
            "or a longer timeframe."
        )
    series, name = found.chart.series, UNITS[found.chart.series]
    values = [getattr(p, series) for p in shown.points]
    keep, truncated = thinned(len(values), ROWS if detail == "concise" else len(values))
    extra = ["oi_coins", "carried_usd"] if series == "usd" else []
    columns = ["t", name, *extra, "price_usd", *([] if series == "coverage" else ["coverage_share"])]
    rows: list[list[Cell]] = []
    for k in keep:
        p = shown.points[k]
        more: list[Cell] = [rounded(p.base), rounded(p.carried_usd)] if extra else []
        tail: list[Cell] = [] if series == "coverage" else [rounded(p.coverage)]
        rows.append([utc(p.t), rounded(values[k]), *more, rounded(p.price), *tail])
    last = shown.points[-1]
    return Answer(
        summary=spoken(found.chart.name, named, found.venue, series, values, shown, timeframe),
        as_of=utc(now),
        simulated=house.simulated,
        asset=named,
        figures={
            "metric_id": metric_id.strip().lower(), "timeframe": timeframe, "step_s": step / 1000, 
            "unit": found.chart.unit,
            f"last_{name}": rounded(values[-1]), "last_price_usd": rounded(last.price), 
            "last_is_provisional": last.provisional,
            "basis": last.basis, **change("range", shown.change), **change("24h", shown.day),
            "high_share": rounded(shown.high.share), "high_share_coins": rounded(shown.high_base.share),
            "zone": shown.high.zone, "year_high_usd": rounded(shown.high.high), "high_closes": shown.high.closes,
            "plateau": shown.high.plateau, "plateau_days": shown.high.plateau_days,
            "contributing_venues": ", ".join(shown.contributing), "grade": shown.coverage.grade,
            "method": f"{shown.method.name} v{shown.method.version}",
        },
        columns=columns,
        rows=rows,
        coverage=coverage(shown.coverage),
        warnings=[
            *warnings(shown.coverage, (*shown.reasons, *shown.high.reasons, *(shown.day.reasons if shown.day else ()))),
            *(f"universe_change: {venue} left the level at {utc(t)}; this is no decline." for t, venue in shown.left),
        ],
        truncated=truncated,
        next="detail=detailed for every point" if truncated else "get_oi_divergence for where the change came from",
    )  # fmt: skip


def venues(house: House) -> tuple[str, ...]:
    return tuple(str(v) for v in house.reader.venues()["venue"])


def span(house: House, asset: str, timeframe: Timeframe, now: int) -> tuple[int, int]:
    """(start, step) in ms."""
    if timeframe != "all":
        length, step = SPANS[timeframe]
        return now - length, step
    known = house.reader.span(asset)
    start = now - DAY_MS if known is None else known[0]
    return start, DAY_MS if (now - start) / DAY_MS <= POINTS else 7 * DAY_MS


def thinned(count: int, limit: int) -> tuple[list[int], bool]:
    """Which of `count` points to show: evenly spread, the first and the last among them."""
    if count <= limit:
        return list(range(count)), False
    return [round(k * (count - 1) / (limit - 1)) for k in range(limit)], True


def change(name: str, found: Change | None) -> dict[str, Cell]:
    if found is None:
        return {}
    return {
        f"change_{name}_pct": pct(found.growth),
        f"change_{name}_total_usd": rounded(found.total_usd),
        f"change_{name}_quantity_usd": rounded(found.quantity_usd),
        f"change_{name}_price_usd": rounded(found.price_usd),
        f"change_{name}_gap_usd": rounded(found.gap_usd),
        f"change_{name}_unmatched_usd": rounded(found.unmatched_usd),
        f"drop_{name}": found.drop,
        f"panel_share_{name}": rounded(found.panel_share),
    }


def spoken(
    chart: str,
    asset: str,
    venue: str | None,
    series: str,
    values: list[float | None],
    shown: levels.ChartSeries,
    timeframe: str,
) -> str:
    """The sentence that a person would want to hear first."""
    last = values[-1]
    where = f" on {venue}" if venue else ""
    value = "unknown" if last is None else money(last) if series == "usd" else f"{last:.5g}"
    grown = shown.change.growth if shown.change else None
    moved = (
        f"; contracts {grown:+.2%} over {timeframe}" if grown is not None else f"; change over {timeframe} undetermined"
    )
    drop = f"; {shown.day.drop} in 24 h" if shown.day and shown.day.drop else ""
    heard = shown.coverage.coverage
    return f"{asset} {chart.lower()}{where}: {value}{moved}{drop}; " + (
        "coverage unknown" if heard is None else f"coverage {heard:.0%}, grade {shown.coverage.grade}"
    )
