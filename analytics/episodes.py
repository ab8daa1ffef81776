"""How a divergence ends: opened, followed and resolved by rule (analytics.md, 3.5). Facts of the past, no forecast."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from analytics import conviction, coverage
from analytics.alignment import Floats, Panel, State
from analytics.divergence import Divergence
from analytics.matched import steps
from analytics.provenance import finite
from analytics.settings import DEFAULTS, HOUR_S, Settings
from analytics.thresholds import centre_and_scale

RULES = "3"  # version: history is relabelled only as a new one
HOUR_MS = 3_600_000
PAST_MS = 30 * 86_400_000  # hours of price that a move is held against
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
    sigma: float | None = None  # `usual_move` before t0; None: too little history

    def expires(self, settings: Settings = DEFAULTS) -> int:
        return self.t0 + round(1000 * settings.expiry_s(self.window_s))


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
    flags: tuple[str, ...]  # cascade_unconfirmed: what is known fits; of price's past or of the map nothing is


@dataclass(frozen=True, slots=True)
class Forced:
    """What is known of forced closes; None where it is not.

    `intensity` at a moment [ms]: percentile of 24 h of liquidations, 0-100. `crossed` over a window [ms, ms]: the share
    of the map's mass within 5 % on the side of the move, as the map stood before it, that the price went through.
    """

    intensity: Callable[[int], float | None]
    crossed: Callable[[int, int], float | None]


UNKNOWN = Forced(lambda _: None, lambda _, __: None)


def rules(settings: Settings = DEFAULTS) -> str:
    """The version of the rules: another one for every other set of values of 3.5."""
    mine = [f for f in fields(Settings) if f.name.startswith("episode_")]
    other = [(f.name, float(value)) for f in mine if (value := getattr(settings, f.name)) != f.default]
    return f"{RULES}-{blake2b(repr(other).encode(), digest_size=4).hexdigest()}" if other else RULES


def opening(d: Divergence, kind: str, settings: Settings = DEFAULTS) -> Opening | None:
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
    least = settings.episode_leader_x
    far = sorted((m for m in d.venues if m.x is not None and abs(m.x) >= least), key=lambda m: -abs(m.x or 0.0))
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


def usual_move(past: Panel, t0: int, settings: Settings = DEFAULTS) -> float | None:
    """Robust sd of hourly d ln P of the thirty days before `t0` (ms), from a panel of full hours.

    None below the points that a threshold of an hour needs (decisions 12).
    """
    mine = (past.t <= t0) & (past.t > t0 - PAST_MS) & (np.diff(past.t, prepend=past.t[:1] - HOUR_MS) == HOUR_MS)
    log = np.log(np.where(past.price_fresh & (past.price > 0), past.price, np.nan))
    moves = np.diff(log, prepend=np.nan)[mine]
    moves = moves[np.isfinite(moves)]
    return centre_and_scale(moves)[1] if len(moves) >= settings.min_history(HOUR_S) else None


def follow(o: Opening, p: Path, now: int, known: Forced = UNKNOWN, settings: Settings = DEFAULTS) -> Outcome:
    """What became of it until `now`, with what is `known` of forced closes."""
    before = np.flatnonzero(p.t <= o.t0)
    if not len(before):
        return Outcome("open", None, None, None, None, None, ())
    k0 = int(before[-1])
    gap = p.leader - p.rest
    d0 = float(gap[k0])
    if d0 == 0.0:  # a placebo at a moment without any gap: nothing is to be closed
        return Outcome("open", None, d0, d0, None, None, ())
    expires = o.expires(settings)
    life = (p.t > o.t0) & (p.t <= min(now, expires))
    near = np.abs(gap) <= abs(d0) * settings.episode_closed
    end = resolution(p.t, near & life, life, settings)
    last = end if end is not None else int(np.flatnonzero(p.t <= min(now, expires))[-1])
    ends = int(p.t[end]) if end is not None else expires  # of a life that goes on: the longest that it may become
    unheard = uncovered(p, o.t0, min(ends, now), settings)
    if unheard > settings.episode_uncovered_life * (ends - o.t0):
        closed = ends if end is not None or now >= expires else int(p.t[last])
        return Outcome("void", closed, d0, float(gap[last]), None, None, ())
    if end is None:
        done = now >= expires
        return Outcome("expired" if done else "open", expires if done else None, d0, float(gap[last]), None, None, ())
    c_l, c_r = shares(d0, float(gap[end]), float(p.leader[end] - p.leader[k0]), float(p.rest[end] - p.rest[k0]))
    swept = cascade(p, k0, end, known, o.sigma, settings)
    flags = ("cascade_unconfirmed",) if swept is None else ()
    label = "price_resolved_cascade" if swept else ended(c_l, c_r, settings)
    return Outcome(label, int(p.t[end]), d0, float(gap[end]), finite(c_l), finite(c_r), flags)


def uncovered(p: Path, start: int, end: int, settings: Settings = DEFAULTS) -> float:
    """ms of [start, end) in which coverage was below what a life needs; a row holds until the next."""
    since = np.clip(p.t, start, end)
    until = np.append(np.clip(p.t[1:], start, end), end)
    return float((until - since)[p.covered < settings.episode_covered].sum())


def could_open(panel: Panel, o: Opening, settings: Settings = DEFAULTS) -> bool:
    """Whether the market was heard at `t0` and a window before it as an opening needs: as much of it as the panel guard
    asks for, of its leaders too, at both ends. So a placebo is no worse heard than what it stands beside.
    """
    rows = [int(np.searchsorted(panel.t, t, side="right")) - 1 for t in (o.t0 - o.window_s * 1000, o.t0)]
    if rows[1] <= 0 or not panel.contracts:
        return False
    first, last = max(rows[0], 0), rows[1]
    matched = (panel.state[first] == State.FRESH) & (panel.state[last] == State.FRESH)
    usd = np.nan_to_num(panel.usd[last])
    heard = {c.venue for c, m in zip(panel.contracts, matched, strict=True) if m}
    led = len(heard.intersection(o.leaders)) >= settings.panel_guard * len(o.leaders)
    return bool(usd[matched].sum() >= settings.panel_guard * usd.sum()) and led and bool(heard)


def resolution(
    t: NDArray[np.int64], near: NDArray[np.bool_], life: NDArray[np.bool_], settings: Settings = DEFAULTS
) -> int | None:
    """The first row from which the gap stays closed for fifteen minutes."""
    rows = np.flatnonzero(life)
    begun: int | None = None
    for k in rows:
        if not near[k]:
            begun = None
        elif begun is None:
            begun = int(k)
        if begun is not None and t[k] - t[begun] >= settings.episode_held_s * 1000:
            return begun
    return None


def shares(d0: float, d1: float, leader: float, rest: float) -> tuple[float, float]:
    """(c_L, c_R): whose moves since t0 closed the gap; they add up to one."""
    sign = 1.0 if d0 >= 0 else -1.0
    closed = abs(d0) - sign * d1
    return -leader * sign / closed, rest * sign / closed


def ended(c_l: float, c_r: float, settings: Settings = DEFAULTS) -> str:
    if c_l >= settings.episode_share:
        return "leader_reversed"
    return "laggards_caught_up" if c_r >= settings.episode_share else "mixed"


def cascade(
    p: Path, k0: int, end: int, known: Forced, sigma: float | None, settings: Settings = DEFAULTS
) -> bool | None:
    """Whether there was an hour or less in which price moved by 3 robust hourly sigmas, either liquidations were in
    their top 5 % or the leader lost 5 %, and the price went through a quarter of the map's mass near it.

    `sigma` is of the time before: the path itself holds the cascade that would be held against it. None: what is known
    of such an hour fits, but of `sigma` or of the map nothing is known.
    """
    log = np.log(np.where(p.price > 0, p.price, np.nan))
    back = np.searchsorted(p.t, p.t - HOUR_MS)
    unsure = False
    for k in range(k0, end + 1):
        low = max(int(back[k]), k0)
        moved = np.nanmax(np.abs(log[k] - log[low : k + 1])) if np.isfinite(log[low : k + 1]).any() else 0.0
        if sigma is not None and moved < settings.episode_cascade_sigmas * sigma:
            continue
        hot = float((p.leader[k] - p.leader[low : k + 1]).min()) <= settings.episode_cascade_fall
        if not hot:
            found = known.intensity(int(p.t[k]))
            hot = found is not None and found >= settings.episode_cascade_percentile
        if hot:
            share = known.crossed(int(p.t[low]), int(p.t[k]))
            if sigma is not None and share is not None and share >= settings.episode_cascade_map:
                return True
            unsure |= share is None or (sigma is None and share >= settings.episode_cascade_map)
    return None if unsure else False
