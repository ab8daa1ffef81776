"""A chart's points and changes in the words of an answer."""

from analytics import catalogue, levels
from analytics.change import Change
from analytics.provenance import Code, Reason
from server.answers import Cell, rounded, usd, utc
from server.tools.provenance import money, pct
from server.tools.spans import DAY_MS, HOUR_MS

NAMES = {
    "usd": "oi_usd", "base": "oi_coins", "index": "oi_index", "high_share": "high_share", "coverage": "coverage_share",
}  # fmt: skip
"""The column of each series."""
BESIDE = {"usd": ("oi_coins", "carried_usd", "band_usd"), "base": ("band_coins",)}  # what a level goes with
LEVELS = frozenset({"usd", "base", "index"})  # series that a change of open interest is a change of


def columns(series: str) -> list[str]:
    tail = ["coverage_share"] if series != "coverage" else []
    return ["t", NAMES[series], *BESIDE.get(series, ()), "price_usd", *tail]


def row(p: levels.ChartPoint, series: str) -> list[Cell]:
    """One point, in the order of `columns`."""
    wide = p.band_base
    more: list[Cell] = []
    if series == "usd":
        band = None if wide is None or p.price is None else wide * p.price
        more = [rounded(p.base), usd(p.carried_usd), usd(band)]
    elif series == "base":
        more = [rounded(wide)]
    tail: list[Cell] = [rounded(p.coverage)] if series != "coverage" else []
    return [utc(p.t), rounded(getattr(p, series)), *more, rounded(p.price), *tail]


def extremes(name: str, stated: list[tuple[float, int]]) -> dict[str, Cell]:
    """The first, lowest and highest of the points of the range, with the times of the last two."""
    low, high = min(stated), max(stated)
    return {
        f"first_{name}": rounded(stated[0][0]),
        f"lowest_{name}": rounded(low[0]),
        "lowest_at": utc(low[1]),
        f"highest_{name}": rounded(high[0]),
        "highest_at": utc(high[1]),
    }


def movement(shown: levels.ChartSeries) -> dict[str, Cell]:
    """What changed, and where in its year open interest stands."""
    return {
        **change("range", shown.change),
        **change("24h", shown.day),
        "high_share": rounded(shown.high.share),
        "high_share_coins": rounded(shown.high_base.share),
        "zone": shown.high.zone,
        "year_high_usd": usd(shown.high.high),
        "high_closes": shown.high.closes,
        "plateau": shown.high.plateau,
        "plateau_days": shown.high.plateau_days,
    }


def change(name: str, found: Change | None) -> dict[str, Cell]:
    if found is None:
        return {}
    return {
        f"change_{name}_pct": pct(found.growth),
        f"change_{name}_total_usd": usd(found.total_usd),
        f"change_{name}_quantity_usd": usd(found.quantity_usd),
        f"change_{name}_price_usd": usd(found.price_usd),
        f"change_{name}_gap_usd": usd(found.gap_usd),
        f"change_{name}_unmatched_usd": usd(found.unmatched_usd),
        f"drop_{name}": found.drop,
        f"panel_share_{name}": rounded(found.panel_share),
    }


def reasons(shown: levels.ChartSeries, series: str) -> tuple[Reason, ...]:
    """What to mind: of the parts of the answer that this series has."""
    if series not in LEVELS:
        return shown.reasons
    of: dict[Reason, list[str]] = {}
    for name, found in (("the range", shown.change), ("the last 24 h", shown.day)):
        for r in () if found is None else found.reasons:
            of.setdefault(r, []).append(name)
    moved = [Reason(r.code, f"Of {' and '.join(names)}: {r.words}") for r, names in of.items()]
    unbanded = sum(p.band_base is None for p in shown.points) if series in BESIDE else 0
    words = f"No band at {unbanded} points: who was not fresh then was heard too briefly over the last 24 h to say how "
    band = (Reason(Code.INSUFFICIENT_HISTORY, words + "far that may have moved."),) if unbanded else ()
    return (*shown.reasons, *band, *shown.high.reasons, *moved)


def spoken(
    found: catalogue.Found,
    asset: str,
    values: list[float | None],
    shown: levels.ChartSeries,
    timeframe: str,
) -> str:
    """The sentence that a person would want to hear first."""
    last, series = values[-1], found.chart.series
    where = f" on {found.venue}" if found.venue else ""
    unit = found.chart.unit.split(",")[0]
    value = "unknown" if last is None else money(last) if series == "usd" else f"{last:.5g} {unit}"
    if series in LEVELS:
        grown = shown.change.growth if shown.change else None
        over = "change undetermined" if grown is None else f"contracts {grown:+.2%}"
        fell = shown.day.drop if shown.day else None
        over += f" over {timeframe}" + (f", {fell} in 24 h" if fell not in (None, "none") else "")
    else:
        stated = [v for v in values if v is not None]
        over = f"{min(stated):.5g} to {max(stated):.5g} over {timeframe}"
    heard = shown.coverage.coverage
    resting = "coverage unknown" if heard is None else f"coverage {heard:.0%}, grade {shown.coverage.grade}"
    return f"{asset} {found.chart.name[0].lower()}{found.chart.name[1:]}{where}: {value}; {over}; {resting}"


def shorter(asset: str, timeframe: str, start: int, first: int, step: int) -> list[str]:
    """That the history does not reach as far back as was asked: what is said once a day begins within the first."""
    if timeframe == "all" or first <= start + (2 * step if step < HOUR_MS else max(2 * step, DAY_MS)):
        return []
    return [f"insufficient_history: {asset} has values from {utc(first)} on: the range is that, not {timeframe}."]
