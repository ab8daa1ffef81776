"""No number from nowhere: what any reader says of a damaged frame stands in it, or follows from it as declared.

Numbers of places that change nothing (codes, counters) excuse none: a nought that is told must stand where it is read.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.connection import UNREADABLE
from collectors.public import Dealt, Held
from collectors.venue import Liquidated, Ratio, Remembering, Tier, Traded, Update
from store.records import Instrument
from tests.fuzzing import (
    IDS,
    MISSING,
    Heard,
    Place,
    Spoilt,
    amount,
    amounts,
    changed,
    closed,
    heard,
    inside,
    opened_up,
    spoil,
    tried,
)  # fmt: skip

Stated = tuple[str, float]
NUMBERS: dict[type, tuple[str, ...]] = {
    Update: ("oi", "mark", "index", "funding", "funding_interval_h", "usd"),
    Liquidated: ("size", "price"),
    Traded: ("volume", "taker_buy", "price"),
    Ratio: ("ratio",),
    Tier: ("lower", "upper", "maintenance", "max_leverage", "deduction"),
    Held: ("size", "entry", "liquidation_price", "leverage"),
    Dealt: ("size", "price"),
    Instrument: ("contract_size", "max_leverage", "funding_interval_h"),
}
ALWAYS: set[Stated] = {("funding_interval_h", 1.0), ("funding_interval_h", 8.0), ("contract_size", 1.0), ("lower", 0.0)}
"""What a venue's documents say once for all, and no frame repeats."""
OF_VENUES: dict[str, set[Stated]] = {
    "cme": {("contract_size", size) for size in (0.1, 5.0, 50.0)},  # of the exchange's own products
    "kraken": {("funding", 0.0)},  # documented: a rate of nought is left out
}
SCALES: dict[str, tuple[float, ...]] = {
    "funding": (1e2, 1e8), "mark": (1e4,), "index": (1e4,), "price": (1e4,), "maintenance": (1e2, 1e4, 1e8),
    "contract_size": (1e6, 1e8), "funding_interval_h": (60.0, 3600.0, 3_600_000.0),
}  # fmt: skip
"""What divides a number as published."""
LEVERS: dict[str, tuple[float, ...]] = {"max_leverage": (1.0, 1e4, 1e8), "maintenance": (0.5,), "contract_size": (1.0,)}
"""What is divided by a number as published: a margin says the leverage, and half of it is to be kept."""
PAIRS: dict[str, Callable[[float, float], float]] = {
    "ratio": lambda a, b: a / b,
    "taker_buy": lambda a, b: a - b,
    "contract_size": lambda a, b: a * b,
    "funding_interval_h": lambda a, b: (a - b) / 3_600_000,
}
EPOCH_S = 946_684_800  # 2000-01-01: an interval may be written as a time since then
MANY = 200
STEPS = 60  # of a ladder that is told by its rule: the first step, and what each adds


def stated(words: Iterable[Any]) -> Iterator[Stated]:
    """Every number that words state: (what, how much). Of a contract that is not collected nothing matters."""
    for word in words:
        if isinstance(word, Instrument) and not word.live:
            continue
        for name in NUMBERS.get(type(word), ()):
            if (value := getattr(word, name)) is not None:
                yield name, value


def near(a: float, b: float) -> bool:
    return a == b or (a != a and b != b) or math.isclose(abs(a), abs(b), rel_tol=1e-9)


def follows(name: str, value: float, published: Sequence[float]) -> bool:
    """Whether a number is one of those published, or made of them in a declared way. Of very many nobody can tell."""
    return len(published) > MANY or any(near(value, made) for made in derived(name, published))


def derived(name: str, published: Sequence[float]) -> Iterator[float]:
    yield from published
    if name == "funding_interval_h":
        yield from ((a - EPOCH_S) / 3600 for a in published)
    for a in published:
        yield from (a / scale for scale in SCALES.get(name, ()))
        yield from (lever / a for lever in LEVERS.get(name, ()) if a)
    for a, b in permutations(published, 2):
        try:
            if name in PAIRS:
                yield PAIRS[name](a, b)
            if name == "contract_size":
                yield a / b
            if name in ("volume", "taker_buy"):
                yield a + b
        except (ZeroDivisionError, OverflowError):
            continue
        if name in ("upper", "lower", "maintenance", "max_leverage"):
            for n in range(1, STEPS):
                yield a + n * b
                if name == "max_leverage" and a + n * b:
                    yield 1 / (a + n * b)
    if name in ("volume", "taker_buy"):
        yield from (a + b + c for a, b, c in combinations(published, 3))
    if name == "deduction":
        for lower, before, after in permutations(published, 3):
            if before and after:
                step = lower * (0.5 / after - 0.5 / before)
                yield step
                yield from (first * 0.5 / before + step for first in published)


ROW = -1  # any
ROWS = 12  # of a kind of place, in which to look whether it is read
Pattern = tuple[str | int, ...]


def pattern(frame: Any, place: Place) -> Pattern:
    """A place without the numbers of rows: what is true of one row is of all. A list in an object is a column."""
    found: list[str | int] = []
    for key in place:
        column = bool(found) and isinstance(found[-1], str)
        row = isinstance(key, int) and (column or isinstance(frame[key], list | dict))
        found.append(ROW if row else key)
        frame = frame[key]
    return tuple(found)


@cache
def sources(feed: Heard, frame: bytes) -> frozenset[Pattern]:
    """Where the numbers stand that change what is said."""
    said, whole, found, looked = list(stated(feed.read(frame))), opened_up(frame), set[Pattern](), Counter[Pattern]()
    for place in every(whole):
        old = inside(whole, place)
        much = 0.0 if old is None or old == "" else amount(old)
        if much is None or (kind := pattern(whole, place)) in found or looked[kind] == ROWS:
            continue
        looked[kind] += 1
        new = int(much) * 2 + 3 if isinstance(old, int) else much * 1.37 + 3
        spoilt = changed(opened_up(frame), place, str(new) if isinstance(old, str) else new)
        try:
            if list(stated(feed.read(closed(frame, spoilt)))) != said:
                found.add(kind)
        except UNREADABLE:
            found.add(kind)
    return frozenset(found)


def published(feed: Heard, frame: bytes, spoilt: Any, where: Place) -> list[float]:
    """The numbers of a damaged frame that stand where numbers are read, each at most twice.

    Where a number was taken out its neighbours may be read instead (a field by its older name), but no nought of them.
    """
    read = sources(feed, frame)
    found = [(p, much) for p in every(spoilt) if (much := amount(inside(spoilt, p))) is not None]
    near = (much for p, much in found if much and where and p[:-1] == where[:-1])
    return twice((*(much for p, much in found if pattern(spoilt, p) in read), *near))


def twice(numbers: Iterable[float]) -> list[float]:
    return [much for much, times in Counter(numbers).items() for _ in range(min(times, 2))]


def every(value: Any, at: Place = ()) -> Iterator[Place]:
    """Where all leaves are."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from every(inner, (*at, key))
    elif at:
        yield at


def remembers(feed: Heard) -> bool:
    return isinstance(getattr(feed.spec, "parse", None), Remembering)


@cache
def remembered(feed: Heard) -> frozenset[Stated]:
    """What a reader with a memory has heard before: minutes that a frame may end."""
    if not remembers(feed):
        return frozenset()
    told = (one for frame in feed.frames for one in stated(feed.read(frame)))
    nobody: Stated = ("taker_buy", 0.0)  # bought in a minute of sales
    return frozenset((nobody, *(one for one in told if one[0] in ("volume", "taker_buy", "price"))))


@pytest.mark.parametrize("id", IDS)
def test_what_is_told_of_a_whole_frame_stands_in_it(id: str) -> None:
    for feed in heard(id):
        for frame in feed.frames:
            invented(id, feed, frame, Spoilt(opened_up(frame), "whole"))


@pytest.mark.parametrize("id", IDS)
def test_every_number_that_is_read_may_be_empty_and_is_none_then(id: str) -> None:
    """The last of its kind: of columns and lists the newest, or the oldest."""
    for feed in heard(id):
        for frame in feed.frames:
            whole, read = opened_up(frame), sources(feed, frame)
            for place in {kind: p for p in every(whole) if (kind := pattern(whole, p)) in read}.values():
                for new in (MISSING, None, "", "null", True, False):
                    spoilt = Spoilt(changed(opened_up(frame), place, new), f"{place} as {new!r}", place)
                    invented(id, feed, frame, spoilt)


@pytest.mark.parametrize("id", IDS)
@tried(25)
@given(data=st.data())
def test_what_is_told_of_a_damaged_frame_stands_in_it(id: str, data: st.DataObject) -> None:
    for feed in heard(id):
        frame = data.draw(st.sampled_from(feed.frames))
        invented(id, feed, frame, spoil(data.draw, opened_up(frame)))


def invented(id: str, feed: Heard, frame: bytes, spoilt: Spoilt) -> None:
    """Fails on a number from nowhere, and on any error that no caller expects."""
    try:
        said = feed.read(closed(frame, spoilt.value))
    except UNREADABLE:
        return
    known = ALWAYS | OF_VENUES.get(id, set())
    numbers: list[float] | None = None
    for word in said:
        assert type(getattr(word, "ts", None)) in (int, type(None)), f"{feed.name}: {spoilt.how}: {word}"
    for name, much in stated(said):
        if (name, much) in known or (name, much) in remembered(feed):
            continue
        if numbers is None:
            anywhere = spoilt.shifted or remembers(feed)  # which may now tell what it kept to itself before
            numbers = twice(amounts(spoilt.value)) if anywhere else published(feed, frame, spoilt.value, spoilt.place)
        assert follows(name, much, numbers), f"{feed.name}: {spoilt.how}: {name} {much!r} of {numbers[:40]}"
