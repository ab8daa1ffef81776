"""A chart of `tracks` as an answer: a value a step, with its extremes."""

from mcp.server.mcpserver.exceptions import ToolError

from analytics import alignment, coverage, tracks
from analytics.catalogue import Found
from server.answers import Answer, rounded, utc
from server.tools import series as told
from server.tools.arguments import Detail
from server.tools.conventions import gaps
from server.tools.house import House
from server.tools.provenance import coverage as heard
from server.tools.provenance import warnings
from server.tools.spans import DAY_MS, floor

ROWS = 200


def tracked(house: House, asset: str, found: Found, timeframe: str, start: int, step: int, now: int,
            detail: Detail) -> Answer:  # fmt: skip
    """The series over finished steps of the range, and what it rests on now."""
    chart, step = found.chart, min(step, DAY_MS)
    since = start - (366 * DAY_MS if chart.series in tracks.NEEDS_YEAR else 40 * step)
    ratios = house.reader.ratios(asset, since, now) if chart.series in SAID else None
    seen = tracks.of(
        chart.series, asset, bars=house.reader.bars(asset, floor(since, step), floor(now, step), step),
        start=start, end=floor(now, step), step_s=step // 1000, gaps=gaps(house, asset, since, now),
        ratios=ratios, venue=found.venue, settings=house.thresholds,
    )  # fmt: skip
    stated = [(v, t) for v, t in zip(seen.values, seen.t, strict=True) if v is not None]
    if not stated:
        raise ToolError(f"{why(chart.series, asset)} {chart.id} of {asset} has no value in {timeframe}.")
    name = chart.series
    keep, truncated = thinned(len(seen.t), ROWS if detail == "concise" else len(seen.t))
    now_heard = coverage.of(
        alignment.snapshot(house.reader.latest(asset), now, house.thresholds), settings=house.thresholds,
        plausible=house.plausible(asset),
    )  # fmt: skip
    last = stated[-1]
    return Answer(
        summary=f"{asset} {chart.name[0].lower()}{chart.name[1:]}: {last[0]:.5g} {chart.unit.split(',')[0]} at "
        f"{utc(last[1])}; {min(stated)[0]:.5g} to {max(stated)[0]:.5g} over {timeframe}",
        as_of=utc(now),
        simulated=house.simulated,
        asset=asset,
        figures={
            "metric_id": chart.id if found.venue is None else chart.id.format(venue=found.venue),
            "timeframe": timeframe, "step_s": step // 1000, "points": len(seen.t), "unit": chart.unit,
            f"last_{name}": rounded(last[0]), "last_at": utc(last[1]), "basis": chart.basis,
            **told.extremes(name, stated), "method": f"tracks.{name} v1",
        },
        columns=["t", name],
        rows=[[utc(seen.t[k]), rounded(seen.values[k])] for k in keep],
        coverage=heard(now_heard),
        warnings=warnings(now_heard, seen.reasons),
        truncated=truncated,
        next="detail=detailed for every point" if truncated else f"list_charts with metric_id={chart.id!r} to read it",
    )  # fmt: skip


SAID = frozenset({*(f"long_short_{kind}" for kind in tracks.RATIOS), "overheat"})


def why(series: str, asset: str) -> str:
    """The reason code of a series without a value, and a sentence."""
    if series in ("cap_share", "cycle"):
        return f"external_missing: nobody states a circulating supply of {asset}."
    if series in tracks.NEEDS_YEAR:
        return "insufficient_history: it is held against the own year, of which ninety days are needed; ask 90d or 1y."
    if series == "zscore":
        return "insufficient_history: thirty earlier steps are needed; ask a longer timeframe."
    return "no_data: no venue has said anything of the kind; ask get_status for what is heard."


def thinned(count: int, limit: int) -> tuple[list[int], bool]:
    """Which of `count` points to show: evenly spread, the first and the last among them."""
    if count <= limit:
        return list(range(count)), False
    return [round(k * (count - 1) / (limit - 1)) for k in range(limit)], True
