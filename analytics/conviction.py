"""Whether speculative and institutional venues part ways (analytics.md, 3.2)."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np

from analytics.flips import SEED
from analytics.provenance import Code, Reason, Threshold
from analytics.settings import DEFAULTS, Settings
from analytics.thresholds import centre_and_scale
from analytics.units import Floats

MAX_EXACT = 20_000
SPECULATIVE, INSTITUTIONAL = "speculative", "institutional"


@dataclass(frozen=True, slots=True)
class Conviction:
    """g_S and g_I are native growth of each class over the window, fractions."""

    g_speculative: float | None
    g_institutional: float | None
    diff: float | None
    cd: float | None  # (diff - median)/(1.4826 MAD) of own non-overlapping history
    p: float | None  # permutation of class labels over the venues' own scales
    speculative: tuple[str, ...]  # venues live in each class
    institutional: tuple[str, ...]
    threshold: Threshold | None  # of |diff|
    label: str | None  # conviction_speculative | conviction_institutional | relative_tilt
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Scales:
    """What is usual for the two classes over `n` earlier windows of one length, fractions; None: nothing varied."""

    n: int
    limit: float | None  # percentile of |g_S - g_I|
    centre: float | None  # of g_S - g_I
    scale: float | None
    speculative: float | None  # robust sd of g_S
    institutional: float | None


def scales(past_s: Floats, past_i: Floats, settings: Settings = DEFAULTS) -> Scales:
    """From the classes' growths of earlier windows (aligned, NaN = unknown)."""
    both = np.isfinite(past_s) & np.isfinite(past_i)
    gap, n = past_s[both] - past_i[both], int(both.sum())
    if not n:
        return Scales(0, None, None, None, None, None)
    middle, spread = centre_and_scale(gap)
    limit = float(np.percentile(np.abs(gap), settings.conviction_percentile))
    return Scales(n, limit, middle, spread, *(centre_and_scale(x[both])[1] for x in (past_s, past_i)))


def of(g_s: float | None, g_i: float | None, past_s: Floats, past_i: Floats, *, speculative: tuple[str, ...] = (),
       institutional: tuple[str, ...] = (), x_s: Floats | None = None, x_i: Floats | None = None,
       own: Scales | None = None, need: int = 0, settings: Settings = DEFAULTS) -> Conviction:  # fmt: skip
    """Class growths of this window against those of earlier, equally long windows (`past_*`, aligned, NaN = unknown).

    `own` stands in for the earlier windows where their scales are known already. CD takes 60 of them; a far percentile,
    and so a label, takes `need` (3.4: as many as any threshold of such windows). `x_s`, `x_i`: each venue's growth in
    own scales, for the permutation check.
    """
    reasons: list[Reason] = []
    for name, g in ((SPECULATIVE, g_s), (INSTITUTIONAL, g_i)):
        if g is None:
            reasons.append(Reason(Code.TOO_FEW_VENUES, f"No {name} venue was heard at both ends of the window."))
    for name, live in ((SPECULATIVE, speculative), (INSTITUTIONAL, institutional)):
        if len(live) == 1:
            reasons.append(
                Reason(Code.TOO_FEW_VENUES, f"The {name} class is {live[0]} alone: its move is not a class's.")
            )
    known = scales(past_s, past_i, settings) if own is None else own
    n = known.n
    p = permuted(x_s, x_i) if x_s is not None and x_i is not None else None
    if g_s is None or g_i is None:
        return Conviction(g_s, g_i, None, None, p, speculative, institutional, None, None, tuple(reasons))
    diff = g_s - g_i
    if n < settings.conviction_min_history or known.limit is None or known.centre is None:
        words = (
            f"{n} earlier windows of this length; {settings.conviction_min_history} are needed to call a gap unusual."
        )
        reasons.append(Reason(Code.INSUFFICIENT_HISTORY, words))
        return Conviction(g_s, g_i, diff, None, p, speculative, institutional, None, None, tuple(reasons))
    cd = None if known.scale is None else (diff - known.centre) / known.scale
    if n < need:
        words = (
            f"{n} earlier windows of this length; {need} are needed for the far percentile that calls a gap unusual."
        )
        reasons.append(Reason(Code.INSUFFICIENT_HISTORY, words))
        return Conviction(g_s, g_i, diff, cd, p, speculative, institutional, None, None, tuple(reasons))
    limit = Threshold("conviction_gap", known.limit, "fraction", "own_history", n)
    name = labelled(g_s, g_i, known.speculative, known.institutional, abs(diff) > limit.value, settings)
    if name not in (None, "relative_tilt") and p is not None and p > settings.significance >= least(x_s, x_i):
        words = f"Classes drawn at random from the same venues part as far in {p:.0%} of cases: one venue's move."
        reasons.append(Reason(Code.TOO_FEW_VENUES, words))
        name = None
    return Conviction(g_s, g_i, diff, cd, p, speculative, institutional, limit, name, tuple(reasons))


def labelled(g_s: float, g_i: float, scale_s: float | None, scale_i: float | None, extreme: bool,
             settings: Settings = DEFAULTS) -> str | None:  # fmt: skip
    """Strict labels want opposite signs, each at least half an own sigma; same sign but extreme is a tilt."""
    if not extreme or scale_s is None or scale_i is None:
        return None
    if g_s * g_i > 0:
        return "relative_tilt"
    far = abs(g_s) >= settings.conviction_sigma * scale_s and abs(g_i) >= settings.conviction_sigma * scale_i
    if not far or g_s == 0 or g_i == 0:
        return None
    return "conviction_speculative" if g_s > 0 else "conviction_institutional"


def permuted(x_s: Floats, x_i: Floats) -> float | None:
    """How often class labels drawn at random part the means as far: exact up to 20,000 ways, else sampled."""
    a, b = x_s[np.isfinite(x_s)], x_i[np.isfinite(x_i)]
    if not len(a) or not len(b):
        return None
    x, k, n = np.concatenate([a, b]), len(a), len(a) + len(b)
    total = float(x.sum())
    sums = groups(n, k) @ x
    gaps = np.abs(sums / k - (total - sums) / (n - k))
    seen = abs(float(a.mean() - b.mean()))
    hits = int((gaps >= seen - 1e-12 * max(seen, 1.0)).sum())
    return hits / len(gaps) if comb(n, k) <= MAX_EXACT else (hits + 1) / (len(gaps) + 1)


def least(x_s: Floats | None, x_i: Floats | None) -> float:
    """The smallest p that so many venues can reach."""
    a, b = (0 if x is None else int(np.isfinite(x).sum()) for x in (x_s, x_i))
    return 1 / min(comb(a + b, a), MAX_EXACT)


@lru_cache(maxsize=4)  # of constants: the classes of a market seldom change
def groups(n: int, k: int) -> Floats:
    """[M, n] of 0 and 1: ways to choose k of n, all of them up to MAX_EXACT, else a fixed sample."""
    if comb(n, k) <= MAX_EXACT:
        chosen = np.array(list(combinations(range(n), k)))
    else:
        chosen = np.argsort(np.random.default_rng(SEED).random((MAX_EXACT, n)), axis=1)[:, :k]
    out = np.zeros((len(chosen), n))
    np.put_along_axis(out, chosen, 1.0, axis=1)
    out.flags.writeable = False
    return out
