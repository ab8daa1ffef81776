"""What the fuzz shares: frames of every reader of every venue, and ways to spoil them.

The frames are those of the venues' scripts and of the captures beside the venues' tests, so a new venue is fuzzed
without a line of test code. `CROSSOI_FUZZ=20` tries twenty times as much, at random; without it every run is the same.
"""

import copy
import gzip
import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from collectors.connection import UNREADABLE
from collectors.venue import Answer, Ask, History, Parse, Poll, Remembering, Segment, Socket, question
from store.records import Instrument
from tests.collectors.captures import CAPTURES
from tests.test_venues import SCRIPTS, VENUES, Play, opened, parser, play, wanted

TIMES = int(os.environ.get("CROSSOI_FUZZ", "1"))
GZIP = b"\x1f\x8b"
KEPT = 5  # frames of one feed
LONG = 6  # of a longer list of rows only the ends are touched
IDS = sorted(set(VENUES) & set(SCRIPTS))
HUGE = 200_000  # bytes


def tried(examples: int) -> Callable[[Any], Any]:
    """So many tries. A failure names its change of a frame; a smaller one is not looked for."""
    return settings(
        max_examples=examples * TIMES, deadline=None, derandomize=TIMES == 1, report_multiple_bugs=False,
        phases=(Phase.explicit, Phase.generate), print_blob=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What one reader is given, and a reader that has heard nothing but the opening of its connection."""

    name: str
    segment: Segment
    listed: tuple[Instrument, ...]  # in the catalogue's order
    frames: tuple[bytes, ...]
    decode: Callable[[str | bytes], Any]
    fresh: Callable[[], Callable[[Any], Iterable[Any] | None]]
    answer: Callable[[Any], Any] | None = None
    spec: Any = None  # the feed, history or answer; the segment where it is its catalogue

    def read(self, frame: str | bytes) -> list[Any]:
        message = self.decode(frame)
        if self.answer is not None and self.answer(message) is not None:
            return []
        return list(self.fresh()(message) or ())


@cache
def heard(id: str) -> tuple[Heard, ...]:
    """A few frames for every reader of a venue: catalogues, feeds, histories, answers, tokens, public positions."""
    it = play(id)
    return tuple(one for segment in it.venue.segments for one in of_segment(it, segment) if one.frames)


def of_segment(it: Play, segment: Segment) -> Iterator[Heard]:
    now, listed = it.script.expect.now_ms, it.catalogue(segment)
    asked = wanted(listed)
    quoted = [i for i in asked if i.symbol in it.script.expect.quotes]

    def made(name: str, frames: Iterable[str | bytes], spec: Any, decode: Any, fresh: Any, answer: Any = None) -> Heard:
        kept = some(map(as_bytes, frames))
        return Heard(f"{segment.id} {name}", segment, tuple(listed), kept, decode, fresh, answer, spec)

    catalogues = [it.ask(segment.catalogue, now)]
    yield made("catalogue", catalogues, segment, segment.decode, lambda: segment.read)
    if segment.more is not None:
        yield made("pages", catalogues, None, segment.decode, lambda: lambda page: [] if segment.more(page) else ())
    for n, feed in enumerate(segment.feeds):
        name = f"{n}: {' '.join(sorted(feed.gives))}"
        if isinstance(feed, Socket):
            talk, early = opened(it, feed, asked, now - 5000)
            first = [f for f in map(as_bytes, (*early, *talk.due(100.0, now))) if structured(f)]
            frames = [*first, *(as_bytes(f) for n in (2, 3) for f in talk.due(n * 100.0, now + n))]
            fresh = lambda feed=feed, first=first: primed(feed, listed, first)  # noqa: E731 - one line
            yield made(name, frames, feed, feed.decode, fresh, feed.answer)
            if feed.token is not None and feed.dial is not None:
                dial = lambda feed=feed: lambda reply: [feed.dial(reply)][:0]  # noqa: E731 - one line
                yield made(f"{name}, token", [it.ask(feed.token, now)], None, feed.decode, dial)
        else:
            fresh = lambda feed=feed: parser(feed, listed)  # noqa: E731 - one line
            yield made(name, (it.ask(ask, now) for ask in questions(feed, quoted, now)), feed, feed.decode, fresh)
    for n, history in enumerate(segment.history):
        replies = [r for i in quoted[:1] if (r := told(it, history.ask(i, now - 3_600_000, now))) is not None]
        replies = replies or readable(it.venue.id, history, listed)
        fresh = lambda history=history: history.parse  # noqa: E731 - one line
        yield made(f"past {n}: {' '.join(sorted(history.gives))}", replies, history, history.decode, fresh)
    for n, answer in enumerate(segment.answers):
        ask = answer.ask
        asks = [] if ask is None else [ask] if isinstance(ask, Ask) else map(ask, quoted[:2])
        told_now = [reply for one in asks if reads(answer, listed, reply := it.ask(one, now))]
        replies = [*told_now, *readable(it.venue.id, answer, listed)]
        fresh = lambda answer=answer: remembering(answer.parse, listed)  # noqa: E731 - one line
        yield made(f"answer {n} {answer.path}", replies, answer, answer.decode, fresh)
    if segment.positions is not None:
        public = segment.positions
        trades, shown = ([c.raw for c in CAPTURES[it.venue.id] if c.about == what] for what in ("trades", "positions"))
        yield made("holders", trades, public, public.decode, lambda: public.learn)
        yield made("positions", shown, public, public.read, lambda: public.held)


def told(it: Play, ask: Ask) -> bytes | None:
    """The script's reply, if it has one."""
    try:
        return it.ask(ask, it.script.expect.now_ms)
    except AssertionError:
        return None


def readable(id: str, answer: Answer | History, listed: Sequence[Instrument]) -> list[str]:
    """The captures that an answer or a history reads."""
    return [capture.raw for capture in CAPTURES[id] if reads(answer, listed, capture.raw)]


def reads(answer: Answer | History, listed: Sequence[Instrument], reply: str | bytes) -> bool:
    try:
        list(remembering(answer.parse, listed)(answer.decode(reply)))
    except UNREADABLE:
        return False
    return True


def remembering(parse: Parse | Remembering, listed: Sequence[Instrument]) -> Parse:
    return parse.make(listed) if isinstance(parse, Remembering) else parse


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
    by_length = {len(frame): frame for frame in map(shortened, frames) if structured(frame)}
    return tuple(by_length[length] for length in sorted(by_length, reverse=True))[:KEPT]


def shortened(frame: bytes) -> bytes:
    """A reply of thousands of rows with the first of them."""
    if len(frame) < HUGE:
        return frame
    rows = msgspec.json.decode(frame)
    return msgspec.json.encode(rows[:KEPT]) if isinstance(rows, list) else frame


def structured(frame: bytes) -> bool:
    """Not one of the plain texts with which some venues greet."""
    return frame.startswith((b"{", b"[", GZIP))


MISSING = object()
Place = tuple[str | int, ...]


def opened_up(frame: bytes) -> Any:
    return msgspec.json.decode(gzip.decompress(frame) if frame[:2] == GZIP else frame)


def closed(like: bytes, value: Any) -> bytes:
    text = json.dumps(value).replace(f'"{PAST_ALL}"', "1e400").encode()
    return gzip.compress(text, 1) if like[:2] == GZIP else text


def ends(rows: list[Any]) -> Iterable[int]:
    """All places of a row of numbers; of a long list of rows the ends."""
    n = len(rows)
    return range(n) if n < LONG or not any(isinstance(r, list | dict) for r in rows) else (0, 1, n - 1)


def places(value: Any, at: Place = ()) -> list[Place]:
    """Where the leaves of a frame are."""
    if isinstance(value, dict):
        return [p for key, inner in value.items() for p in places(inner, (*at, key))]
    if isinstance(value, list):
        return [p for k in ends(value) for p in places(value[k], (*at, k))]
    return [at] if at else []


def boxes(value: Any, at: Place = ()) -> list[Place]:
    """Where its lists and objects are, the outermost too."""
    if isinstance(value, dict):
        return [at, *(p for key, inner in value.items() for p in boxes(inner, (*at, key)))]
    if isinstance(value, list):
        return [at, *(p for k in ends(value) for p in boxes(value[k], (*at, k)))]
    return []


def inside(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def sampled(found: Sequence[Place], most: int, dice: random.Random) -> Sequence[Place]:
    return found if len(found) <= most else dice.sample(found, most)


def changed(value: Any, place: Place, new: Any) -> Any:
    """The frame with one part replaced, or taken out where it is a field of an object."""
    if not place:
        return new
    inner = inside(value, place[:-1])
    if new is MISSING and isinstance(inner, dict):
        del inner[place[-1]]
    else:
        inner[place[-1]] = None if new is MISSING else new
    return value


PAST_ALL = "@1e400@"  # no float; `closed` writes it as a number
ODD = (
    MISSING, None, "", "x", " ", True, False, 0, "0", -1, "-0.5", 0.1, 7, "123.25", 1e308, 2**70, -(2**70), "1e400",
    PAST_ALL, "NaN", "Infinity", "-Infinity", 1e-320, "1e-5", [], {}, [None], {"a": 1}, [1, 2, 3], "2020-01-01",
    10**15, 253_402_300_800_000, "1_000", "null",
)  # fmt: skip
"""What may stand where something else stood."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A frame with one thing changed, and what that was."""

    value: Any
    how: str
    place: Place = ()  # of a leaf
    shifted: bool = False  # the frame may mean something else now: any number of it may have come to any place


def spoil(draw: Callable[[st.SearchStrategy[Any]], Any], whole: Any) -> Spoilt:
    """One change of a frame: a leaf replaced, renamed, made a text or a number; a list shuffled, cut or widened."""
    value = copy.deepcopy(whole)
    leaves, lists = places(value), [p for p in boxes(value) if isinstance(inside(value, p), list)]
    kind = draw(st.sampled_from(("leaf", "leaf", "leaf", "spelling", "scale", "box", "rows")))
    if kind in ("box", "rows") and kind == "rows" and lists:
        place = draw(st.sampled_from(lists))
        rows = inside(value, place)
        n = draw(st.integers(0, len(rows)))
        match draw(st.sampled_from(("insert", "take", "double", "turn", "empty"))):
            case "insert":
                rows.insert(n, draw(st.sampled_from((None, 5, "7.5", "x", [], {}))))
            case "take":
                del rows[n : n + 1]
            case "double":
                rows[n:n] = copy.deepcopy(rows[n : n + 1])
            case "turn":
                rows.reverse()
            case _:
                rows.clear()
        return Spoilt(value, f"the list at {place}, at {n}", shifted=True)
    if kind == "box" and (found := boxes(value)):
        place = draw(st.sampled_from(found))
        new = draw(st.sampled_from((None, "", [], {}, 5, "x", [inside(value, place)], {"a": inside(value, place)})))
        return Spoilt(changed(value, place, new), f"{place} as another kind of thing", shifted=True)
    if not leaves:
        return Spoilt(value, "nothing")
    place = draw(st.sampled_from(leaves))
    old = inside(value, place)
    if kind == "spelling" and isinstance(old, int | float) and not isinstance(old, bool):
        return Spoilt(changed(value, place, str(old)), f"{place}: {old!r} as a text", place)
    if kind == "spelling" and isinstance(old, str) and (much := amount(old)) is not None:
        return Spoilt(changed(value, place, much), f"{place}: {old!r} as a number", place)
    if kind == "scale" and (much := amount(old)) is not None and much:
        by = draw(st.sampled_from((-1, 1e3, 1e-3, 1e12, 0)))
        new = int(much * by) if isinstance(old, int) and abs(much * by) < 2**62 else much * by
        return Spoilt(changed(value, place, str(new) if isinstance(old, str) else new), f"{place} times {by}", place)
    new = draw(st.sampled_from(ODD))
    how = f"{place}: {old!r} as {'missing' if new is MISSING else repr(new)}"
    return Spoilt(changed(value, place, new), how, place, shifted=isinstance(old, str) and amount(old) is None)


def amount(value: Any) -> float | None:
    """The number that a leaf is, written as a number or as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def amounts(value: Any) -> Iterator[float]:
    """Every number in a frame, written as a number or as a text."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from amounts(inner)
    elif (much := amount(value)) is not None:
        yield much
