"""A market whose truth is known: every position, at every minute (analytics.md, 8). Deterministic by seed.

Traders open and close, the mark moves by itself and by what it forces, positions die by their own margin. It knows
nothing of any model of it. Longs and shorts of a venue are equal in amount after every minute: whoever trades does so
with another trader, or with the venue's absorber, who is hedged and holds both sides without margin risk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.truth_people import PLACES, Arrivals, Habits, Place, arrivals
from simulator.truth_positions import DAY, LONG, SHORT, START_PRICE, Array, Positions, Whole, forced_price
from simulator.truth_price import price_shocks, reach
from simulator.truth_script import Scripted

SLOTS = 120_000
IMPACT = 8e-12  # of ln P a USD forced at once; half of it stays
REFILL = 4e-4  # a minute's share of what the hedged lack
RETURN = 0.5 / 45  # a minute's share of the way back


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every position at the start of a day, for the truth of a map."""

    minute: int
    side: Whole
    venue: Whole
    amount: Array  # the book's unit
    trigger: Array  # USD a coin


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened, minute by minute [T, V] unless said; row k is what stood at the end of minute k."""

    places: tuple[Place, ...]
    habits: Habits
    script: tuple[Scripted, ...]
    mark: Array  # [T] USD a coin; a venue's is this times its premium
    low: Array  # [T]
    high: Array  # [T]
    amount: Array  # one-sided open interest, the book's unit
    opened: Array
    closed: Array
    volume: Array  # the book's unit, each trade once
    bought: Array  # of it by takers
    funding: Array  # 8 h rate
    uneven: float  # largest |longs / shorts - 1| of any venue, summed anew every hour: rounding
    forced: Mapping[str, Array] = field(
        repr=False
    )  # minute, venue, side, amount, price, age [minutes] of forced closes
    snapshots: Sequence[Snapshot] = field(repr=False)


def run(seed: int, days: int, *, places: Sequence[Place] = PLACES, script: Sequence[Scripted] = (),
        before: int = 12) -> Truth:  # fmt: skip
    """`days` days of the market, after `before` days that nobody recorded and that filled it."""
    rng = np.random.default_rng([seed, 1])
    habits = Habits.drawn(rng)
    lead, minutes, width = before * DAY, (before + days) * DAY, len(places)
    shocks, sigma = price_shocks(rng, minutes, habits.volatility)
    for s in script:
        if s.shock:
            shocks[lead + s.start : lead + s.end] += s.shock / (s.end - s.start)
    come = arrivals(rng, minutes, tuple(places), habits)
    inverse = np.array([p.inverse for p in places])
    premium = np.array([p.premium for p in places])
    unit = np.where(inverse, START_PRICE, 1.0)
    target = np.array([p.coins for p in places]) * unit
    hedged = np.stack([target * (1 - habits.traders)] * 2)  # the absorber's longs and shorts
    flows = scripted(script, places, minutes, lead)
    book = Positions(SLOTS, width)
    out = {n: np.zeros((minutes, width)) for n in ("amount", "opened", "closed", "volume", "bought")}
    uneven = np.zeros(minutes // 60)
    path = np.zeros((3, minutes))
    deaths: list[tuple[npt.NDArray[Any], ...]] = []
    snapshots: list[Snapshot] = []
    noise = rng.random((minutes, 2))
    churn = rng.lognormal(np.log(2.5e-3), 0.6, (minutes, width))
    lean = rng.normal(0.5, 0.04, (minutes, width))
    log_price, pressure = np.log(START_PRICE), 0.0
    for t in range(minutes):
        if t >= lead and (t - lead) % DAY == 0:
            snapshots.append(snapshot(book, t - lead))
        back = pressure * RETURN
        move, pressure = shocks[t] + back, pressure - back
        low, high = reach(move, sigma[t], noise[t])
        low, high = np.exp(log_price + low), np.exp(log_price + high)
        log_price += move
        mark = float(np.exp(log_price))
        path[:, t] = mark, low, high
        value = np.where(inverse, 1.0, mark * premium)  # USD a unit

        gross = np.zeros((2, width))  # opened, closed
        traded, bought = np.zeros(width), np.zeros(width)
        forced_usd = 0.0
        dead = book.hit(low, high)
        for by_force in (True, False):
            gone = dead if by_force else book.leaving(t)
            if not len(gone):
                continue
            side, venue, amount = book.side[gone], book.venue[gone], book.amount[gone]
            sums = np.bincount(side * width + venue, amount, 2 * width).reshape(2, width)
            if by_force:
                forced_usd += float(((sums[SHORT] - sums[LONG]) * value).sum())
                price = book.trigger[gone] * premium[venue]
                deaths.append((np.full(len(gone), t), venue, side, amount, price, t - book.opened[gone]))
            book.remove(gone)
            ends = np.minimum(sums * habits.closes, 0.8 * hedged[::-1])  # the absorber closes its other side as well
            hedged += sums - ends  # or takes the position over
            hedged -= ends[::-1]
            gross[1] += ends.sum(axis=0)
            traded += sums.sum(axis=0)
            bought += sums[SHORT]
        amounts, buys = opened(book, come, t, mark, inverse, hedged, gross)
        traded += amounts
        bought += buys
        # hedged books are filled again, both sides at once, within some days
        filled = REFILL * (target * (1 - habits.traders) - hedged.min(axis=0))
        hedged += filled
        gross[0] += np.maximum(filled, 0)
        gross[1] += np.maximum(-filled, 0)
        if flows[t] is not None:
            wanted = flows[t] * (hedged[LONG] + book.total[LONG])
            wanted = np.maximum(wanted, -0.2 * hedged.min(axis=0))
            hedged += wanted
            gross[0] += np.maximum(wanted, 0)
            gross[1] += np.maximum(-wanted, 0)
            traded += np.abs(wanted)
            bought += np.abs(wanted) / 2
        impulse = IMPACT * forced_usd
        log_price += impulse  # what was forced moves the next minute's start
        path[0, t] = np.exp(log_price)
        path[1, t], path[2, t] = min(low, path[0, t]), max(high, path[0, t])
        pressure -= 0.5 * impulse
        if t >= lead:
            longs = hedged[LONG] + book.total[LONG]
            out["amount"][t] = longs
            if t % 60 == 0:
                true = hedged + book.held()
                uneven[t // 60] = float(np.abs(true[LONG] / true[SHORT] - 1).max())
            extra = churn[t] * longs
            out["volume"][t] = traded + extra
            out["bought"][t] = bought + extra * np.clip(lean[t], 0.2, 0.8)
            out["opened"][t], out["closed"][t] = gross
    every = [np.concatenate(column) for column in zip(*deaths, strict=True)] if deaths else [np.zeros(0)] * 6
    names = ("minute", "venue", "side", "amount", "price", "age")
    seen = every[0] >= lead
    forced = {n: (c[seen] - lead if n == "minute" else c[seen]) for n, c in zip(names, every, strict=True)}
    mood = np.convolve(shocks, np.ones(480) / 480, mode="full")[:minutes] / habits.volatility * 38
    funding = 1e-4 * (1 + np.clip(mood, -2, 4))[:, None] * np.ones(width)
    shown = {n: values[lead:] for n, values in out.items()}
    return Truth(
        tuple(places), habits, tuple(script), path[0, lead:], path[1, lead:], path[2, lead:], funding=funding[lead:],
        uneven=float(uneven.max()), forced=forced, snapshots=snapshots, **shown,
    )  # fmt: skip


def opened(book: Positions, come: Arrivals, t: int, mark: float, inverse: npt.NDArray[np.bool_], hedged: Array,
           gross: Array) -> tuple[Array, Array]:  # fmt: skip
    """Let this minute's traders in. (traded, bought by takers) per venue; `hedged`, `gross` are kept up."""
    width = hedged.shape[1]
    a, z = int(come.first[t]), int(come.first[t + 1])
    if a == z:
        return np.zeros(width), np.zeros(width)
    pair = come.paired[a:z]

    def both(own: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.concatenate((own[a:z], other[a:z][pair]))

    side, venue, amount = both(come.side, 1 - come.side), both(come.venue, come.venue), both(come.amount, come.amount)
    leverage = both(come.leverage, come.other_leverage)
    usd = amount * np.where(inverse[venue], 1.0, mark)
    trigger = forced_price(side, mark, usd, leverage, inverse[venue])
    until = t + both(come.holding, come.other_holding)
    book.add(side, venue, amount, mark, leverage, both(come.cross, come.cross), t, until, trigger)
    own = side[: z - a] * width + venue[: z - a]
    every = np.bincount(own, come.amount[a:z], 2 * width).reshape(2, width)
    alone = np.bincount(own[~pair], come.amount[a:z][~pair], 2 * width).reshape(2, width)
    sold = np.minimum(0.5 * alone, 0.4 * hedged)  # the absorber gives up what it holds of that side
    hedged -= sold
    hedged += (alone - sold)[::-1]
    gross[0] += (every - sold).sum(axis=0)
    return every.sum(axis=0), every[LONG]


def scripted(script: Sequence[Scripted], places: Sequence[Place], minutes: int, lead: int) -> list[Array | None]:
    """A minute's scripted change per venue, as a share of its open interest."""
    found: list[Array | None] = [None] * minutes
    for s in script:
        if s.moves:
            share = np.array([np.log1p(s.moves.get(p.venue, 0.0)) for p in places]) / (s.end - s.start)
            for t in range(lead + s.start, lead + s.end):
                other = found[t]
                found[t] = share if other is None else share + other
    return found


def snapshot(book: Positions, minute: int) -> Snapshot:
    some = book.amount > 0
    return Snapshot(minute, book.side[some], book.venue[some], book.amount[some], book.trigger[some])
