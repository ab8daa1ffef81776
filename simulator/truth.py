"""A market whose truth is known: every position, at every minute (analytics.md, 8). Deterministic by seed.

Traders open and close, the mark moves by itself and by what it forces, positions die by their own margin. It knows
nothing of any model of it. Longs and shorts of a venue are equal in amount after every minute: whoever trades does so
with another trader, or with the venue's absorber, who is hedged and holds both sides without margin risk.

Any moment of a market can be a fork: from there on the same traders with the same luck, but with an episode.
"""

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
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
SHOWN = ("amount", "opened", "closed", "volume", "bought")


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
    """What happened, minute by minute [T, V] unless said; row k is what stood at the end of minute `start` + k."""

    places: tuple[Place, ...]
    habits: Habits
    script: tuple[Scripted, ...]
    start: int  # minute of the first row; later than 0 only for a fork
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
    )  # minute (of the market), venue, side, amount, price, age [minutes] of forced closes
    snapshots: Sequence[Snapshot] = field(repr=False)


@dataclass(slots=True)
class Standing:
    """All that goes over from one minute to the next."""

    book: Positions
    hedged: Array  # [2, V] the absorber's longs and shorts
    log_price: float
    pressure: float  # of ln P, on its way back


class World:
    """What is drawn before the first minute, and what then comes of it. `forks` keeps the moments that were asked for.

    `days` days, after `before` days that nobody records and that fill the market.
    """

    def __init__(self, seed: int, days: int, places: Sequence[Place] = PLACES, before: int = 12,
                 habits: Habits | None = None) -> None:  # fmt: skip
        rng = np.random.default_rng([seed, 1])
        self.places = tuple(places)
        drawn = Habits.drawn(rng)
        self.habits = drawn if habits is None else habits
        self.lead, self.minutes = before * DAY, (before + days) * DAY
        self.shocks, self.sigma = price_shocks(rng, self.minutes, self.habits.volatility)
        self.come: Arrivals = arrivals(rng, self.minutes, self.places, self.habits)
        self.inverse = np.array([p.inverse for p in places])
        self.premium = np.array([p.premium for p in places])
        self.target = np.array([p.coins for p in places]) * np.where(self.inverse, START_PRICE, 1.0)
        self.noise = rng.random((self.minutes, 2))
        self.churn = rng.lognormal(np.log(2.5e-3), 0.6, (self.minutes, len(places)))
        self.lean = np.clip(rng.normal(0.5, 0.04, (self.minutes, len(places))), 0.2, 0.8)
        self.forks: dict[int, Standing] = {}

    def played(self, script: Sequence[Scripted] = (), keep: Collection[int] = ()) -> Truth:
        """The whole market; `keep`: minutes at whose start it may be forked later."""
        width = len(self.places)
        standing = Standing(
            Positions(SLOTS, width),
            np.stack([self.target * (1 - self.habits.traders)] * 2),
            float(np.log(START_PRICE)),
            0.0,
        )
        return self.run(standing, 0, self.minutes, script, frozenset(keep))

    def fork(self, minute: int, length: int, script: Sequence[Scripted]) -> Truth:
        """`length` minutes from one of the kept moments on, with another script. The market itself stays as it was."""
        first = self.lead + minute
        return self.run(deepcopy(self.forks[minute]), first, first + length, script)

    def run(self, standing: Standing, first: int, last: int, script: Sequence[Scripted],
            keep: frozenset[int] = frozenset()) -> Truth:  # fmt: skip
        """Minutes `first` to `last`, counted from the unrecorded start."""
        lead, width, n = self.lead, len(self.places), last - first
        shocks = self.shocks[first:last].copy()
        for s in script:
            if s.shock:
                shocks[lead + s.start - first : lead + s.end - first] += s.shock / (s.end - s.start)
        flows = scripted(script, self.places, n, lead - first)
        out = {name: np.zeros((n, width)) for name in SHOWN}
        uneven, path = np.zeros(n // 60 + 1), np.zeros((3, n))
        deaths: list[tuple[npt.NDArray[Any], ...]] = []
        snapshots: list[Snapshot] = []
        for t in range(first, last):
            k, minute = t - first, t - lead
            if minute >= 0 and minute % DAY == 0:
                snapshots.append(snapshot(standing.book, minute))
            if minute in keep:
                self.forks[minute] = deepcopy(standing)
            path[:, k], gross, traded, bought = self.minute(standing, t, float(shocks[k]), flows[k], deaths)
            longs = standing.hedged[LONG] + standing.book.total[LONG]
            if k % 60 == 0:
                true = standing.hedged + standing.book.held()
                uneven[k // 60] = float(np.abs(true[LONG] / true[SHORT] - 1).max())
            extra = self.churn[t] * longs
            out["amount"][k], out["volume"][k] = longs, traded + extra
            out["bought"][k] = bought + extra * self.lean[t]
            out["opened"][k], out["closed"][k] = gross
        return self.told(first, script, out, path, float(uneven.max()), deaths, snapshots)

    def told(self, first: int, script: Sequence[Scripted], out: Mapping[str, Array], path: Array, uneven: float,
             deaths: Sequence[tuple[npt.NDArray[Any], ...]], snapshots: Sequence[Snapshot]) -> Truth:  # fmt: skip
        """What was recorded, from the first recorded minute on."""
        lead = self.lead
        cut = max(lead - first, 0)
        names = ("minute", "venue", "side", "amount", "price", "age")
        every = [np.concatenate(column) for column in zip(*deaths, strict=True)] if deaths else [np.zeros(0)] * 6
        seen = every[0] >= lead
        forced = {n: (c[seen] - lead if n == "minute" else c[seen]) for n, c in zip(names, every, strict=True)}
        mood = np.convolve(self.shocks, np.ones(480) / 480, mode="full") / self.habits.volatility * 38
        rate = 1e-4 * (1 + np.clip(mood[first + cut : first + path.shape[1]], -2, 4))
        shown = {n: values[cut:] for n, values in out.items()}
        return Truth(
            self.places, self.habits, tuple(script), max(first - lead, 0), path[0, cut:], path[1, cut:], path[2, cut:],
            funding=rate[:, None] * np.ones(len(self.places)), uneven=uneven, forced=forced, snapshots=snapshots,
            **shown,
        )  # fmt: skip

    def minute(self, now: Standing, t: int, shock: float, flow: Array | None,
               deaths: list[tuple[npt.NDArray[Any], ...]]) -> tuple[Array, Array, Array, Array]:  # fmt: skip
        """One minute on. (mark, low, high), [opened, closed], traded, bought by takers; `deaths` grows."""
        book, hedged, habits, width = now.book, now.hedged, self.habits, len(self.places)
        back = now.pressure * RETURN
        move = shock + back
        now.pressure -= back
        low, high = reach(move, float(self.sigma[t]), self.noise[t])
        low, high = float(np.exp(now.log_price + low)), float(np.exp(now.log_price + high))
        now.log_price += move
        mark = float(np.exp(now.log_price))
        value = np.where(self.inverse, 1.0, mark * self.premium)  # USD a unit
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
                price = book.trigger[gone] * self.premium[venue]
                deaths.append((np.full(len(gone), t), venue, side, amount, price, t - book.opened[gone]))
            book.remove(gone)
            ends = np.minimum(sums * habits.closes, 0.8 * hedged[::-1])  # the absorber closes its other side as well
            hedged += sums - ends  # or takes the position over
            hedged -= ends[::-1]
            gross[1] += ends.sum(axis=0)
            traded += sums.sum(axis=0)
            bought += sums[SHORT]
        self.enter(now, t, mark, gross)
        traded += self.come.came[t].sum(axis=0)
        bought += self.come.came[t, LONG]
        # hedged books are filled again, both sides at once, within some days
        filled = REFILL * (self.target * (1 - habits.traders) - hedged.min(axis=0))
        hedged += filled
        gross += np.maximum((filled, -filled), 0)
        if flow is not None:
            longs = hedged[LONG] + book.total[LONG]
            came, went = np.maximum(flow, 0), np.maximum(-flow, 0)
            book.thin(went)  # of those who leave on purpose there are all kinds
            hedged *= 1 - went
            hedged += came * longs
            gross += np.stack((came, went)) * longs
            traded += np.abs(flow) * longs
            bought += np.abs(flow) * longs / 2
        impulse = IMPACT * forced_usd
        now.log_price += impulse  # what was forced moves the next minute's start
        now.pressure -= 0.5 * impulse
        end = float(np.exp(now.log_price))
        return np.array([end, min(low, end), max(high, end)]), gross, traded, bought

    def enter(self, now: Standing, t: int, mark: float, gross: Array) -> None:
        """Let this minute's traders in; the absorber gives up what it holds of a side, or takes the other one."""
        come = self.come
        a, z = int(come.first[t]), int(come.first[t + 1])
        if a == z:
            return
        side, venue, amount, leverage = come.side[a:z], come.venue[a:z], come.amount[a:z], come.leverage[a:z]
        inverse = self.inverse[venue]
        usd = amount * np.where(inverse, 1.0, mark)
        trigger = forced_price(side, mark, usd, leverage, inverse)
        now.book.add(side, venue, amount, mark, leverage, come.cross[a:z], t, t + come.holding[a:z], trigger)
        alone = come.alone[t]
        sold = np.minimum(0.5 * alone, 0.4 * now.hedged)
        now.hedged -= sold
        now.hedged += (alone - sold)[::-1]
        gross[0] += (come.came[t] - sold).sum(axis=0)


def run(seed: int, days: int, *, places: Sequence[Place] = PLACES, script: Sequence[Scripted] = (),
        before: int = 12) -> Truth:  # fmt: skip
    """`days` days of the market, after `before` days that nobody recorded and that filled it."""
    return World(seed, days, places, before).played(script)


def scripted(script: Sequence[Scripted], places: Sequence[Place], minutes: int, offset: int) -> list[Array | None]:
    """A minute's scripted change per venue, as a share of its open interest; a script's minute 0 is row `offset`."""
    found: list[Array | None] = [None] * minutes
    for s in script:
        if s.moves:
            share = np.array([np.log1p(s.moves.get(p.venue, 0.0)) for p in places]) / (s.end - s.start)
            for t in range(offset + s.start, offset + s.end):
                other = found[t]
                found[t] = share if other is None else share + other
    return found


def snapshot(book: Positions, minute: int) -> Snapshot:
    some = book.amount > 0
    return Snapshot(minute, book.side[some], book.venue[some], book.amount[some], book.trigger[some])
