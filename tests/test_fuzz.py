"""Every venue's readers on frames that are cut, damaged or made up: the documented errors only, and no value invented.

The frames are those of the venues' scripts, so a new venue is fuzzed without a line of test code.
"""

import gzip
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.connection import UNREADABLE
from collectors.venue import Ask, History, Liquidated, Parse, Poll, Said, Socket, Traded, Update, question
from store.records import Instrument
from tests.test_venues import SCRIPTS, VENUES, opened, parser, play, wanted

GZIP = b"\x1f\x8b"
KEPT = 5  # frames of one feed
EACH = 40  # damaged copies of one frame
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
STATED = ("oi", "mark", "index", "funding", "funding_interval_h")
each_venue = pytest.mark.parametrize("id", sorted(set(VENUES) & set(SCRIPTS)))


@dataclass(frozen=True, slots=True)
class Heard:
    """What one feed said, and a reader that has heard nothing but the opening of its connection."""

    frames: tuple[bytes, ...]
    decode: Callable[[str | bytes], Any]
    fresh: Callable[[], Parse]
    answer: Callable[[Any], Any] | None = None

    def read(self, frame: str | bytes) -> list[Said]:
        message = self.decode(frame)
        if self.answer is not None and self.answer(message) is not None:
            return []
        return list(self.fresh()(message))


@cache
def heard(id: str) -> tuple[Heard, ...]:
    """A few frames of every feed and every history of a venue."""
    it = play(id)
    now, found = it.script.expect.now_ms, list[Heard]()
    for segment in it.venue.segments:
        listed = it.catalogue(segment)
        asked = wanted(listed)
        quoted = [i for i in asked if i.symbol in it.script.expect.quotes]
        found.append(Heard((it.ask(segment.catalogue, now),), segment.decode, lambda read=segment.read: read))  # type: ignore[arg-type]  # instruments, not words
        for feed in segment.feeds:
            if isinstance(feed, Socket):
                talk, early = opened(it, feed, asked, now - 5000)
                first = [f for f in map(as_bytes, (*early, *talk.due(100.0, now))) if structured(f)]
                frames = [*first, *(as_bytes(f) for n in (2, 3) for f in talk.due(n * 100.0, now + n))]
                fresh = lambda feed=feed, listed=listed, first=first: primed(feed, listed, first)  # noqa: E731 - one line
                found.append(Heard(some(frames), feed.decode, fresh, feed.answer))
            else:
                fresh = lambda feed=feed, listed=listed: parser(feed, listed)  # noqa: E731 - one line
                found.append(Heard(some(it.ask(ask, now) for ask in questions(feed, quoted, now)), feed.decode, fresh))
        for history in segment.history:
            if history.gives & {"oi", "mark", "volume", "ratios"}:
                replies = (it.ask(history.ask(i, now - 3_600_000, now), now) for i in quoted[:1])
                found.append(Heard(tuple(replies), history.decode, lambda history=history: history.parse))
    return tuple(found)


def questions(feed: Poll | History, quoted: Sequence[Instrument], now: int) -> Iterator[Ask]:
    assert isinstance(feed, Poll)
    if isinstance(feed.ask, Ask):
        yield feed.ask
    else:
        yield from (question(feed.ask, i, now) for i in quoted[:2])


def primed(feed: Socket, listed: Sequence[Instrument], first: Iterable[bytes]) -> Parse:
    """A reader after the opening of its connection. One without memory needs none."""
    parse = parser(feed, listed)
    if parse is not feed.parse:
        for frame in first:
            message = feed.decode(frame)
            if feed.answer is None or feed.answer(message) is None:
                list(parse(message))
    return parse


def as_bytes(frame: str | bytes) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode()


def some(frames: Iterable[bytes]) -> tuple[bytes, ...]:
    """The longest and a few of other lengths: frames of one length are mostly of one kind."""
    by_length = {len(frame): frame for frame in frames}
    return tuple(by_length[length] for length in sorted(by_length, reverse=True) if structured(by_length[length]))[
        :KEPT
    ]


def structured(frame: bytes) -> bool:
    """Not one of the plain texts with which some venues greet."""
    return frame.startswith((b"{", b"[", GZIP))


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
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
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


def amounts(value: Any) -> Iterator[float]:
    """Every number in a frame, written as a number or as a text."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from amounts(inner)
    elif isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            yield float(value)
        except (ValueError, OverflowError):
            return


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


MISSING = object()
Place = tuple[str | int, ...]


def opened_up(frame: bytes) -> Any:
    return msgspec.json.decode(gzip.decompress(frame) if frame[:2] == GZIP else frame)


def closed(like: bytes, value: Any) -> bytes:
    text = json.dumps(value).encode()
    return gzip.compress(text, 1) if like[:2] == GZIP else text


def places(value: Any, at: Place = ()) -> list[Place]:
    """Where the leaves of a frame are; of long lists only the ends."""
    if isinstance(value, dict):
        return [p for key, inner in value.items() for p in places(inner, (*at, key))]
    if isinstance(value, list):
        ends = range(len(value)) if len(value) < 6 else (0, 1, len(value) - 1)
        return [p for k in ends for p in places(value[k], (*at, k))]
    return [at] if at else []


def sampled(found: Sequence[Place], most: int, dice: random.Random) -> Sequence[Place]:
    return found if len(found) <= most else dice.sample(found, most)


def changed(value: Any, place: Place, new: Any) -> Any:
    """The frame with one leaf replaced, or taken out where it is a field of an object."""
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    if new is MISSING and isinstance(inner, dict):
        del inner[place[-1]]
    else:
        inner[place[-1]] = None if new is MISSING else new
    return value
