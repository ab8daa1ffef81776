"""Ladders that tell the upper bound of each step alone."""

from collectors.ladders import ladder
from collectors.venue import Tier
from store.records import Unit


def test_each_step_begins_where_the_one_below_it_ends() -> None:
    steps = [(300.0, 0.02, "25", "1.5"), (100.0, 0.005, "100", "")]
    assert ladder(Unit.BASE, steps, "X") == [
        Tier("X", 1, 0.0, 100.0, Unit.BASE, 0.005, 100.0, None),
        Tier("X", 2, 100.0, 300.0, Unit.BASE, 0.02, 25.0, 1.5),
    ]


def test_no_steps_are_no_ladder() -> None:
    assert ladder(Unit.USD, []) == []
