"""Every venue's readers on frames that are cut, damaged or made up: the documented errors only, and no value invented.

The frames are those of the venues' scripts, so a new venue is fuzzed without a line of test code.
"""

import gzip
import json
import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.connection import UNREADABLE
from collectors.venue import Liquidated, Traded, Update
from collectors.venues import VENUES
from tests.fuzzing import (
    GZIP,
    IDS,
    MISSING,
    TIMES,
    Heard,
    amounts,
    changed,
    closed,
    heard,
    opened_up,
    places,
    sampled,
    tried,
)  # fmt: skip

EACH = 40 * TIMES  # damaged copies of one frame
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
STATED = ("oi", "mark", "index", "funding", "funding_interval_h")
each_venue = pytest.mark.parametrize("id", IDS)


def harmless(feed: Heard, frame: bytes) -> None:
    """It is read, or it is unreadable in one of the ways that the connection keeps and counts."""
    try:
        feed.read(frame)
    except UNREADABLE:
        return


@each_venue
def test_a_cut_or_damaged_frame_is_read_or_unreadable_and_nothing_else(id: str) -> None:
    dice = random.Random(id)
    for feed in heard(id):
        for frame in feed.frames:
            for _ in range(EACH // (1 + len(frame) // 20_000)):
                harmless(feed, damaged(frame, dice))


def damaged(frame: bytes, dice: random.Random) -> bytes:
    """The frame cut short, with bytes changed, doubled or swapped; of a packed one sometimes the text inside."""
    if frame[:2] == GZIP and dice.random() < 0.7:
        return gzip.compress(damaged(gzip.decompress(frame), dice), 1)
    place = dice.randrange(len(frame) + 1)
    match dice.randrange(5):
        case 0:
            return frame[:place]
        case 1:
            return frame[place:]
        case 2:
            body = bytearray(frame)
            for _ in range(dice.randint(1, 8)):
                body[dice.randrange(len(body))] = dice.choice(b'0123456789-.eE"{}[]:,ntf \x00\xff')
            return bytes(body)
        case 3:
            return frame[:place] + frame[dice.randrange(len(frame)) :]
        case _:
            return frame[:place] + dice.randbytes(dice.randint(1, 12)) + frame[place:]


@each_venue
@tried(25)
@given(value=JSON, raw=st.binary(max_size=60))
def test_anything_at_all_is_read_or_unreadable(id: str, value: Any, raw: bytes) -> None:
    for feed in heard(id):
        harmless(feed, json.dumps(value).encode())
        harmless(feed, raw)


@each_venue
def test_bombs_are_unreadable(id: str) -> None:
    """Deep nesting, endless digits, numbers past all bounds, nothing at all."""
    for feed in heard(id):
        for frame in (b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b"1e999999", b""):
            harmless(feed, frame)


@each_venue
def test_odd_values_are_read_or_unreadable(id: str) -> None:
    """Any leaf may turn into null, an empty text, a text, a huge or a negative number, a list or an object."""
    odd = (None, "", "x", -1, 0, 1e308, 2**70, "NaN", "-Infinity", True, [], {}, [None], {"a": 1})
    dice = random.Random(id)
    for feed in heard(id):
        for frame in feed.frames:
            for place in sampled(places(opened_up(frame)), 30 // (1 + len(frame) // 20_000), dice):
                harmless(feed, closed(frame, changed(opened_up(frame), place, dice.choice(odd))))


@each_venue
def test_what_a_frame_leaves_out_is_not_stated(id: str) -> None:
    """A frame with any one field taken out or emptied states only what the whole stated, or what is still in it."""
    dice = random.Random(id)
    for feed in heard(id):
        for frame in feed.frames:
            whole = numbers(feed.read(frame))
            for place in sampled(places(opened_up(frame)), 40 // (1 + len(frame) // 20_000), dice):
                for value in (MISSING, None, ""):
                    spoilt = changed(opened_up(frame), place, value)
                    try:
                        said = feed.read(closed(frame, spoilt))
                    except UNREADABLE:
                        continue
                    written = set(amounts(spoilt))
                    invented = {(what, much) for what, much in numbers(said) - whole if much not in written}
                    assert not invented, f"{place} as {value!r} made {sorted(invented)[:3]}"


def numbers(words: Iterable[object]) -> set[tuple[str, float]]:
    """Every number that words about the market state: (what, how much)."""
    found: set[tuple[str, float]] = set()
    for word in words:
        match word:
            case Update():
                found |= {(name, v) for name in STATED if (v := getattr(word, name)) is not None}
            case Liquidated():
                found |= {("size", word.size), ("price", word.price)}
            case Traded():
                found |= {("volume", word.volume)} if word.final else set()
            case _:
                pass
    return found


@each_venue
def test_every_reader_is_shown_a_frame(id: str) -> None:
    """A reader that neither a script nor a capture speaks to is not fuzzed."""
    shown = [feed.spec for feed in heard(id)]
    readers = [one for s in VENUES[id].segments for one in (s, *s.feeds, *s.history, *s.answers)]
    assert [one for one in readers if not any(one is spec for spec in shown)] == []
