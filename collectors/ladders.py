"""Leverage ladders as most venues list them: step by step, each with its upper bound alone. Pure."""

from collections.abc import Iterable, Sequence

from collectors.venue import Tier
from collectors.wire import Number, number
from store.records import Unit

Step = tuple[float, float, Number, Number]
"""Upper bound, maintenance rate, highest leverage, deduction."""


def ladder(unit: Unit, steps: Iterable[Step], symbol: str = "") -> Sequence[Tier]:
    """The steps in order of their bounds; each begins where the one below it ends, and the first at zero."""
    ordered = sorted(steps, key=lambda step: step[0])
    lowers = (0.0, *(step[0] for step in ordered))
    return [
        Tier(symbol, n, lower, upper, unit, rate, number(leverage), number(deduction))
        for n, (lower, (upper, rate, leverage, deduction)) in enumerate(zip(lowers, ordered, strict=False), 1)
    ]
