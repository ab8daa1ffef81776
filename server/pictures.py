"""Answers as pictures: SVG text, nothing but numbers that the answer holds; the page and a URL show them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from math import floor, log10

from server.answers import Answer, Cell

WIDTH, LEFT, RIGHT, TOP = 860, 76, 24, 84
FOOT = 46  # under the axis: its labels and its name
BESIDE = 285  # of a bar: the longest words, of a venue that is carried and whose sides are disputed
UNITS = ((1e9, "bn USD"), (1e6, "M USD"), (1e3, "k USD"))
Scale = Callable[[float], float]
Point = tuple[float, float]
STYLE = """
.p{fill:#fff}text{font:12px system-ui,sans-serif;fill:#24292f}.h{font-size:15px;font-weight:600}.q,.a{fill:#57606a}
.g{stroke:#d8dee4}.l{fill:none;stroke:#0b57d0;stroke-width:1.6}.b,.u{fill:#0b57d0;opacity:.2}.u{stroke:#0b57d0;stroke-width:3}.c{fill:#9a3412;opacity:.35}
.v{fill:#0b57d0}.s{fill:#9a3412}.m{stroke:#24292f;stroke-dasharray:4 3}.w{fill:#b42318}.ww{fill:#fff;font-weight:600}
@media(prefers-color-scheme:dark){.p{fill:#0d1117}text{fill:#e6edf3}.q,.a{fill:#8b949e}.g{stroke:#30363d}.m{stroke:#e6edf3}
.l,.u{stroke:#6ea8fe}.b,.u,.v{fill:#6ea8fe}.s,.c{fill:#f0883e}}
"""


def records(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> list[dict[str, Cell]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


def number(cell: Cell) -> float | None:
    """A cell that is one; a truth value is none."""
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else None


def moment(cell: Cell) -> float:
    return datetime.fromisoformat(str(cell)).timestamp()


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within [low, high], some five of them."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    size = 10.0 ** floor(log10(rough))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough)
    first = -floor(-low / step)
    return [k * step for k in range(first, floor(high / step + 1e-9) + 1)]


def unit_of(most: float) -> tuple[float, str]:
    """(divisor, name) that keeps USD short."""
    return next(((size, word) for size, word in UNITS if most >= size), (1.0, "USD"))


def scale(low: float, high: float, start: float, end: float) -> Scale:
    span = (high - low) or 1.0
    return lambda x: start + (x - low) / span * (end - start)


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def rect(x: float, y: float, wide: float, high: float, kind: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.2f}" height="{max(high, 0):.1f}" class="{kind}"/>'


def path(points: Iterable[Point], kind: str, closed: bool = False) -> str:
    way = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{way}{"Z" if closed else ""}" class="{kind}"/>' if way else ""


def rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def drawn(title: str, answer: Answer | None, high: int, parts: Iterable[str], more: str = "") -> str:
    """The whole picture: its name, what it rests on, whether it is made up, and what is in it."""
    said = [] if answer is None else [f"as of {answer.as_of}", *resting(answer)]
    made_up = answer is not None and answer.simulated
    head = [text(LEFT, 22, title, "h"), text(LEFT, 41, "; ".join(said), "q"), text(LEFT, 58, more, "q")]
    if made_up:
        head += [rect(WIDTH - 118, 6, 110, 22, "w"), text(WIDTH - 63, 22, "SIMULATED", "ww", "middle")]
    words = ("SIMULATED, a made-up market. " if made_up else "") + "; ".join([*said, *([more] if more else [])])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high}" role="img" aria-labelledby="t d">'
        f'<title id="t">{escape(title)}</title><desc id="d">{escape(words)}</desc><style>{STYLE}</style>'
        f"{''.join([rect(0, 0, WIDTH, high, 'p'), *head, *parts])}</svg>"
    )


def resting(answer: Answer) -> list[str]:
    """Coverage and age of what the answer rests on."""
    heard, told = answer.coverage, list[str]()
    if heard.share is not None:
        told.append(f"coverage {heard.share:.0%}, grade {heard.grade}")
    ages = {v: heard.age_s[v] for v in heard.venues_ok if v in heard.age_s}
    if ages:
        oldest = max(ages, key=lambda v: ages[v])
        told.append(f"oldest of {len(ages)} fresh venues {ages[oldest]:.0f} s")
    if late := len(heard.venues_stale) + len(heard.venues_carried):
        told.append(f"{late} of {late + len(heard.venues_ok)} venues at last values")
    return told


def shortened(words: str, most: int = 80) -> str:
    return words if len(words) <= most else words[: words.rfind(",", 0, most)] + ", ..."


def upright(y: Scale, at: Sequence[float], divisor: float) -> list[str]:
    """Lines across at round values, with their numbers."""
    return [
        part for v in at for part in (
            rule(LEFT, y(v), WIDTH - RIGHT, y(v), "g"), text(LEFT - 8, y(v) + 4, f"{v / divisor:,.6g}", "a", "end"),
        )
    ]  # fmt: skip


def across(when: Sequence[float], x: Scale, foot: float) -> list[str]:
    """Times under a chart, UTC."""
    short = when[-1] - when[0] <= 2 * 86_400
    form = "%H:%M" if short else "%m-%d"
    marks = [when[round(k * (len(when) - 1) / 6)] for k in range(7)] if len(when) > 6 else list(when)
    told = [text(x(t), foot + 16, datetime.fromtimestamp(t, UTC).strftime(form), "a", "middle") for t in marks]
    return [*told, text((LEFT + WIDTH - RIGHT) / 2, foot + 36, "time, UTC", "a", "middle")]


def level(answer: Answer, high: int = 330) -> str:
    """Open interest over time with its band, and under it where less than all of it was heard."""
    rows = [r for r in records(answer.columns, answer.rows) if number(r["oi_usd"]) is not None]
    told = [
        (moment(r["t"]), number(r["oi_usd"]) or 0.0, number(r["band_usd"]), number(r["coverage_share"])) for r in rows
    ]
    name = f"{answer.asset} open interest, all exchanges, {answer.figures['timeframe']}"
    if len(told) < 2:
        return refusal(f"{name}: fewer than two points are known.")
    foot = high - FOOT
    ends = [v + sign * (u or 0.0) for _, v, u, _ in told for sign in (-1, 1)]
    room = 0.06 * (max(ends) - min(ends)) or 0.01 * max(ends)
    low, top = min(ends) - room, max(ends) + room
    x = scale(told[0][0], told[-1][0], LEFT, WIDTH - RIGHT)
    y = scale(low, top, foot - 8, TOP)
    divisor, unit = unit_of(top)
    wide = (x(told[-1][0]) - x(told[0][0])) / (len(told) - 1)
    bands: list[str] = []
    for known, group in groupby(told, key=lambda p: p[2] is not None):
        some = [(x(t), v, u or 0.0) for t, v, u, _ in group] if known else []
        upper, lower = [(at, y(v + u)) for at, v, u in some], [(at, y(v - u)) for at, v, u in some[::-1]]
        bands.append(path([*upper, *lower], "u", closed=True))
    missing = [rect(x(t) - wide, foot - 6, wide, 6, "c") for t, _, _, c in told if c is not None and c < 0.995]
    late = ", ".join([*answer.coverage.venues_stale, *answer.coverage.venues_carried])
    more = "; ".join([*(["band: one sd of what was not fresh"] if any(u for _, _, u, _ in told) else []),
                      *([f"now at last values: {shortened(late)}"] if late else [])])  # fmt: skip
    parts = [
        *upright(y, ticks(low, top), divisor), *across([t for t, *_ in told], x, foot), *bands, *missing,
        path([(x(t), y(v)) for t, v, _, _ in told], "l"),
        text(8, TOP - 8, f"{unit}, one-sided; the axis does not begin at zero", "a"),
    ]  # fmt: skip
    if missing:
        parts.append(text(LEFT, foot + 36, "marked below the line: not all of it was heard", "a"))
    return drawn(name, answer, high, parts, more)


def shares(answer: Answer, _: int = 0) -> str:
    """Who holds how much: a bar a venue, paler where its last value stands in."""
    rows = records(answer.columns, answer.rows)
    left, line = 130, 19
    high = TOP + line * len(rows) + FOOT
    most = max((number(r["share"]) or 0.0 for r in rows), default=0.0)
    x = scale(0.0, most or 1.0, left, WIDTH - BESIDE)
    parts: list[str] = []
    for mark in ticks(0.0, most):
        parts += [rule(x(mark), TOP, x(mark), high - FOOT, "g"),
                  text(x(mark), high - FOOT + 16, f"{mark:.0%}", "a", "middle")]  # fmt: skip
    for k, r in enumerate(rows):
        share, usd, y = number(r["share"]) or 0.0, number(r["oi_usd"]) or 0.0, TOP + line * k
        divisor, unit = unit_of(usd)
        state = "" if r["state"] == "fresh" else f", {r['state']}"
        doubt = ", sides disputed" if r["sides_disputed"] is True else ""
        parts += [
            text(left - 8, y + 14, str(r["venue"]), "", "end"),
            rect(left, y + 3, x(share) - left, line - 6, "v" if not state else "b"),
            text(x(share) + 6, y + 14, f"{share:.1%}  {usd / divisor:.3g} {unit}{state}{doubt}", "a"),
        ]
    parts.append(text((left + WIDTH) / 2, high - 10, "share of one-sided open interest", "a", "middle"))
    return drawn(f"{answer.asset} open interest by exchange", answer, high, parts)


def liquidations(answer: Answer, high: int = 330) -> str:
    """What would be force-closed at each price: longs below the mark, shorts above it, with p10 to p90."""
    rows, mark = records(answer.columns, answer.rows), number(answer.figures["mark_usd"]) or 0.0
    name = f"{answer.asset} liquidation map"
    foot = high - FOOT
    low, top = number(rows[0]["price_low"]) or 0.0, number(rows[-1]["price_high"]) or 0.0
    most = max(number(r[c]) or 0.0 for r in rows for c in ("long_p90_usd", "short_p90_usd", "long_usd", "short_usd"))
    x, y = scale(low, top, LEFT, WIDTH - RIGHT), scale(0.0, most or 1.0, foot, TOP)
    divisor, unit = unit_of(most)
    parts = upright(y, ticks(0.0, most), divisor)
    for side, kind in (("long", "v"), ("short", "s")):
        mine = [r for r in rows if (number(r[f"{side}_p90_usd"]) or 0.0) > 0 or (number(r[f"{side}_usd"]) or 0.0) > 0]
        places = [(x(number(r["price_low"]) or 0.0), x(number(r["price_high"]) or 0.0), r) for r in mine]
        upper = [((a + b) / 2, y(number(r[f"{side}_p90_usd"]) or 0.0)) for a, b, r in places]
        lower = [((a + b) / 2, y(number(r[f"{side}_p10_usd"]) or 0.0)) for a, b, r in places]
        parts.append(path([*upper, *lower[::-1]], "b" if kind == "v" else "c", closed=True))
        for a, b, r in places:
            at = y(number(r[f"{side}_usd"]) or 0.0)
            parts.append(rect(a, at, max(b - a - 0.4, 0.6), foot - at, kind))
    parts += [rule(x(mark), TOP - 4, x(mark), foot, "m"), text(x(mark), TOP - 8, f"mark {mark:,.6g}", "a", "middle")]
    parts += [text(x(p), foot + 16, f"{p:,.6g}", "a", "middle") for p in ticks(low, top, 8)]
    parts += [
        text(8, TOP - 8, f"{unit} a 0.1 % step", "a"),
        text(x(mark) - 60, TOP - 8, "longs, closed as price falls", "a", "end"),
        text(x(mark) + 60, TOP - 8, "shorts, closed as price rises", "a"),
        text((LEFT + WIDTH - RIGHT) / 2, foot + 36, "price, USD; shaded: 10th to 90th percentile", "a", "middle"),
    ]  # fmt: skip
    age = number(answer.figures["age_s"])
    more = f"would be force-closed if the mark traded there: modelled, {answer.figures['status']}"
    more += "" if age is None else f"; map {age:.0f} s old"
    return drawn(name, answer, high, parts, more)


def refusal(words: str) -> str:
    """A picture of the sentence why there is none."""
    lines = [words[k : k + 110] for k in range(0, min(len(words), 440), 110)]
    return drawn("No picture", None, TOP + 20 * len(lines), [text(LEFT, 46 + 18 * k, w) for k, w in enumerate(lines)])


PICTURES: Mapping[str, tuple[str, Mapping[str, str], frozenset[str], Callable[[Answer], str]]] = {
    "open-interest": ("get_chart_value", {}, frozenset({"asset", "timeframe"}), level),
    "exchanges": ("get_open_interest", {}, frozenset({"asset"}), shares),
    "liquidation-map": ("get_liquidation_map", {"detail": "detailed"}, frozenset({"asset"}), liquidations),
}
"""By name: the tool that is asked, with what, what else may be asked of it, and how its answer is drawn."""
