"""The state one bar on: what the mark went through is gone, closures thin the rest, openings enter at the mark."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from analytics.liquidation.ages import aged
from analytics.liquidation.entry import enter, found
from analytics.liquidation.flow import Flows, read
from analytics.liquidation.prior import (
    BY_AGE,
    CLASSES,
    PARTS,
    Floats,
    Particles,
    Policy,
    Terms,
    astray,
    corners,
    distances,
    hazards,
    mix,
    spread,
    tier_spread,
)
from analytics.liquidation.removal import close, fold, in_turn, recentred, rescale, sweep
from analytics.liquidation.state import STEP, Book, Ledger, MapState, Mass, copy, nothing
from analytics.settings import Settings

DAY_MS = 86_400_000
GOLDEN, SILVER = (5**0.5 - 1) / 2, 2**0.5 - 1  # turns that share no period
PARTS_A_BAR = 2
FUNDING_READY_MS = DAY_MS  # before that a z of funding is noise, and counts as 0
ASTRAY = astray()


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not change while bars pass."""

    mixes: Floats  # [B, CLASSES]
    distances: Floats  # [B, 2, CLASSES] ln, of the rungs themselves
    spread: Floats  # [B, 2, CLASSES, PARTS] ln, inside their ranges
    tiers: Floats  # [B] ln, from usual to large positions
    policy: Policy
    weights: Floats  # [CLASSES + 1, P] of closing, where ages are not asked for
    particles: Particles
    settings: Settings


def advance(
    state: MapState, bars: pd.DataFrame, *, step_ms: int | None = None, breaks: pd.DataFrame | None = None
) -> MapState:
    """The state after `bars`, in order of time; the old state stays as it was.

    `bars`: one row an instrument and bucket with instrument_id, venue, class, payoff, symbol, t [bucket end, ms UTC],
    native, base [coin], usd [USD], mark [USD a coin]; where known mark_high, mark_low, opened and closed [native,
    gross], funding [fraction per interval], funding_interval_h, covered_s, readings, volume, taker_buy,
    taker_sell [coin], liquidated_long and liquidated_short [USD]. All one-sided, all of one asset. `step_ms` is the
    length of a bar; None takes the usual distance between an instrument's bars, one minute where a single bar shows
    none. Give bars of different lengths in separate calls, and only bars that have ended. No bars: the same state.
    Unusable and late bars are counted in `rejected`.

    `breaks`: where a venue began to count otherwise, as `conventions.breaks` gives them (venue, symbol or "" for all,
    start [ms UTC], ratio). At the bar that holds such a step the book is scaled by what the instrument is of it:
    nothing was traded, what was observed stays so. Where the ratio is unknown it is a gap. Steps before the last bar of
    an instrument are past.

    A book without a bar is frozen. A bar more than two steps after its forerunner books its change as `gap_change`: the
    whole book is rescaled, no flow, no removal but of what the mark has visibly passed. Without volume there are no
    transfers.
    """
    if bars.empty:
        return state
    flows, heard, books, rejected = read(bars, state.books, state.ledger, step_ms, breaks)
    if not len(flows.t):
        return replace(state, rejected=state.rejected + rejected)
    ledger, cohorts = _enlarged(*copy(state), len(books) - len(state.books))
    born = list(state.born)
    facts = _facts(books, state)
    centre, first = state.centre, state.as_of is None
    for i in range(len(flows.t)):
        if state.policy in BY_AGE:
            aged(cohorts, born, int(flows.t[i]))
        centre = recentred(cohorts, centre, float(np.median(flows.mark[i, flows.heard[i]])), first)
        _step(ledger, cohorts, facts, flows, i, centre)
        first = False
    stated = np.bincount(heard.book, weights=heard.amount, minlength=len(books)).astype(np.float64)
    rescale(cohorts, stated, stated != ledger.amount, observed=True)  # flows add up to it but for rounding
    ledger.amount[...] = stated
    last = int(flows.t[-1])
    return replace(
        state,
        as_of=last if state.as_of is None else max(last, state.as_of),
        centre=centre,
        books=books,
        ledger=replace(
            ledger,
            instrument=heard.instrument,
            instrument_book=heard.book,
            instrument_amount=heard.amount,
            instrument_seen=heard.seen,
        ),
        cohorts=tuple(cohorts),
        born=tuple(born),
        rejected=state.rejected + rejected,
    )


def _facts(books: tuple[Book, ...], state: MapState) -> Facts:
    s, policy = state.settings, state.policy
    particles = Particles(*corners(s))
    own = [(book, state.terms.get(book.venue, Terms())) for book in books]
    return Facts(
        mixes=np.array([mix(book.venue_class, said.max_leverage, s) for book, said in own]),
        distances=np.array([distances(book.payoff, said) for book, said in own]),
        spread=np.array([spread(book.payoff, said) for book, said in own]),
        tiers=np.array([tier_spread(said) for _, said in own]),
        policy=policy,
        weights=hazards(particles.tau, s) if policy == "age_hazard" else np.ones((CLASSES + 1, len(particles))),
        particles=particles,
        settings=s,
    )


def _enlarged(ledger: Ledger, cohorts: list[Mass], by: int) -> tuple[Ledger, list[Mass]]:
    """Room for books heard for the first time."""
    if not by:
        return ledger, cohorts

    def more(array: np.ndarray) -> np.ndarray:
        return np.concatenate((array, np.zeros((by, *array.shape[1:]), array.dtype)))

    rows = {f.name: more(getattr(ledger, f.name)) for f in fields(Ledger) if not f.name.startswith("instrument")}
    room = nothing(by)
    return replace(ledger, **rows), [
        Mass(*(np.concatenate((getattr(mass, f.name), getattr(room, f.name))) for f in fields(Mass)))
        for mass in cohorts
    ]  # fmt: skip


def _step(ledger: Ledger, cohorts: Sequence[Mass], facts: Facts, flows: Flows, i: int, centre: int) -> None:
    """One bar of every book, in the order of the method: trade-through, closure, entry, rescale."""
    if flows.recount[i].any():
        ledger.amount[...] = np.maximum(ledger.amount + flows.recount[i], 0.0)
        rescale(cohorts, ledger.amount, flows.recount[i] != 0, observed=True)
    heard, joined = flows.heard[i], flows.joined[i]
    new, old = heard & (ledger.seen == 0), heard & (ledger.seen > 0)
    swept = np.zeros((len(heard), 2, len(facts.particles)))
    for b in np.flatnonzero(old):
        low, high = (flows.low[i, b], flows.high[i, b]) if joined[b] else (flows.mark[i, b], flows.mark[i, b])
        gone = np.sum([sweep(mass, int(b), low, high, centre, ledger.mark[b]) for mass in cohorts], axis=0)
        if joined[b]:  # what a gap hid is dead, but not known when: no liquidation of this bar
            swept[b] = gone
    opened, closed = flows.opened[i], flows.closed[i]
    spare = np.where(joined, np.maximum(np.nan_to_num(flows.volume[i] - np.abs(opened - closed)), 0.0), 0.0)
    s = facts.settings
    transfers = np.minimum(facts.particles.chi * spare[:, None], s.map_turnover_limit * ledger.amount[:, None])
    leaving = np.maximum(closed[:, None, None] - swept, 0.0) + transfers[:, None, :]
    match facts.policy:
        case "fifo":
            in_turn(cohorts[::-1], leaving)
        case "lifo":
            in_turn(cohorts, leaving)
        case _:
            close(cohorts[0], facts.weights, leaving)
    for mass in cohorts:
        fold(mass)
    width = np.where(opened + spare > 0, np.log(flows.high[i] / flows.low[i]) / 2, 0.0)
    leaning = flows.imbalance[i] + s.map_funding_tilt * np.tanh(_funding_z(ledger, flows.funding[i], flows.t[i]))
    entering = opened[:, None] + transfers
    youngest, oldest = cohorts[0], cohorts[-1]
    places = parts(facts, int(flows.t[i]), width)
    enter(youngest, entering, s.map_tilt * leaning, facts.mixes, places, facts.particles, flows.mark[i], width, centre)
    amount = np.maximum(ledger.amount + opened - closed, 0.0)
    rescale(cohorts, amount, old, observed=True)
    if flows.jumps[i].any():
        amount = np.maximum(amount + flows.jump[i], 0.0)
        rescale(cohorts, amount, old & (flows.jumps[i] > 0), observed=False)
    for b in map(int, np.flatnonzero(new)):
        mark = float(flows.mark[i, b])
        found(oldest, b, float(amount[b]), facts.mixes[b], facts.distances[b], facts.particles, mark, centre, s)
    _write(ledger, flows, i, amount, swept, new, s.map_funding_memory_days)


def parts(facts: Facts, t: int, width: Floats) -> Floats:
    """[B, 2, CLASSES, PARTS_A_BAR] distances of this bar's entries: other places of each rung's range from bar to bar,
    in golden steps, so that the entries of some hours fill it evenly.

    Where tiers spread more than a bar's own kernel of `width` [B, ln] does, the places stray by what is missing, in
    steps of a normal distribution: the kernel is as wide as the tiers over some bars, and no wider to compute.
    """
    rungs, minute = np.arange(CLASSES)[:, None], t // 60_000
    own = 5 * rungs + np.arange(PARTS_A_BAR) * (PARTS // PARTS_A_BAR)
    usual = facts.spread[:, :, rungs, (int(minute * GOLDEN % 1 * PARTS) + own) % PARTS]
    missing = np.sqrt(np.maximum(facts.tiers**2 - np.maximum(np.nan_to_num(width), STEP) ** 2, 0.0))
    strayed = usual + missing[:, None, None, None] * ASTRAY[(int(minute * SILVER % 1 * PARTS) + own) % PARTS]
    return np.where(strayed * usual > 0, strayed, usual)  # never beyond the entry


def _funding_z(ledger: Ledger, funding: Floats, t: int) -> Floats:
    """Own scales of the 8 h rate above its 30 d mean; 0 where it is unsaid or its history is younger than a day."""
    ready = (t - ledger.first >= FUNDING_READY_MS) & (ledger.funding_variance > 0) & ~np.isnan(funding)
    scale = np.sqrt(np.where(ready, ledger.funding_variance, 1.0))
    return np.where(ready, (np.nan_to_num(funding) - np.nan_to_num(ledger.funding_mean)) / scale, 0.0)


def _write(
    ledger: Ledger, flows: Flows, i: int, amount: Floats, swept: Floats, new: np.ndarray, memory_days: float
) -> None:
    """The numbers per book, after the step; funding's are remembered for so many days."""
    heard, t = flows.heard[i], int(flows.t[i])
    old = heard & ~new
    passed = np.where(old, t - ledger.seen, 0)
    ledger.amount[heard] = amount[heard]
    said = heard & ~np.isnan(flows.unit_usd[i])
    ledger.unit_usd[said] = flows.unit_usd[i, said]
    ledger.mark[heard] = flows.mark[i, heard]
    ledger.first[new] = t
    ledger.funding_mean[new] = np.nan  # unsaid yet
    told = heard & ~np.isnan(flows.funding[i])
    begins = told & np.isnan(ledger.funding_mean)
    ledger.funding_mean[begins] = flows.funding[i, begins]
    age = np.maximum(t - ledger.first, 1)
    pace = np.maximum(1 - np.exp(-passed / (memory_days * DAY_MS)), passed / age)  # a plain mean while it is young
    off = np.where(told, np.nan_to_num(flows.funding[i]) - np.nan_to_num(ledger.funding_mean), 0.0)
    pace = np.where(told, np.minimum(pace, 0.5), 0.0)
    ledger.funding_variance[...] = (1 - pace) * (ledger.funding_variance + pace * off**2)
    ledger.funding_mean[...] += pace * off
    swept_usd = swept.mean(axis=2).sum(axis=1) * ledger.unit_usd
    fade = np.exp(-passed / DAY_MS)
    fell = flows.closed[i] * ledger.unit_usd + flows.liquidated_usd[i]
    ledger.swept_usd[...] = ledger.swept_usd * fade + swept_usd
    ledger.explained_usd[...] = ledger.explained_usd * fade + np.where(swept_usd > 0, fell, 0.0)
    ledger.gap_changes[old] += flows.jumps[i, old]
    ledger.gap_change_usd[old] += flows.jump[i, old] * ledger.unit_usd[old]
    ledger.volume_bars[heard & ~np.isnan(flows.volume[i])] += 1
    ledger.seen[heard] = t
