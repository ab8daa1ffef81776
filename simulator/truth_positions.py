"""Positions of the market with known truth: what one holds, where it is closed by force, and when its owner leaves.

Amounts are in the unit of the venue's book, which only trades change: coins where linear, USD where inverse.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

LONG, SHORT = 0, 1
DAY = 1440  # minutes
START_PRICE = 90_000.0  # USD a coin
TIERS = ((0.0, 0.004), (2e6, 0.005), (1e7, 0.0065), (5e7, 0.01))  # lower bound [USD], maintenance rate
FEE = 5e-4  # of notional, taken with the forced close


def deductions() -> Array:
    """a_0 = 0, a_k = a_(k-1) + lower_k (r_k - r_(k-1)): maintenance is continuous over tiers [USD]."""
    found = [0.0]
    for (_, before), (lower, rate) in pairwise(TIERS):
        found.append(found[-1] + lower * (rate - before))
    return np.array(found)


LOWER = np.array([bound for bound, _ in TIERS])[:, None]
UPPER = np.append(LOWER[1:], [[np.inf]], axis=0)
RATES = np.array([rate for _, rate in TIERS])[:, None] + FEE
CUTS = deductions()[:, None]


def forced_price(side: Whole, entry: float, usd: Array, leverage: Array, inverse: npt.NDArray[np.bool_]) -> Array:
    """The mark that closes positions by force (analytics.md, 6.4), by the tier that holds their notional there.

    `usd`: notional at entry [USD a coin]. No price closes a short of an inverse contract with leverage 1: infinity.
    """
    sign = 1.0 - 2.0 * side
    margin = sign / leverage
    price = entry * (1 - margin - sign * CUTS / usd) / (1 - sign * RATES)  # [tier, position]
    held = usd * price / entry
    if inverse.any():
        below = (1 + margin) / entry
        coined = np.where(below > 1e-15, 1 / np.maximum(below, 1e-15), np.inf)
        price = np.where(inverse, coined * (1 + sign * RATES), price)
        held = np.where(inverse, usd, held)
    ours = (held >= LOWER) & (held < UPPER)
    tier = np.where(ours.any(axis=0), ours.argmax(axis=0), len(TIERS) - 1)
    return price[tier, np.arange(len(usd))]


class Positions:
    """All positions, in slots; a free slot holds nothing. Knows who leaves when, and what the mark has reached."""

    def __init__(self, slots: int, venues: int) -> None:
        self.side = np.zeros(slots, np.int64)
        self.venue = np.zeros(slots, np.int64)
        self.amount = np.zeros(slots)  # the book's unit
        self.entry = np.zeros(slots)  # USD a coin
        self.leverage = np.ones(slots)  # effective
        self.cross = np.zeros(slots, np.bool_)  # margin mode
        self.opened = np.zeros(slots, np.int64)  # minute
        self.until = np.zeros(slots, np.int64)  # minute in which the owner leaves
        self.trigger = np.full(slots, np.nan)  # USD a coin
        self.total = np.zeros((2, venues))  # by side and venue, kept up with every change
        self._free = list(range(slots - 1, -1, -1))
        self._due = dict[int, list[int]]()
        self._nearest = [-np.inf, np.inf]  # no long dies above, no short below

    def add(self, side: Whole, venue: Whole, amount: Array, entry: float, leverage: Array,
            cross: npt.NDArray[np.bool_], now: int, until: Whole, trigger: Array) -> None:  # fmt: skip
        if len(self._free) < len(venue):
            self.grow()
        at = np.array([self._free.pop() for _ in range(len(venue))], np.int64)
        self.side[at], self.venue[at], self.amount[at], self.entry[at] = side, venue, amount, entry
        self.leverage[at], self.cross[at], self.opened[at] = leverage, cross, now
        self.until[at], self.trigger[at] = until, trigger
        np.add.at(self.total, (side, venue), amount)
        for slot, minute in zip(at.tolist(), until.tolist(), strict=True):
            self._due.setdefault(minute, []).append(slot)
        if (longs := trigger[side == LONG]).size:
            self._nearest[LONG] = max(self._nearest[LONG], float(longs.max()))
        if (shorts := trigger[side == SHORT]).size:
            self._nearest[SHORT] = min(self._nearest[SHORT], float(shorts.min()))

    def grow(self) -> None:
        """Twice as many slots: some habits make a market of many small positions."""
        n = len(self.side)
        none = np.zeros(n, np.int64)
        self.side, self.venue = np.append(self.side, none), np.append(self.venue, none)
        self.opened, self.until = np.append(self.opened, none), np.append(self.until, none)
        self.amount, self.entry = np.append(self.amount, np.zeros(n)), np.append(self.entry, np.zeros(n))
        self.leverage, self.cross = np.append(self.leverage, np.ones(n)), np.append(self.cross, np.zeros(n, np.bool_))
        self.trigger = np.append(self.trigger, np.full(n, np.nan))
        self._free[:0] = range(2 * n - 1, n - 1, -1)

    def remove(self, at: Whole) -> None:
        np.subtract.at(self.total, (self.side[at], self.venue[at]), self.amount[at])
        self.amount[at], self.trigger[at] = 0.0, np.nan
        self._free.extend(at.tolist())

    def thin(self, share: Array) -> None:
        """Everyone of a venue closes this `share` [V] of what is held there."""
        some = share > 0
        if some.any():
            self.amount *= (1 - share)[self.venue]
            self.total *= 1 - share

    def leaving(self, now: int) -> Whole:
        """Slots whose owner leaves in this minute; those that died before, or were filled anew, do not count."""
        slots = np.unique(np.array(self._due.pop(now, []), np.int64))
        return slots[(self.amount[slots] > 0) & (self.until[slots] == now)]

    def hit(self, low: float, high: float) -> Whole:
        """Slots whose trigger the mark went through."""
        found = [np.zeros(0, np.int64)]
        if low <= self._nearest[LONG]:
            found.append(np.flatnonzero((self.side == LONG) & (self.trigger >= low)))
            alive = self.trigger[(self.side == LONG) & (self.trigger < low)]
            self._nearest[LONG] = float(alive.max()) if alive.size else -np.inf
        if high >= self._nearest[SHORT]:
            found.append(np.flatnonzero((self.side == SHORT) & (self.trigger <= high)))
            alive = self.trigger[(self.side == SHORT) & (self.trigger > high)]
            self._nearest[SHORT] = float(alive.min()) if alive.size else np.inf
        return np.concatenate(found)

    def held(self) -> Array:
        """[2, V] summed anew from every position: what `total` must be."""
        flat = np.bincount(self.side * self.total.shape[1] + self.venue, self.amount, self.total.size)
        return flat.astype(np.float64).reshape(self.total.shape)
