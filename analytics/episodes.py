"""How a divergence ends: opened, followed and resolved by rule (analytics.md, 3.5). Facts of the past, no forecast."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics import conviction, coverage
from analytics.alignment import Floats, Panel
from analytics.divergence import Divergence
from analytics.matched import steps
from analytics.provenance import finite
from analytics.settings import DEFAULTS, Settings
from analytics.thresholds import centre_and_scale

RULES = "1"  # version: history is relabelled only as a new one
LEADER_X = 2.5  # own scales
CLOSED = 1.0 / 3.0  # of the first gap
HELD_MS = 15 * 60_000
SHARE = 0.6  # of the closing, to be called one side's doing
EXPIRY_S, EXPIRY_WINDOWS = 86_400, 10
COVERED, UNCOVERED_LIFE = 0.80, 0.10
HOUR_MS = 3_600_000
CASCADE_SIGMAS, CASCADE_FALL, CASCADE_INTENSITY, CASCADE_MAP = 3.0, -0.05, 95.0, 0.25
PLACEBO = "placebo_"  # before the kind of a record at a random moment
LABELS = ("price_resolved_cascade", "leader_reversed", "laggards_caught_up", "mixed")


@dataclass(frozen=True, slots=True)
class Opening:
    """A record that was opened: `leaders` moved away from the rest over the window before `t0` (ms)."""

    kind: str  # rotation | conviction
    leader: str  # the first of the leaders, or the class: one record a market, kind and leader
    leaders: tuple[str, ...]  # venues
    window_s: int
    t0: int

    @property
    def expires(self) -> int:
        return self.t0 + 1000 * max(EXPIRY_S, EXPIRY_WINDOWS * self.window_s)


@dataclass(frozen=True, slots=True)
class Path:
    """Cumulative d ln Q since t0 - W of the leaders and of the rest (matched panel), row by row."""

    t: NDArray[np.int64]
    leader: Floats
    rest: Floats
    price: Floats  # USD
    covered: Floats  # fraction of 1


@dataclass(frozen=True, slots=True)
class Outcome:
    label: str  # open | void | expired | one of LABELS
    resolved: int | None  # ms UTC
    gap0: float | None  # D(t0)
    gap: float | None  # D at the end, or now
    leader_share: float | None  # c_L
    rest_share: float | None  # c_R; both add up to one
    flags: tuple[str, ...]  # cascade_unconfirmed: price and leader fit, the map's part is not known


@dataclass(frozen=True, slots=True)
class Forced:
    """What is known of forced closes; None where it is not.

    `intensity` at a moment [ms]: percentile of 24 h of liquidations, 0-100. `crossed` over a window [ms, ms]: the share
    of the map's mass within 5 % on the side of the move, as the map stood before it, that the price went through.
    """

    intensity: Callable[[int], float | None]
    crossed: Callable[[int, int], float | None]


UNKNOWN = Forced(lambda _: None, lambda _, __: None)


def opening(d: Divergence, kind: str) -> Opening | None:
    """The record that a divergence would open: leaders by own scales, or the extreme class. None where none is."""
    if d.t1 is None:
        return None
    if kind == "conviction":
        c = d.conviction
        if c is None or c.label is None or c.diff is None:
            return None
        klass = conviction.SPECULATIVE if c.diff > 0 else conviction.INSTITUTIONAL
        venues = c.speculative if c.diff > 0 else c.institutional
        return Opening(kind, klass, tuple(sorted(venues)), d.window_s, d.t1) if venues else None
    far = sorted((m for m in d.venues if m.x is not None and abs(m.x) >= LEADER_X), key=lambda m: -abs(m.x or 0.0))
    if not far:
        return None
    same = [m.venue for m in far if (m.x or 0.0) * (far[0].x or 0.0) > 0]
    return Opening(kind, far[0].venue, tuple(sorted(same)), d.window_s, d.t1)


def path(panel: Panel, leaders: tuple[str, ...], settings: Settings = DEFAULTS) -> Path:
    """From a panel that begins at t0 - W. What happened across a silence is in neither side's path."""
    moved = steps(panel, settings)
    mine = np.array([c.venue in leaders for c in panel.contracts], bool)

    def cumulative(keep: NDArray[np.bool_]) -> Floats:
        g = np.nan_to_num(moved.total_growth(keep))
        return np.concatenate([[0.0], np.cumsum(np.log1p(np.maximum(g, -0.999)))])

    return Path(panel.t, cumulative(mine), cumulative(~mine), panel.price, np.nan_to_num(coverage.shares(panel)))


def follow(o: Opening, p: Path, now: int, known: Forced = UNKNOWN) -> Outcome:
    """What became of it until `now`, with what is `known` of forced closes."""
    before = np.flatnonzero(p.t <= o.t0)
    if not len(before):
        return Outcome("open", None, None, None, None, None, ())
    k0 = int(before[-1])
    gap = p.leader - p.rest
    d0 = float(gap[k0])
    if d0 == 0.0:  # a placebo at a moment without any gap: nothing is to be closed
        return Outcome("open", None, d0, d0, None, None, ())
    life = (p.t > o.t0) & (p.t <= min(now, o.expires))
    near = np.abs(gap) <= abs(d0) * CLOSED
    end = resolution(p.t, near & life, life)
    last = end if end is not None else int(np.flatnonzero(p.t <= min(now, o.expires))[-1])
    lived = p.covered[k0 : last + 1]
    if len(lived) and float((lived < COVERED).mean()) > UNCOVERED_LIFE:
        return Outcome("void", int(p.t[last]), d0, float(gap[last]), None, None, ())
    if end is None:
        done = now >= o.expires
        return Outcome("expired" if done else "open", o.expires if done else None, d0, float(gap[last]), None, None, ())
    c_l, c_r = shares(d0, float(gap[end]), float(p.leader[end] - p.leader[k0]), float(p.rest[end] - p.rest[k0]))
    swept = cascade(p, k0, end, known)
    flags = ("cascade_unconfirmed",) if swept is None else ()
    label = "price_resolved_cascade" if swept else ended(c_l, c_r)
    return Outcome(label, int(p.t[end]), d0, float(gap[end]), finite(c_l), finite(c_r), flags)


def resolution(t: NDArray[np.int64], near: NDArray[np.bool_], life: NDArray[np.bool_]) -> int | None:
    """The first row from which the gap stays closed for fifteen minutes."""
    rows = np.flatnonzero(life)
    begun: int | None = None
    for k in rows:
        if not near[k]:
            begun = None
        elif begun is None:
            begun = int(k)
        if begun is not None and t[k] - t[begun] >= HELD_MS:
            return begun
    return None


def shares(d0: float, d1: float, leader: float, rest: float) -> tuple[float, float]:
    """(c_L, c_R): whose moves since t0 closed the gap; they add up to one."""
    sign = 1.0 if d0 >= 0 else -1.0
    closed = abs(d0) - sign * d1
    return -leader * sign / closed, rest * sign / closed


def ended(c_l: float, c_r: float) -> str:
    if c_l >= SHARE:
        return "leader_reversed"
    return "laggards_caught_up" if c_r >= SHARE else "mixed"


def cascade(p: Path, k0: int, end: int, known: Forced) -> bool | None:
    """Whether there was an hour or less in which price moved by 3 robust hourly sigmas, either liquidations were in
    their top 5 % or the leader lost 5 %, and the price went through a quarter of the map's mass near it.

    None: but for the map there was one, and of the map nothing is known.
    """
    log = np.log(np.where(p.price > 0, p.price, np.nan))
    back = np.searchsorted(p.t, p.t - HOUR_MS)
    hourly = log - log[back]
    full = hourly[p.t - p.t[0] >= HOUR_MS]
    sigma = centre_and_scale(full)[1]
    if sigma is None:
        return False
    unsure = False
    for k in range(k0, end + 1):
        low = max(int(back[k]), k0)
        moved = np.nanmax(np.abs(log[k] - log[low : k + 1])) if np.isfinite(log[low : k + 1]).any() else 0.0
        if moved < CASCADE_SIGMAS * sigma:
            continue
        hot = float((p.leader[k] - p.leader[low : k + 1]).min()) <= CASCADE_FALL
        if not hot:
            found = known.intensity(int(p.t[k]))
            hot = found is not None and found >= CASCADE_INTENSITY
        if hot:
            share = known.crossed(int(p.t[low]), int(p.t[k]))
            if share is not None and share >= CASCADE_MAP:
                return True
            unsure |= share is None
    return None if unsure else False
