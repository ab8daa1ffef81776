"""What is missing of the past, and which questions would fill it. Pure: nothing is asked here."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from collectors.settled import LEAD_MS
from collectors.venue import History, Ratio, Said, Segment, Traded, Venue
from store.records import Instrument

ENDED_MS = 5000  # a minute has ended for the venue, too, so long after it has for us
Subject = Literal["oi", "volume", "ratios", "funding"]
ASIDE = "set aside: see quarantine"
SUBJECTS: tuple[Subject, ...] = ("oi", "volume", "ratios", "funding")
Span = tuple[int, int]  # ms UTC, both inclusive


@dataclass(frozen=True, slots=True)
class Missing:
    """Stretches of one instrument in which we know nothing of a subject."""

    instrument: Instrument
    spans: tuple[Span, ...]
    subject: Subject = "oi"
    asked: int = 0  # stretches beside these that were asked for lately, and the venue had nothing


@dataclass(slots=True)
class Progress:
    """How far the filling of one instrument has come."""

    instrument: Instrument
    subject: Subject
    spans: tuple[Span, ...]
    step: float  # seconds between the venue's points: the resolution of what is filled
    total: int  # questions
    seconds: float  # what they take at least, under the venue's budget
    done: int = 0  # questions answered
    readings: int = 0
    skipped: dict[str, int] = field(default_factory=dict[str, int])  # reason: how many points
    eta: float = 0.0  # seconds until the whole of its venue's segment is done

    @property
    def answered(self) -> bool:
        """Whether the venue told all that it has, and all of it was taken: to ask again at once would bring nothing."""
        left = sum(points for reason, points in self.skipped.items() if reason != ASIDE)
        return self.done == self.total and left == 0

    def skip(self, reason: str, points: int = 1) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + points


def plan(venues: Iterable[Venue], missing: Iterable[Missing], now: int) -> list[Progress]:
    """What would be asked, instrument after instrument; nothing is."""
    return [work.progress for work in works(venues, missing, now)]


@dataclass(frozen=True, slots=True)
class Work:
    """One instrument, and how it is filled."""

    venue: Venue
    segment: Segment
    histories: tuple[History, ...]  # one; of ratios one a kind
    marks: History | None  # the venue's own history of marks, where the history needs one
    progress: Progress


def works(venues: Iterable[Venue], missing: Iterable[Missing], now: int) -> Iterator[Work]:
    segments = {(venue.id, segment.id): (venue, segment) for venue in venues for segment in venue.segments}
    for lack in missing:
        i = lack.instrument
        if (i.venue, i.segment) not in segments:
            continue
        venue, segment = segments[i.venue, i.segment]
        histories = tuple(h for h in segment.history if tells(h, lack.subject))
        if not histories:
            yield Work(venue, segment, (), None, Progress(i, lack.subject, lack.spans, 0.0, 0, 0.0))
            continue
        history, histories = histories[0], histories if lack.subject == "ratios" else histories[:1]
        marks = next((h for h in segment.history if "mark" in h.gives and "oi" not in h.gives), None)
        marks = marks if lack.subject == "oi" and "mark" not in history.gives else None
        spans = tuple(clipped(lack.spans, now - int(history.depth * 86_400_000)))
        asked = [span if lack.subject != "funding" else led(span) for span in spans]
        total = sum(1 for span in asked for _ in pages(history, span)) if history.bounded else len(spans)
        total *= len(histories)
        questions = total + (0 if marks is None else sum(1 for span in spans for _ in pages(marks, span)))
        ask = history.ask(i, now, now)
        seconds = questions * ask.weight / venue.limits.rate(ask.budget)
        progress = Progress(i, lack.subject, spans, history.step, total, seconds)
        if lack.asked:
            progress.skip(f"asked for lately, and the venue had nothing: {lack.asked} times", 0)
        if set(spans) != set(lack.spans):
            progress.skip(f"older than the {history.depth:g} days that the venue keeps", 0)
        yield Work(venue, segment, histories, marks, progress)


def tells(history: History, subject: Subject) -> bool:
    """Whether a history is of a subject. Funding beside open interest is of a running interval, and was not paid."""
    return subject in history.gives and (subject != "funding" or "oi" not in history.gives)


def led(span: Span) -> Span:
    """What is asked for so that the intervals of all payments in a span are known."""
    return span[0] - LEAD_MS, span[1]


def clipped(spans: Iterable[Span], floor: int) -> Iterator[Span]:
    """Newest first, and none before the floor."""
    for start, end in sorted(spans, reverse=True):
        if end >= floor:
            yield max(start, floor), end


def pages(history: History, span: Span) -> Iterator[Span]:
    """What is asked in one question each, newest first."""
    start, end = span
    while end >= start:
        first = max(start, end - int(history.step * 1000) * history.limit + 1)
        yield first, end
        end = first - 1


def runs(said: Said, history: History, asked: int) -> bool:
    """Whether what was said is of a stretch that had not ended when it was asked for: it is not yet what it will be."""
    whole = isinstance(said, Traded) or (isinstance(said, Ratio) and said.kind == "taker")
    ends = (getattr(said, "ts", None) or 0) + (int(history.step * 1000) if whole else 0)
    return ends > asked - (ENDED_MS if whole else 0)


def mark_at(series: Sequence[tuple[int, float]], ts: int, step: float) -> float | None:
    """The last mark at or before `ts`, if it is not older than two steps [s] of the history."""
    place = bisect_right(series, ts, key=lambda point: point[0])
    if place == 0:
        return None
    at, mark = series[place - 1]
    return mark if ts - at <= 2000 * step else None
