"""Rows of the past, in time's order: three that agree are a level, and what fewer say against one is refused."""

import math

import pytest

from collectors.trail import Trail


def read(*amounts: float) -> tuple[list[float], list[tuple[float, str]]]:
    """What passes, and what is refused with which check."""
    trail, passed, refused = Trail[float](), list[float](), list[tuple[float, str]]()
    for amount in amounts:
        if trail.usual(amount):
            passed.append(amount)
            continue
        good, bad = trail.judge(amount, amount)
        passed += [row for _, row in good]
        refused += [(one.row, one.check) for one in bad]
    good, bad = trail.end()
    return [*passed, *(row for _, row in good)], [*refused, *((one.row, one.check) for one in bad)]


@pytest.mark.parametrize(
    ("amounts", "wrong"),
    [
        ((100, 101, 99, 100), []),
        ((100, 101, 99, 150, 100, 101), [(150, "jump")]),
        ((100, 101, 99, 200, 200, 100, 101), [(200, "unit_or_convention_change")] * 2),
        ((103, 101, 99, 200, 200, 200, 200, 100), [(100, "unit_or_convention_change")]),  # the step lasts: it is data
        ((1e9, 100, 101, 99), [(1e9, "magnitude")]),  # what comes first is not believed for that
        ((1e9, 1e9, 100, 101, 99), [(1e9, "magnitude")] * 2),
        ((100, 101, 99, 1e9), [(1e9, "magnitude")]),
        ((100, 0, 101, math.nan, 99, -1), [(0, "not_positive"), (math.nan, "not_finite"), (-1, "not_positive")]),
        ((100, 50), []),  # nobody knows which, nor whether it lasts
        ((100, 1e9), [(1e9, "magnitude")]),
        ((100, 90), []),
        ((), []),
    ],
)
def test_a_step_is_data_when_it_lasts(amounts: tuple[float, ...], wrong: list[tuple[float, str]]) -> None:
    passed, refused = read(*amounts)
    assert repr(refused) == repr(wrong)
    bad = [row for row, _ in wrong]
    assert sorted(passed) == sorted(a for a in amounts if repr(a) not in map(repr, bad))


def test_rows_far_apart_may_differ_by_more() -> None:
    week = Trail[int](step_s=604_800.0)
    for place, amount in enumerate((100.0, 140.0, 99.0, 140.0)):
        week.judge(amount, place)
    assert (week.agreed, week.held) == (4, [])
    assert [one.row for amount, row in ((1000.0, 4), (100.0, 5)) for one in week.judge(amount, row)[1]] == [4]


def test_what_passes_keeps_its_order() -> None:
    assert read(100, 150, 101, 99, 140, 141, 142, 143)[0] == [100, 101, 99, 140, 141, 142, 143]
