"""How divergences end on the market with known truth: opened as a sweep opens them, then followed by rule."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from analytics import episodes
from analytics.alignment import grid, panel
from analytics.episodes import Forced, Opening
from bench.truth_labels import flags, sized
from bench.truth_map import START_MS
from bench.truth_seen import HOUR_MS, Seen, assessed
from simulator.truth import Truth, World
from simulator.truth_positions import DAY, LONG, SHORT
from simulator.truth_script import CLOSE_H, ENDINGS, PART_H, Ending, Scripted, ended

SETTLED_MIN = 20
NEAR = 0.05  # of the mark: the mass that a cascade is held against
# 3.5, as the plan has it: a gap is closed below this part of it for so long, and whose doing that is
CLOSED, HELD_MIN, MOST, EXPIRY_MIN = 1 / 3, 15, 0.6, 1440
SIGMAS, FELL, HEAVY, CROSSED, HOUR = 3.0, -0.05, 95.0, 0.25, 60


def ending(base: Seen, world: World, which: Ending, minute: int, seed: int) -> dict[str, Any]:
    """A parting of the classes with a known end: what it was opened as, and what it was said to have ended in."""
    hours = 26 + PART_H if which == "expired" else PART_H + CLOSE_H + 3
    script = ended(sized(world.places), which, minute, seed)
    if which == "price_resolved_cascade":  # what it forces is known only when it was played: it ends level
        script = script[0], replace(script[1], moves=level(world, minute, script))
    fork = Seen(world.fork(minute, hours * 60, script), base)
    opening: Opening | None = None
    for hour in range(1, PART_H + 1):
        now = START_MS + (minute + 60 * hour) * 60_000
        if opening is None and script[0].kind in flags(fork, now):
            opening = next((o for w in (3600, 14_400) if (o := opened(fork, now, w)) is not None), None)
    if opening is None:
        return {"ending": which, "opened": None, "label": None}
    end = START_MS + (minute + hours * 60) * 60_000
    past = grid(opening.t0 // HOUR_MS * HOUR_MS, opening.t0 - episodes.PAST_MS, 3600)
    prices = panel(fork.cut(60, int(past[0]) - HOUR_MS, opening.t0), past)
    opening = replace(opening, sigma=episodes.usual_move(prices, opening.t0))
    start = opening.t0 - opening.window_s * 1000
    rows = fork.cut(5, start - 7 * HOUR_MS, end)
    path = episodes.path(panel(rows, grid(end, start, 300)), opening.leaders)
    known = forced(world, base, fork, minute)
    told = episodes.follow(opening, path, end, known)
    return {
        "ending": which, "opened": opening.window_s, "label": told.label, "gap0": told.gap0, "gap": told.gap,
        "leader_share": told.leader_share, "meant": meant(base, fork, world, script, minute, known),
    }  # fmt: skip


def meant(base: Seen, fork: Seen, world: World, script: Sequence[Scripted], minute: int, known: Forced) -> Ending:
    """The ending that the script's own flows have by what the labels mean, whatever the script is called.

    By the minute, from the true positions of the fork against those of the calm market in the same minute: what the
    script did, and what the market made of that, without what went on beside it. Prices and deaths all count.
    """
    n = len(fork.truth.mark)
    more = fork.truth.amount / base.truth.amount[minute : minute + n] - 1.0
    usd = base.truth.amount[minute] * np.where(world.inverse, 1.0, base.truth.mark[minute])
    lead = np.array([p.cls == script[0].leader for p in world.places])
    x, y = (np.log1p(more[:, side] @ usd[side] / usd[side].sum()) for side in (lead, ~lead))
    first = script[0].end - minute - 1
    gap, gap0 = x - y, float(x[first] - y[first])
    near = np.abs(gap) <= abs(gap0) * CLOSED
    last = min(first + EXPIRY_MIN, n - 1 - HELD_MIN)
    end = next((k for k in range(first + 1, last + 1) if near[k : k + HELD_MIN + 1].all()), None)
    if end is None:
        return "expired"
    if cascaded(base, fork, world, lead, minute, (first, end), known):
        return "price_resolved_cascade"
    closed = np.sign(gap0) * (gap0 - gap[end])
    share = float(-np.sign(gap0) * (x[end] - x[first]) / closed)
    if share >= MOST:
        return "leader_reversed"
    return "laggards_caught_up" if 1 - share >= MOST else "mixed"


def cascaded(
    base: Seen, fork: Seen, world: World, lead: np.ndarray, minute: int, life: tuple[int, int], known: Forced
) -> bool:
    """Whether 3.5 calls it one: within an hour of this life [rows of the fork] price, leaders and positions."""
    hours = np.diff(np.log(base.truth.mark[minute % HOUR : minute : HOUR]))[-720:]
    sigma = 1.4826 * float(np.median(np.abs(hours - np.median(hours))))
    log = np.log(fork.truth.mark)
    whole = fork.truth.amount[:, lead] * np.where(world.inverse, 1.0, fork.truth.mark[0])[lead]
    held = np.log(whole.sum(axis=1))
    for k in range(life[0], life[1] + 1):
        low = max(k - HOUR, life[0])
        at = [fork.at + (row + 1) * 60_000 for row in (low, k)]
        if np.abs(log[k] - log[low : k + 1]).max() < SIGMAS * sigma:
            continue
        heavy = known.intensity(at[1])
        if (held[k] - held[low : k + 1]).min() > FELL and (heavy is None or heavy < HEAVY):
            continue
        if (known.crossed(at[0], at[1]) or 0.0) >= CROSSED:
            return True
    return False


def level(world: World, minute: int, script: Sequence[Scripted]) -> dict[str, float]:
    """What the leaders' hedged must give up for the classes to stand to each other as before, once all is over."""
    truth = world.fork(minute, script[-1].end - minute + SETTLED_MIN, script)
    usd = truth.amount * np.where(world.inverse, 1.0, truth.mark[0])
    lead = np.array([p.cls == script[0].leader for p in world.places])
    gone = np.log(usd[-1, lead].sum() / usd[0, lead].sum()) - np.log(usd[-1, ~lead].sum() / usd[0, ~lead].sum())
    return {p.venue: float(np.expm1(-gone)) for p in world.places if p.cls == script[0].leader}


def opened(fork: Seen, now: int, window_s: int) -> Opening | None:
    told = assessed(fork, now, window_s)
    strict = told.conviction is not None and told.conviction.label not in (None, "relative_tilt")
    return episodes.opening(told, "conviction") if strict else None


def liquidated(truth: Truth) -> np.ndarray:
    """USD by minute of forced closes on the venues that show them all."""
    f, v = truth.forced, truth.forced["venue"].astype(np.int64)
    inverse, full = (
        np.array(x)[v] for x in ([p.inverse for p in truth.places], [p.feed == "full" for p in truth.places])
    )
    usd = f["amount"] * np.where(inverse, 1.0, f["price"]) * full
    return np.bincount(f["minute"].astype(np.int64) - truth.start, usd, len(truth.mark))


def forced(world: World, base: Seen, fork: Seen, minute: int) -> Forced:
    """What the episodes ask. Intensity: of 24 h, among those of the market so far, by the hour. Crossed: of the true
    positions at the start within 5 % of the mark, on the side that the price went further between two moments [ms],
    the share that it went through."""
    died = np.concatenate((liquidated(base.truth)[:minute], liquidated(fork.truth)))
    day = np.cumsum(died)
    day[DAY:] -= day[:-DAY].copy()
    past = day[DAY:minute:60]

    def intensity(at: int) -> float | None:
        return 100.0 * float((past < day[(at - START_MS) // 60_000 - 1]).mean())

    book, truth = world.forks[minute].book, fork.truth
    mark = float(np.exp(world.forks[minute].log_price))
    usd = book.amount * np.where(world.inverse[book.venue], 1.0, mark)

    def crossed(begin: int, end: int) -> float:
        rows = slice(*(max((t - fork.at) // 60_000, 0) for t in (begin, end)))
        low, high = float(truth.low[rows].min()), float(truth.high[rows].max())
        side = LONG if mark / low > high / mark else SHORT
        near = (book.amount > 0) & (book.side == side) & (np.abs(book.trigger / mark - 1) <= NEAR)
        gone = near & ((book.trigger >= low) if side == LONG else (book.trigger <= high))
        whole = float(usd[near].sum())
        return float(usd[gone].sum()) / whole if whole > 0 else 0.0

    return Forced(intensity, crossed)


def plan(minute: int) -> list[tuple[Ending, int]]:
    """Each ending on a day of its own."""
    return [(which, minute + 2 * k * 1440) for k, which in enumerate(ENDINGS)]
