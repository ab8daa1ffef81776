"""A chart of `analytics.charts` as an answer: its values step by step, with its extremes and what it rests on."""

import pandas as pd
from mcp.server.mcpserver.exceptions import ToolError

from analytics import alignment, charts, coverage, zscore
from analytics.catalogue import Found
from analytics.charts.ground import YEAR_MS, Drawn, Track
from analytics.provenance import Code
from analytics.rows import reports
from server.answers import Answer, Cell, Table, age_s, rounded, utc
from server.tools import series as told
from server.tools.arguments import Detail
from server.tools.beside import beside
from server.tools.conventions import gaps
from server.tools.house import House
from server.tools.moment import expiring
from server.tools.provenance import coverage as heard
from server.tools.provenance import warnings
from server.tools.spans import DAY_MS, WINDOW_S, carried_ms, floor, history, recent, sizes, with_reports

ROWS = 200
SIZES = frozenset({"by_venue", "concentration", "cap_share", "rotation", "flow", "gross"})
"""Series of levels, of shares and of amounts in USD, which a wrong side count makes wrong (analytics.md, 0)."""
CHANGES = frozenset({"flow", "gross", "zscore", "quadrant"})  # within steps of a day at most
PERSISTENCE = 7  # steps before the first that a run over six looks at


def tracked(house: House, asset: str, found: Found, timeframe: str, start: int, step: int, now: int,
            detail: Detail) -> Answer:  # fmt: skip
    """The series over finished steps of the range, of a stock up to this moment, and what it rests on now."""
    chart, step, drawn = found.chart, min(step, DAY_MS), charts.DRAWN[found.chart.series]
    end, latest = floor(now, step), house.reader.latest(asset)
    window = (drawn.windows or {}).get(step, step)
    coarse, coarse_ms = longer(house, asset, drawn, latest, start, end, step, window)
    since = floor(start - before(house, drawn, step, window), step)
    seen = charts.of(
        chart.series, asset, bars=drawn_from(house, asset, latest, since, end, step), start=start, end=end,
        step_s=step // 1000, latest=latest, now=now, coarse=coarse, coarse_s=coarse_ms // 1000,
        gaps=gaps(house, asset, since, now),
        beside=beside(house, asset, drawn, since, end, now, step, found.venue), venue=found.venue,
        settings=house.thresholds,
    )  # fmt: skip
    where = f" on {found.venue}" if found.venue else ""
    stated = [(v, t) for v, t in zip(seen.values, seen.t, strict=True) if v is not None]
    if not stated:
        nothing = f"{chart.id} of {asset}{where} has no value in {timeframe}"
        raise ToolError(refusal(found, drawn, seen, nothing, step, latest))
    names = list(seen.columns)
    keep, truncated = thinned(len(seen.t), ROWS if detail == "concise" else len(seen.t))
    mine = latest if found.venue is None else latest[latest["venue"] == found.venue]
    sided = coverage.disputed(mine) if chart.series in SIZES else ()
    resting = coverage.of(
        alignment.snapshot(mine, now, house.thresholds), settings=house.thresholds, plausible=house.plausible(asset),
        sizes=sizes(house, asset, now),
    )  # fmt: skip
    last, days = stated[-1], house.thresholds.past_ms(window // 1000) / DAY_MS
    live = drawn.stock and bool(seen.t) and seen.t[-1] >= now
    return Answer(
        summary=f"{asset} {spoken(chart.name)}{where}: {last[0]:.5g} {chart.unit.split(',')[0]} at "
        f"{utc(last[1])}; {min(stated)[0]:.5g} to {max(stated)[0]:.5g} over {timeframe}",
        as_of=utc(now),
        simulated=house.simulated,
        asset=asset,
        figures={
            "metric_id": chart.id, "venue": found.venue, "timeframe": timeframe, "step_s": step // 1000,
            "window_s": window // 1000 if drawn.windows is not None else None,
            "held_against": "the days of the year before" if drawn.year else (
                f"windows of the {days:g} days before" if drawn.windows is not None else None
            ),
            "points": len(seen.t), "points_with_value": len(stated), "unit": chart.unit,
            f"last_{names[0]}": rounded(last[0]), "last_at": utc(last[1]), "last_age_s": age_s(now, last[1]),
            "last_is_provisional": live and last[1] == seen.t[-1],
            **others(seen, names), "basis": chart.basis, **told.extremes(names[0], stated),
            "method": f"charts.{chart.series} v1",
        },
        columns=["t", *names],
        rows=[[utc(seen.t[k]), *(cell(seen.columns[name][k]) for name in names)] for k in keep],
        tables=tables(house, asset, drawn, seen, window, now, latest, found.venue),
        coverage=heard(resting, house.rates),
        warnings=[
            *warnings(resting, (*seen.reasons, *sided)), *expiring(house),
            *told.shorter(asset, timeframe, start, stated[0][1], step),
        ],
        truncated=truncated,
        next="detail=detailed for every point" if truncated else (
            f"get_chart_value {chart.related[0]} beside it; list_charts with metric_id={chart.id} for how to read it"
        ),
    )  # fmt: skip


def refusal(found: Found, drawn: Drawn, seen: Track, nothing: str, step: int, latest: pd.DataFrame) -> str:
    """Why a chart has no value, and what may have one."""
    slow = reports(latest[latest["venue"] == found.venue]) if found.venue and drawn.chart.series in CHANGES else {}
    if slow:
        often = f"{found.venue} states its open interest every {min(slow.values()) / 3600:.0f} h"
        level = f"derivatives-oi-{found.venue} has its level, and the change over its range"
        return f"{Code.NO_DATA}: {often}: of shorter steps no change is known. {nothing}; {level}."
    part = [f"{r.code}: {r.words}" for r in seen.reasons if found.venue and r.code is Code.THROTTLED_FEED_ONLY]
    longer = " A longer timeframe has longer steps, which older data may fill." if step < DAY_MS else ""
    return f"{part[0] if part else drawn.without} {nothing}.{longer}"


def spoken(name: str) -> str:
    """A chart's name inside a sentence; what is written in capitals stays so."""
    return name if name[1:2].isupper() else name[0].lower() + name[1:]


def others(seen: Track, names: list[str]) -> dict[str, Cell]:
    """What goes with the last value."""
    k = next(k for k in reversed(range(len(seen.t))) if seen.values[k] is not None)
    return {f"last_{name}": cell(seen.columns[name][k]) for name in names[1:]}


def cell(value: float | str | None) -> Cell:
    return value if isinstance(value, str) else rounded(value)


def before(house: House, drawn: Drawn, step: int, window: int) -> int:
    """How long before a range its bars must begin [ms]: for what counts in its first value."""
    if drawn.windows is not None:
        return (house.thresholds.past_ms(step // 1000) if window == step else 0) + window + step
    if drawn.year:
        return YEAR_MS + DAY_MS if step == DAY_MS else DAY_MS + carried_ms(house)
    return PERSISTENCE * step + carried_ms(house)


def drawn_from(house: House, asset: str, latest: pd.DataFrame, since: int, end: int, step: int) -> pd.DataFrame:
    """Bars of [since, end), and what reports said before."""
    return with_reports(house, asset, house.reader.bars(asset, since, end, step), latest, since)


def longer(
    house: House, asset: str, drawn: Drawn, latest: pd.DataFrame, start: int, end: int, step: int, window: int
) -> tuple[pd.DataFrame | None, int]:
    """Bars of the longer steps that a series is held against, and their length [ms]."""
    if drawn.windows is not None and window > step:
        bar = min(window, DAY_MS)
        since = floor(start - house.thresholds.past_ms(window // 1000) - window, bar)
        return drawn_from(house, asset, latest, since, floor(end, bar), bar), window
    if drawn.year and step < DAY_MS:
        return drawn_from(house, asset, latest, floor(start - YEAR_MS, DAY_MS), floor(end, DAY_MS), DAY_MS), DAY_MS
    return None, step


def tables(house: House, asset: str, drawn: Drawn, seen: Track, window: int, now: int, latest: pd.DataFrame,
           venue: str | None) -> dict[str, Table]:  # fmt: skip
    """What a chart tells of each venue."""
    out: dict[str, Table] = {}
    if seen.sheet is not None and seen.sheet.rows:
        rows = [[cell(value) for value in row] for row in seen.sheet.rows]
        out[seen.sheet.name] = Table(columns=list(seen.sheet.columns), rows=rows)
    if drawn.chart.series == "zscore":
        out["venues"] = by_venue(house, asset, window, now, latest, venue)
    return out


def by_venue(house: House, asset: str, window: int, now: int, latest: pd.DataFrame, venue: str | None) -> Table:
    """All variants for each venue over the last window (analytics.md, 10.2)."""
    name = next(name for name, seconds in WINDOW_S.items() if seconds * 1000 == window)
    bars = recent(house, asset, now, window // 1000)
    found = zscore.assess(
        latest=latest, recent=bars, history=history(house, asset, now, name), now=now, window_s=window // 1000,
        gaps=gaps(house, asset, now - house.thresholds.past_ms(window // 1000), now), plausible=house.plausible(asset),
        settings=house.thresholds,
    )  # fmt: skip
    return Table(
        columns=["venue", "z_chg", "percentile", "alert", "z_gap", "z_gap_percentile", "gap_alert", "interrupted",
                 "z_level", "z_level_rob", "z_detr", "growth_pct", "windows", "span_days", "observed_share", "reason"],
        rows=[
            [
                v.venue, rounded(v.z_chg), rounded(v.percentile), v.alert, rounded(v.z_gap),
                rounded(v.z_gap_percentile), v.gap_alert, v.interrupted,
                rounded(v.z_level), rounded(v.z_level_rob), rounded(v.z_detr),
                None if v.growth is None else rounded(v.growth * 100), v.n, rounded(v.span_s / 86_400),
                rounded(v.observed), "; ".join(str(r.code) for r in v.reasons) or None,
            ]
            for v in found.venues
            if venue in (None, v.venue)
        ],
    )  # fmt: skip


def thinned(count: int, limit: int) -> tuple[list[int], bool]:
    """Which of `count` points to show: evenly spread, the first and the last among them."""
    if count <= limit:
        return list(range(count)), False
    return [round(k * (count - 1) / (limit - 1)) for k in range(limit)], True
