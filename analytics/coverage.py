"""How much of the market an answer rests on (analytics.md, 1.4)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analytics import conventions
from analytics.alignment import AHEAD_S, DAY_MS, Floats, Panel, State
from analytics.carry import level
from analytics.provenance import Code, Reason, finite
from analytics.rows import rowwise_median
from analytics.settings import DEFAULTS, Settings


@dataclass(frozen=True, slots=True)
class Heard:
    """One venue at the moment of the answer. Its state is that of its largest instrument."""

    venue: str
    age_s: float
    cadence_s: float
    weight: float  # its usual part of the universe, fraction of 1


@dataclass(frozen=True, slots=True)
class Coverage:
    """`coverage` is the fresh part of the universe's usual open interest; `confidence` also weighs plausibility."""

    as_of: int | None  # ms UTC
    coverage: float | None
    confidence: float | None
    grade: str  # A, B, C, D; D never raises alerts
    contributing: int  # fresh venues
    universe: int
    fresh: tuple[Heard, ...]
    stale: tuple[Heard, ...]  # in the level at their last value
    carried: tuple[Heard, ...]  # dead, in the level at their last quantity and today's price
    excluded: tuple[Heard, ...]  # dead for longer than T_carry: out of the level
    plausibility: str  # measured | not_measured: whether traded volume could be held against the changes
    band_base: float | None  # coins: uncertainty of what is not fresh, instruments taken as independent
    reasons: tuple[Reason, ...]


def of(panel: Panel, *, at: int = -1, settings: Settings = DEFAULTS, plausible: Mapping[str, float] | None = None,
       sigma_h: Mapping[int, float] | None = None) -> Coverage:  # fmt: skip
    """Coverage of row `at` of a panel; the usual size of an instrument is its median over the 24 h before.

    `plausible`: share of feasible windows per venue (1.3); `sigma_h`: hourly sd of d ln Q per instrument id (fraction),
    gives the band. An empty panel gives grade D and `no_data`.
    """
    if not panel.contracts or not len(panel.t):
        return Coverage(None, None, None, "D", 0, 0, (), (), (), (), "not_measured", None, (NOBODY,))
    row = at % len(panel.t)
    state, age, kappa = panel.state[row], panel.age_s[row], panel.cadence_s[row]
    usual = typical(panel, row)
    whole = float(usual.sum())
    lists: dict[str, list[Heard]] = {"fresh": [], "stale": [], "carried": [], "excluded": []}
    parts = level(panel, settings)
    words = np.where(state == State.FRESH, "fresh", np.where(state == State.STALE, "stale", "carried"))
    words = np.where(parts.excluded[row], "excluded", words)
    known = state != State.ABSENT
    names = np.array([c.venue for c in panel.contracts])
    for venue in panel.venues:
        mine = np.flatnonzero((names == venue) & known)
        if len(mine):
            lead = mine[np.argmax(usual[mine])]
            weight = float(usual[mine].sum()) / whole if whole > 0 else 0.0
            lists[str(words[lead])].append(Heard(venue, float(age[lead]), float(kappa[lead]), weight))
    share = float(usual[state == State.FRESH].sum()) / whole if whole > 0 else None
    confidence = share
    if share is not None and plausible:
        weights = {v: float(usual[names == v].sum()) for v in panel.venues if v in plausible}
        total = sum(weights.values())
        confidence = share * sum(plausible[v] * w for v, w in weights.items()) / total if total > 0 else share
    reasons: list[Reason] = []
    if share is None:
        reasons.append(NOBODY)
    elif share < settings.grade_c:
        reasons.append(Reason(Code.INSUFFICIENT_COVERAGE, f"Only {share:.1%} of the usual open interest is fresh."))
    if not panel.price_fresh[row]:
        reasons.append(Reason(Code.STALE_REFERENCE_PRICE, "No fresh mark price: carried values use the last one."))
    ahead = -np.nanmin(age[known]) if known.any() else 0.0
    if ahead > AHEAD_S:
        words = f"The newest data were heard {ahead:.0f} s after this moment: a clock has stepped. They are not fresh."
        reasons.append(Reason(Code.INSUFFICIENT_COVERAGE, words))
    reasons += conventions.reasons(panel.contracts, panel.t, panel.broken)
    return Coverage(
        int(panel.t[row]), finite(share), finite(confidence), grade(confidence, settings), len(lists["fresh"]),
        sum(len(v) for v in lists.values()), tuple(lists["fresh"]), tuple(lists["stale"]),
        tuple(lists["carried"]), tuple(lists["excluded"]),
        "measured" if plausible else "not_measured", band(panel, row, sigma_h), tuple(reasons),
    )  # fmt: skip


NOBODY = Reason(Code.NO_DATA, "No venue has stated an open interest for this asset.")


def typical(panel: Panel, row: int) -> Floats:
    """Qbar [I], coins: median over the 24 h before, as it was known; zero for what was never heard."""
    recent = panel.t >= panel.t[row] - DAY_MS
    recent[row + 1 :] = False
    return np.nan_to_num(rowwise_median(panel.base[recent].T))


def shares(panel: Panel) -> Floats:
    """Coverage of every row [T], by the quantities last known; NaN before anything was."""
    base = np.nan_to_num(panel.base)
    whole = base.sum(axis=1)
    fresh = np.where(panel.state == State.FRESH, base, 0.0).sum(axis=1)
    return np.divide(fresh, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def grade(confidence: float | None, settings: Settings = DEFAULTS) -> str:
    """A, B, C or D."""
    if confidence is None:
        return "D"
    limits = ((settings.grade_a, "A"), (settings.grade_b, "B"), (settings.grade_c, "C"))
    return next((name for limit, name in limits if confidence >= limit), "D")


def uncertainty(base: float, sigma_h: float, age_s: float) -> float:
    """u = Q*sigma*sqrt(age/3600), coins: how far a value that is not fresh may have wandered."""
    return base * sigma_h * float(np.sqrt(age_s / 3600.0))


def band(panel: Panel, row: int, sigma_h: Mapping[int, float] | None) -> float | None:
    if sigma_h is None:
        return None
    u = [
        uncertainty(float(panel.base[row, i]), sigma_h[c.id], float(panel.age_s[row, i]))
        for i, c in enumerate(panel.contracts)
        if panel.state[row, i] in (State.STALE, State.DEAD) and c.id in sigma_h
    ]
    return float(np.sqrt(np.sum(np.square(u)))) if u else 0.0
