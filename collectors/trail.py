"""Integrity of what was published in the past (analytics.md 1.3, checks 3 and 4), row after row in time's order. Pure.

As with live readings, a step of more than 20 % waits until three rows agree; of rows that are more than an hour apart,
one by a factor of three. What is believed first is only known by what follows it, so the first rows wait, too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from collectors.checks import JUMP, MAGNITUDE, NEEDED, named, no_amount

FAR_S = 3600.0
FAR_JUMP = math.log(3.0)
T = TypeVar("T")
Row = tuple[float, T]
"""A one-sided native amount, and whatever it belongs to."""


@dataclass(frozen=True, slots=True)
class Refusal(Generic[T]):
    row: T
    check: str
    words: str


class Trail(Generic[T]):
    """Owns the level of one instrument while its past is read."""

    __slots__ = ("agreed", "contract_size", "doubtful", "drop", "early", "held", "jump", "last", "rise")

    def __init__(self, contract_size: float = 1.0, step_s: float = 0.0) -> None:
        self.contract_size = contract_size
        self.jump = FAR_JUMP if step_s > FAR_S else JUMP
        self.rise, self.drop = math.exp(self.jump), math.exp(-self.jump)
        self.last = math.nan  # of the last row that passed
        self.agreed = 0  # rows that did; of NEEDED it is a level
        self.early: list[Row[T]] = []  # they passed before that, and wait
        self.doubtful: list[Row[T]] = []  # early ones that a level contradicts; what came before them may not
        self.held: list[Row[T]] = []  # at a new level, not yet believed

    def usual(self, amount: float) -> bool:
        """Whether a row passes by one comparison, and nothing waits for it."""
        if self.agreed >= NEEDED and not self.held and self.last * self.drop < amount < self.last * self.rise:
            self.last = amount
            return True
        return False

    def judge(self, amount: float, row: T) -> tuple[Sequence[Row[T]], Sequence[Refusal[T]]]:
        """What passes now, and what is refused, in time's order each."""
        if (wrong := no_amount(amount)) is not None:
            return (), [Refusal(row, *wrong)]
        if math.isnan(self.last) or abs(math.log(amount / self.last)) <= self.jump:
            refused = self.give_up()
            self.last = amount
            self.agreed += 1
            self.early.append((amount, row))
            if self.agreed < NEEDED:
                return (), refused
            passed, self.early = self.early, []
            return passed, refused
        refused = self.give_up() if self.held and abs(math.log(amount / self.held[0][0])) > self.jump else []
        self.held.append((amount, row))
        if len(self.held) < NEEDED:
            return (), refused
        self.doubtful, self.early = self.doubtful + self.early, []
        self.last, self.agreed = amount, NEEDED
        passed, self.held = self.held, []
        return passed, refused

    def give_up(self) -> list[Refusal[T]]:
        """What was held did not last."""
        given_up, self.held = [self.contradicted(amount, row) for amount, row in self.held], []
        return given_up

    def contradicted(self, amount: float, row: T) -> Refusal[T]:
        ratio = amount / self.last
        check = named(ratio, not near(ratio), self.contract_size)
        return Refusal(row, check, f"{ratio:.4g} times its neighbours, and fewer than {NEEDED} rows in a row say so")

    def end(self) -> tuple[Sequence[Row[T]], Sequence[Refusal[T]]]:
        """Nothing follows. Of rows too few for a level, all are taken that are not out of all proportion."""
        passed, self.early = self.early, []
        if self.agreed < NEEDED:
            kept = [row for row in self.held if near(row[0] / self.last)]
            passed, self.held = passed + kept, [row for row in self.held if row not in kept]
        refused = [self.contradicted(amount, row) for amount, row in self.doubtful] + self.give_up()
        self.doubtful = []
        return passed, refused


def near(ratio: float) -> bool:
    """Whether an amount is in some proportion to its neighbours."""
    return 1 / MAGNITUDE <= ratio <= MAGNITUDE
