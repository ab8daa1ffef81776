"""Which levels of a file are believed (analytics.md 1.3, checks 3 and 4): each is held against the rows beside it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collectors.imports.book import Target
from collectors.trail import Refusal, Row, Trail

Key = tuple[Any, ...]  # a table, and the key in it
Waiting = tuple[tuple[int, ...], Key]  # the lines of a row, and what it says
Told = tuple[Sequence[Row[Waiting]], Sequence[Refusal[Waiting]]]
"""What passes now, and what is refused."""

APART_MS, APART_STEPS = 86_400_000, 10  # rows further apart, by both, are no neighbours
NOT_LASTING = "and fewer than three rows in a row say so"
REASONS: Mapping[str, str] = {
    "not_finite": "open interest is not a finite number",
    "not_positive": "open interest is not above zero",
    "magnitude": f"open interest is out of all proportion to the rows beside it, {NOT_LASTING}",
    "jump": f"open interest is too far from the rows beside it, {NOT_LASTING}",
    "unit_or_convention_change": f"open interest steps as if counted in another unit, {NOT_LASTING}",
}


class Doubts:
    """Owns a trail for each instrument of a file."""

    def __init__(self) -> None:
        self.trails: dict[int, Trail[Waiting]] = {}
        self.reached: dict[int, int] = {}  # where each is, ms UTC

    def judge(self, target: Target, lines: tuple[int, ...], key: Key) -> Iterator[Told] | None:
        """None where a level passes and nothing waits for it: nearly always."""
        id, ts = key[1], key[3]
        trail = self.trails.get(id)
        near = abs(ts - self.reached.get(id, ts)) <= max(APART_MS, APART_STEPS * 1000 * target.resolution_s)
        self.reached[id] = ts
        amount = key[4] * target.factor
        if trail is not None and near and trail.usual(amount):
            return None
        return self.doubt(target, trail, near, amount, (lines, key))

    def doubt(
        self, target: Target, trail: Trail[Waiting] | None, near: bool, amount: float, row: Waiting
    ) -> Iterator[Told]:
        if trail is not None and not near:  # or in no order
            yield trail.end()
        if trail is None or not near:
            trail = self.trails[row[1][1]] = Trail(target.instrument.contract_size, target.resolution_s)
        yield trail.judge(amount, row)

    def end(self) -> Iterator[Told]:
        """The file has ended."""
        for trail in self.trails.values():
            yield trail.end()
