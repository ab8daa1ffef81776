"""Fills the past from the venues' own history: newest first, under the same budgets as everything else.

A past reading is priced with the mark of its own reply or with the marks handed in; what cannot be priced is left out,
and counted with the reason.
"""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from collectors.board import Board
from collectors.connection import KEPT, UNREADABLE
from collectors.feeds import RHYTHM, Delays, Rhythm, backoff, explain, rest
from collectors.http import BlockedError, FailedError, Http, LimitedError, Sink
from collectors.venue import History, Segment, Update, Venue
from store.records import Instrument, Quarantined, Source

log = logging.getLogger(__name__)

TRIES = 5  # of one question; what stays unanswered stays a gap
Marks = Mapping[int, Sequence[tuple[int, float]]]
"""By instrument id: (ms UTC, mark in quote units a venue's base unit), in time's order."""


@dataclass(slots=True)
class Progress:
    """How far the backfill of one instrument has come, so that a later run can go on from there."""

    instrument: Instrument
    start: int  # ms UTC, asked for
    end: int
    reached: int  # everything between here and `end` has been asked for
    readings: int = 0
    skipped: dict[str, int] = field(default_factory=dict[str, int])  # reason: how many points

    @property
    def done(self) -> bool:
        return self.reached <= self.start

    def skip(self, reason: str, points: int = 1) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + points


async def backfill(
    venues: Iterable[Venue],
    instruments: Iterable[Instrument],
    start: int,
    end: int,
    sink: Sink,
    http: Http,
    *,
    marks: Marks | None = None,
    simulated: bool = False,
    told: Callable[[Progress], None] = lambda _: None,
    delays: Delays = backoff,
    rhythm: Rhythm = RHYTHM,
) -> list[Progress]:
    """Readings of `start <= ts <= end` (ms UTC) for each instrument. Venues work at once, each at its own pace."""
    by_segment: dict[tuple[str, str], list[Instrument]] = {}
    for instrument in instruments:
        by_segment.setdefault((instrument.venue, instrument.segment), []).append(instrument)
    found: list[Progress] = []

    async def fill(venue: Venue, segment: Segment, listed: list[Instrument]) -> None:
        for instrument in listed:
            progress = Progress(instrument, start, end, end + 1)
            found.append(progress)
            history = next((h for h in segment.history if "oi" in h.gives), None)
            if history is None:
                progress.skip("the venue has no history of open interest", 0)
            else:
                work = Work(venue, segment, history, http, sink, marks or {}, simulated, told, delays, rhythm)
                await work.fill(progress)
            told(progress)

    async with anyio.create_task_group() as tasks:
        for venue in venues:
            for segment in venue.segments:
                listed = by_segment.get((venue.id, segment.id))
                if listed:
                    tasks.start_soon(fill, venue, segment, listed)
    return found


@dataclass(frozen=True, slots=True)
class Work:
    """What filling one instrument needs."""

    venue: Venue
    segment: Segment
    history: History
    http: Http
    sink: Sink
    marks: Marks
    simulated: bool
    told: Callable[[Progress], None]
    delays: Delays
    rhythm: Rhythm

    async def fill(self, progress: Progress) -> None:
        """Page after page, newest first, until the start, the depth of the venue's memory, or an empty page."""
        step = int(self.history.step * 1000)
        floor = max(progress.start, self.http.now() - int(self.history.depth * 86_400_000))
        while progress.reached > floor:
            last = progress.reached - 1
            first = max(floor, last - step * self.history.limit + 1)
            updates = await self.page(progress, first, last)
            if updates is None:
                progress.skip("the venue did not answer", 0)
                return
            for update in sorted(updates, key=lambda update: update.ts or 0, reverse=True):
                if update.ts is not None and first <= update.ts <= last:
                    self.hand_on(progress, update)
            progress.reached = first
            self.told(progress)
        if floor > progress.start:
            progress.skip(f"older than the {self.history.depth:g} days that the venue keeps", 0)

    async def page(self, progress: Progress, first: int, last: int) -> list[Update] | None:
        """One reply, asked for again while the venue is busy. None where it stays without an answer."""
        delays = self.delays()
        for _ in range(TRIES):
            reply = b""
            try:
                reply = await self.http.ask(self.venue, self.history.ask(progress.instrument, first, last))
                return [u for u in self.history.parse(self.history.decode(reply)) if isinstance(u, Update)]
            except (FailedError, LimitedError, BlockedError) as fault:
                ended = explain(self.http, self.venue, fault)
            except UNREADABLE as fault:
                i, words = progress.instrument, f"{fault.__class__.__name__}: {fault}"[:300]
                raw = reply[:KEPT].decode(errors="replace")
                self.sink(Quarantined(i.venue, i.segment, i.symbol, self.http.now(), "unreadable", words, raw))
                return None
            log.info("%s: history: %s", self.venue.id, ended[1])
            await rest(ended, delays, self.rhythm, self.http.now)
        return None

    def hand_on(self, progress: Progress, update: Update) -> None:
        """One point of the past, priced by its own reply or by the marks handed in, each alone: no state between."""
        instrument = progress.instrument
        if not update.symbol:
            update.symbol = instrument.symbol  # some replies name nobody: they are about whom we asked for
        if update.oi is None or update.symbol != instrument.symbol:
            return
        if update.mark is None and update.ts is not None:
            update.mark = mark_at(self.marks.get(instrument.id, ()), update.ts, self.history.step)
        if update.mark is None:
            progress.skip("no mark to price it with")
            return
        record = Board([instrument], simulated=self.simulated).apply(update, self.http.now(), Source.BACKFILL)
        if record is None or not 0 < record.base < float("inf"):
            progress.skip("not a number above zero")
            return
        self.sink(record)
        progress.readings += 1


def mark_at(series: Sequence[tuple[int, float]], ts: int, step: float) -> float | None:
    """The last mark at or before `ts`, if it is not older than two steps [s] of the history."""
    place = bisect_right(series, ts, key=lambda point: point[0])
    if place == 0:
        return None
    at, mark = series[place - 1]
    return mark if ts - at <= 2000 * step else None
