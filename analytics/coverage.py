"""How much of the market an answer rests on (analytics.md, 1.4)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analytics import conventions
from analytics.alignment import AHEAD_S, DAY_MS, Floats, Panel, State
from analytics.carry import level
from analytics.matched import steps
from analytics.provenance import Code, Reason, finite
from analytics.rows import rowwise_median
from analytics.settings import DEFAULTS, HOUR_S, Settings
from analytics.thresholds import centre_and_scale

GONE_S = 30 * 86_400.0  # silent for so long nobody is missing any more (docs/decisions.md)


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
    band_base: float | None  # coins: U, how far what is not fresh may have wandered; instruments taken as independent
    reasons: tuple[Reason, ...]


def of(panel: Panel, *, at: int = -1, settings: Settings = DEFAULTS, plausible: Mapping[str, float] | None = None,
       sigma_h: Mapping[int, float] | None = None, gaps: pd.DataFrame | None = None,
       sizes: Mapping[int, float] | None = None) -> Coverage:  # fmt: skip
    """Coverage of row `at` of a panel; the usual size of an instrument is its median over the 24 h before: that of
    `sizes` (coins by id), or where it is not in there that of the panel, which may be shorter.

    `plausible`: share of feasible windows per venue (1.3); `sigma_h`: hourly sd of d ln Q per instrument id (fraction),
    gives the band U; an instrument that is needed and not in it leaves U unknown, with the reason. `gaps` say when
    exactly a convention changed. An empty panel gives grade D and `no_data`.
    """
    if not panel.contracts or not len(panel.t):
        return Coverage(None, None, None, "D", 0, 0, (), (), (), (), "not_measured", None, (NOBODY,))
    row = at % len(panel.t)
    state, age, kappa = panel.state[row], panel.age_s[row], panel.cadence_s[row]
    usual = typical(panel, row)
    if sizes:
        usual = np.array([sizes.get(c.id, own) for c, own in zip(panel.contracts, usual.tolist(), strict=True)])
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
    wide, unknown = (None, ()) if sigma_h is None else band(panel, row, parts.base[row], sigma_h)
    if unknown:
        words = f"No band of the level: {', '.join(unknown)} not fresh, and heard too short a time to say how it moves."
        reasons.append(Reason(Code.INSUFFICIENT_HISTORY, words))
    ahead = -np.nanmin(age[known]) if known.any() else 0.0
    if ahead > AHEAD_S:
        words = f"The newest data were heard {ahead:.0f} s after this moment: a clock has stepped. They are not fresh."
        reasons.append(Reason(Code.INSUFFICIENT_COVERAGE, words))
    reasons += conventions.reasons(conventions.changes(panel.contracts, panel.t, panel.broken, gaps))
    return Coverage(
        int(panel.t[row]), finite(share), finite(confidence), grade(confidence, settings), len(lists["fresh"]),
        sum(len(v) for v in lists.values()), tuple(lists["fresh"]), tuple(lists["stale"]),
        tuple(lists["carried"]), tuple(lists["excluded"]),
        "measured" if plausible else "not_measured", wide, tuple(reasons),
    )  # fmt: skip


NOBODY = Reason(Code.NO_DATA, "No venue has stated an open interest for this asset.")
ONE_END = Reason(Code.NO_DATA, "Nothing is stored that is fine enough for this window: ask for a longer one.")


def disputed(latest: pd.DataFrame) -> tuple[Reason, ...]:
    """What to mind of any level made of these readings (store.reader.latest): whose side count is not established."""
    if "side_status" not in latest:
        return ()
    status = [known_status(s) for s in latest["side_status"]]
    names = sorted({str(v) for v, s in zip(latest["venue"], status, strict=True) if s == "disputed"})
    words = f"Side count not established: {', '.join(names)}; levels may be off by a factor of 2."
    return (Reason(Code.DISPUTED_UNITS, words),) if names else ()


def known_status(said: object) -> str:
    """How the sides of a field are known; `disputed` where neither a reading nor the registry says it."""
    return said if isinstance(said, str) else "disputed"


def typical(panel: Panel, row: int) -> Floats:
    """Qbar [I], coins: median over the 24 h before, as it was known; zero for what was never heard."""
    recent = panel.t >= panel.t[row] - DAY_MS
    recent[row + 1 :] = False
    return np.nan_to_num(rowwise_median(panel.base[recent].T))


def sizes(bars: pd.DataFrame, now: int) -> dict[int, float]:
    """Qbar in coins by instrument id: the median over bars (five minutes) of the 24 h before `now` (ms UTC), so that
    answers about windows of any length weigh the market alike. Who was not heard in them is not in it.
    """
    if not len(bars):
        return {}
    t, ids, base = (bars[name].to_numpy() for name in ("t", "instrument_id", "base"))
    inside = (t > now - DAY_MS) & (t <= now) & np.isfinite(base)
    ids, base = ids[inside], base[inside]
    if (np.diff(ids) < 0).any():
        order = np.argsort(ids, kind="stable")
        ids, base = ids[order], base[order]
    first = np.flatnonzero(np.append(np.ones(min(len(ids), 1), bool), np.diff(ids) != 0))
    found: dict[int, float] = {}
    for a, b in pairwise(np.append(first, len(ids)).tolist()):
        own = np.sort(base[a:b])
        found[int(ids[a])] = float(own[(b - a - 1) // 2] + own[(b - a) // 2]) / 2.0
    return found


def shares(panel: Panel, listed: Collection[int] | None = None) -> Floats:
    """Coverage of every row [T], by the quantities last known of the `universe`; NaN before anything was."""
    return part(panel, panel.state == State.FRESH, listed)


def standing(panel: Panel, settings: Settings = DEFAULTS, listed: Collection[int] | None = None) -> Floats:
    """Which part of the quantities last known is in the level [T]: fresh, stale or carried. The rest has been silent
    for longer than T_carry, so that a level, or shares of it, are those of another market."""
    return part(panel, np.isfinite(level(panel, settings).base), listed)


def part(panel: Panel, some: NDArray[np.bool_], listed: Collection[int] | None) -> Floats:
    base = np.where(universe(panel, listed), np.nan_to_num(panel.base), 0.0)
    whole = base.sum(axis=1)
    return np.divide(
        np.where(some, base, 0.0).sum(axis=1), whole, out=np.full(len(whole), np.nan), where=whole > 0
    )  # fmt: skip


def universe(panel: Panel, listed: Collection[int] | None = None) -> NDArray[np.bool_]:
    """[T, I]: who is counted as missing while it is silent: for thirty days. Of what is no longer `listed` (ids of
    store.reader.latest: delisted, expired, closed) nothing is, once it was heard for the last time."""
    inside = panel.age_s <= GONE_S
    if listed is not None and len(panel.t):
        ended = np.array([c.id not in listed for c in panel.contracts], bool)
        fresh = panel.state == State.FRESH
        last = len(panel.t) - 1 - np.argmax(fresh[::-1], axis=0)
        after = (np.arange(len(panel.t))[:, None] > last[None, :]) | ~fresh.any(axis=0)
        inside &= ~(ended[None, :] & after)
    return inside


def grade(confidence: float | None, settings: Settings = DEFAULTS) -> str:
    """A, B, C or D."""
    if confidence is None:
        return "D"
    limits = ((settings.grade_a, "A"), (settings.grade_b, "B"), (settings.grade_c, "C"))
    return next((name for limit, name in limits if confidence >= limit), "D")


def uncertainty(base: ArrayLike, sigma_h: ArrayLike, age_s: ArrayLike) -> Floats:
    """u = Q*sigma*sqrt(age/3600), coins: how far a value that is not fresh may have wandered."""
    return np.asarray(base, float) * np.asarray(sigma_h, float) * np.sqrt(np.asarray(age_s, float) / 3600.0)


def hourly_sd(panel: Panel, settings: Settings = DEFAULTS) -> dict[int, float]:
    """sigma by instrument id: robust sd of d ln Q an hour (fraction), over hours that do not overlap.

    `panel` by equal steps that divide an hour. Hours with an interruption or a change of counting inside do not count;
    an instrument with fewer than `band_min_hours` of them is left out. One that never changed has zero. Steps longer
    than an hour tell of none.
    """
    if len(panel.t) < 2:
        return {}
    rows = round(HOUR_S * 1000 / float(np.median(np.diff(panel.t))))
    if not 0 < rows < len(panel.t):
        return {}
    moved = steps(panel, settings, rows)
    seen, growth = moved.matched[::-rows], moved.growth[::-rows]
    return {
        c.id: centre_and_scale(np.log1p(growth[seen[:, i], i]))[1] or 0.0
        for i, c in enumerate(panel.contracts)
        if seen[:, i].sum() >= settings.band_min_hours
    }


def band(panel: Panel, row: int, base: Floats, sigma_h: Mapping[int, float]) -> tuple[float | None, tuple[str, ...]]:
    """(U = sqrt(sum u^2) in coins over what is in the level [I] and not fresh, venues without a sigma: then no U)."""
    late = unheard(panel.state[row], base)
    some = [c for i, c in enumerate(panel.contracts) if late[i]]
    unknown = tuple(sorted({c.venue for c in some if c.id not in sigma_h}))
    if unknown:
        return None, unknown
    return float(bands(panel, np.broadcast_to(base, panel.base.shape), sigma_h)[row]), ()


def bands(panel: Panel, base: Floats, sigma_h: Mapping[int, float]) -> Floats:
    """U [T] in coins, of each row, by what is in the level [T, I]; NaN where something not fresh has no sigma."""
    sigma = np.array([sigma_h.get(c.id, np.nan) for c in panel.contracts])
    wandered = uncertainty(base, sigma[None, :], np.maximum(panel.age_s, 0.0))
    return np.sqrt(np.square(np.where(unheard(panel.state, base), wandered, 0.0)).sum(axis=1))


def unheard(state: NDArray[np.int8], base: Floats) -> NDArray[np.bool_]:
    """What is in the level by a value that is not fresh."""
    return np.isin(state, (State.STALE, State.DEAD)) & np.isfinite(base)
