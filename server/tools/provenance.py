"""What every answer rests on, out of the analyses' own words."""

from collections.abc import Iterable, Mapping

from analytics.coverage import Coverage as Heard
from analytics.coverage import Heard as Venue
from analytics.provenance import Reason, Threshold
from server import answers
from server.answers import Cell, Table, rounded, tenths


def coverage(heard: Heard, rates: Mapping[str, float]) -> answers.Coverage:
    """`rates`: what quote currencies were taken at [USD a unit] (decisions 8)."""
    return answers.Coverage(
        share=rounded(heard.coverage),
        confidence=rounded(heard.confidence),
        grade=heard.grade,
        plausibility=heard.plausibility,
        venues_ok=[v.venue for v in heard.fresh],
        venues_stale=[v.venue for v in heard.stale],
        venues_carried=[v.venue for v in heard.carried],
        venues_missing=[v.venue for v in heard.excluded],
        age_s={v.venue: tenths(v.age_s) for v in everyone(heard)},
        cadence_s={v.venue: tenths(v.cadence_s) for v in everyone(heard)},
        usd_rates=dict(rates),
    )


def everyone(heard: Heard) -> list[Venue]:
    return sorted((*heard.fresh, *heard.stale, *heard.carried, *heard.excluded), key=lambda v: v.venue)


def hardly(heard: Heard) -> str:
    """What a summary ends with where too little was heard to alert anything; else nothing."""
    if heard.grade != "D" or heard.coverage is None:
        return ""
    return f"; grade D: {heard.coverage:.0%} of the usual open interest is fresh"


def warnings(heard: Heard, reasons: Iterable[Reason] = ()) -> list[str]:
    """What to mind now: silences first, then every caveat as `code: sentence`."""
    silent = [
        f"{v.venue} has been silent for {v.age_s:.0f} s; its last quantity is carried, no flow of it is counted."
        for v in heard.carried
    ]
    silent += [f"{v.venue} is {v.age_s:.0f} s old: stale." for v in heard.stale if v.age_s >= 0]
    silent += [f"{v.venue} was heard {-v.age_s:.0f} s after this moment." for v in heard.stale if v.age_s < 0]
    silent += [f"{v.venue} has been silent for {v.age_s / 3600:.1f} h and is left out." for v in heard.excluded]
    said = dict.fromkeys(f"{r.code}: {r.words}" for r in (*heard.reasons, *reasons))
    return [*silent, *said]


def thresholds(found: Iterable[Threshold]) -> Table:
    """What things were held against, where that comes from, and how many points of own history are behind it."""
    rows: list[list[Cell]] = [[t.name, rounded(t.value), t.unit, t.origin, t.n] for t in found]
    return Table(columns=["threshold", "value", "unit", "origin", "n"], rows=rows)


def pct(fraction: float | None) -> int | float | None:
    """A change as percent."""
    return None if fraction is None else rounded(fraction * 100)


def money(usd: float | None) -> str:
    """12.34 bn USD, for summaries."""
    if usd is None:
        return "an unknown amount of USD"
    for size, word in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(usd) >= size:
            return f"{usd / size:.4g} {word} USD" if abs(usd) < 1000 * size else f"{usd / size:,.0f} {word} USD"
    return f"{round(usd)} USD"
