"""Fills the past from the venues' own history: newest first, under the same budgets as everything else.

What is missing is handed in, so a run that was cut short goes on where it stopped. A past reading is priced with the
mark of its own reply, else with the venue's history of marks, else with the marks handed in; what cannot be priced is
left out and counted with the reason. What cannot be believed is set aside, as a reading would be: a venue's own history
has impossible values in it (faults.md, F32). What a venue does not answer stays a gap.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import anyio
import msgspec

from collectors.besides import Besides
from collectors.board import DOLLARS, Board, Last
from collectors.budget import Rank
from collectors.checks import NEEDED
from collectors.connection import KEPT, UNREADABLE
from collectors.feeds import RHYTHM, Delays, Rhythm, backoff, explain, rest
from collectors.http import BlockedError, Clock, FailedError, Http, LimitedError, Sink
from collectors.missing import ASIDE, Missing, Progress, Span, Work, led, mark_at, pages, runs, works
from collectors.settled import NO_INTERVAL, Payments
from collectors.trail import Refusal, Row, Trail
from collectors.units import factor
from collectors.venue import History, Ratio, Said, Traded, Update, Venue
from collectors.wire import iso
from store.records import Event, Flag, Funding, Instrument, LongShort, OpenInterest, Quarantined, Source, Volume

TRIES = 5  # of one question; what stays unanswered stays a gap
UNANSWERED = "the venue did not answer"
NEAR_MS = 6 * 3_600_000  # after a span, what was heard last tells whether the span's rows can be
SHARE = 0.5  # of a venue's budget; the rest is for what is asked of the present
Marks = Callable[[Instrument, int], float | None]
"""The mark of an instrument at a moment [ms UTC], in quote units a venue's base unit, as far as we know it."""
Sized = Callable[[Instrument, int], Instrument]
"""An instrument with the contract size that held at a moment [ms UTC]."""
Told = Callable[[Progress], None]


async def backfill(
    venues: Iterable[Venue],
    missing: Iterable[Missing],
    sink: Sink,
    http: Http,
    *,
    marks: Marks = lambda _, __: None,
    last: Last = lambda _: None,
    sized: Sized = lambda i, _: i,
    simulated: bool = False,
    told: Told = lambda _: None,
    share: float = SHARE,
    delays: Delays = backoff,
    rhythm: Rhythm = RHYTHM,
    clock: Clock = time.monotonic,
    dollars: Mapping[str, float] = DOLLARS,
) -> list[Progress]:
    """Records of what is missing. Venues work at once, each at its own pace. Gives how far each instrument came."""
    by_segment: dict[tuple[str, str], list[Work]] = {}
    for work in works(venues, missing, http.now()):
        by_segment.setdefault((work.venue.id, work.segment.id), []).append(work)
    filler = Filler(http, sink, marks, last, sized, simulated, told, share, delays, rhythm, clock, dollars)
    async with anyio.create_task_group() as tasks:
        for listed in by_segment.values():
            tasks.start_soon(filler.segment, listed)
    return [work.progress for listed in by_segment.values() for work in listed]


@dataclass(frozen=True, slots=True)
class Filler:
    """What filling needs."""

    http: Http
    sink: Sink
    marks: Marks
    last: Last
    sized: Sized
    simulated: bool
    told: Told
    share: float
    delays: Delays
    rhythm: Rhythm
    clock: Clock
    dollars: Mapping[str, float]  # USD a quote unit

    async def segment(self, listed: Sequence[Work]) -> None:
        """One instrument after another."""
        begun = self.clock()
        for work in listed:
            if not work.histories:
                work.progress.skip(f"the venue has no history of {work.progress.subject}", 0)
            fill = self.settle if work.progress.subject == "funding" else self.fill
            for history in work.histories:
                if not await fill(work, history, lambda: self.estimate(listed, begun)):
                    work.progress.skip(UNANSWERED, 0)
            self.tell(work)

    def estimate(self, listed: Sequence[Work], begun: float) -> float:
        """Seconds for what is left of a segment: as fast as it went so far, and never faster than the budget allows."""
        done = sum(work.progress.done for work in listed)
        left = [work.progress for work in listed if work.progress.done < work.progress.total]
        least = sum(p.seconds * (p.total - p.done) / p.total for p in left) / self.share
        pace = 0.0 if done == 0 else (self.clock() - begun) / done
        return max(least, pace * sum(p.total - p.done for p in left))

    def tell(self, work: Work) -> None:
        """What was filled, and how coarsely: a row of the past does not say its resolution."""
        progress, i = work.progress, work.progress.instrument
        progress.eta = 0.0
        self.told(progress)
        if progress.spans:
            detail = {
                "segment": i.segment, "symbol": i.symbol, "subject": progress.subject, "resolution_s": progress.step,
                "spans": progress.spans, "rows": progress.readings, "skipped": progress.skipped,
                "answered": progress.answered,
            }  # fmt: skip
            self.sink(Event(self.http.now(), "backfill", i.asset, i.venue, json.dumps(detail)))

    async def fill(self, work: Work, history: History, estimate: Callable[[], float]) -> bool:
        """Page after page. False where a question stays without an answer."""
        progress = work.progress
        for span in progress.spans:
            last: OpenInterest | None = None  # the oldest so far: the change before it happened unseen
            now = self.last(work.progress.instrument.id)
            tail: list[Row[OpenInterest | None]] = []
            trail = Trail[OpenInterest | None]()
            for first, end in pages(history, span) if history.bounded else [span]:
                series = await self.candles(work, (first, end))
                words = None if series is None else await self.page(work, history, first, end)
                if words is None or series is None:
                    self.end(work, trail, last)
                    return False
                rows: list[Row[OpenInterest | None]] = []
                for said in words:
                    record = self.record(work, history, series, said, span if not history.bounded else (first, end))
                    if isinstance(record, OpenInterest):
                        rows.append((native(record), msgspec.structs.replace(record, instrument=progress.instrument)))
                    elif record is not None:
                        self.sink(record)
                if rows and now is not None:
                    tail, now = after(now, span, rows[0][1]), None
                trail, passed = self.judge(work, history.step, rows, tail)
                waiting = trail.doubtful or [*trail.early, *trail.held]  # what came before them will tell
                tail = [*waiting, *((amount, None) for amount, _ in passed[:NEEDED])]
                last = self.hand_on(work, passed, last)
                progress.done += 1
                progress.eta = estimate()
                self.told(progress)
            self.end(work, trail, last)
        return True

    async def settle(self, work: Work, history: History, estimate: Callable[[], float]) -> bool:
        """Funding as it was paid, page after page. False where a question stays without an answer."""
        progress = work.progress
        for span in progress.spans:
            paid = Payments(progress.instrument, *span, self.simulated)
            asked = list(pages(history, led(span))) if history.bounded else [span]
            for first, end in asked:
                words = await self.page(work, history, first, end)
                if words is None:
                    return False
                for record in paid.take(words, self.http.now(), over=first == asked[-1][0]):
                    self.sink(record)
                    if isinstance(record, Funding):
                        progress.readings += 1
                    else:
                        progress.skip(ASIDE)
                progress.done += 1
                progress.eta = estimate()
                self.told(progress)
            if paid.untimed:
                progress.skip(NO_INTERVAL, paid.untimed)
        return True

    def judge(
        self,
        work: Work,
        step_s: float,
        newest_first: Sequence[Row[OpenInterest | None]],
        tail: Sequence[Row[OpenInterest | None]],
    ) -> tuple[Trail[OpenInterest | None], list[Row[OpenInterest | None]]]:
        """A page in time's order, and `tail` after it: rows that wait, and what they are held against (None)."""
        trail = Trail[OpenInterest | None](work.progress.instrument.contract_size, step_s)
        kept: list[Row[OpenInterest | None]] = []
        for amount, record in (*reversed(newest_first), *tail):
            passed, refused = trail.judge(amount, record)
            kept += passed
            self.set_aside(work, refused)
        if trail.agreed >= NEEDED:
            self.set_aside(work, trail.give_up())
        return trail, kept

    def set_aside(self, work: Work, refused: Iterable[Refusal[OpenInterest | None]]) -> None:
        for one in refused:
            r = one.row
            if r is not None:
                i, words = r.instrument, f"of {iso(r.ts)}, in the venue's history: {one.words}"
                self.sink(Quarantined(i.venue, i.segment, i.symbol, r.seen, one.check, words, repr(r.raw)))
                work.progress.skip(ASIDE)

    def hand_on(
        self, work: Work, passed: Sequence[Row[OpenInterest | None]], last: OpenInterest | None
    ) -> OpenInterest | None:
        """Newest first, but for the oldest, which waits to see whether there is an older one."""
        for _, record in reversed(passed):
            if record is not None:
                if last is not None:
                    self.sink(msgspec.structs.replace(last, flags=last.flags & ~Flag.RESYNC))
                last = record
                work.progress.readings += 1
        return last

    def end(self, work: Work, trail: Trail[OpenInterest | None], last: OpenInterest | None) -> None:
        """Nothing older follows."""
        passed, refused = trail.end()
        self.set_aside(work, refused)
        last = self.hand_on(work, passed, last)
        if last is not None:
            self.sink(last)

    async def candles(self, work: Work, span: Span) -> list[tuple[int, float]] | None:
        """The venue's own marks over a span, in time's order; None without an answer."""
        found: list[tuple[int, float]] = []
        if work.marks is None:
            return found
        reach = span[0] - int(work.marks.step * 1000), span[1]
        for first, end in pages(work.marks, reach):
            words = await self.page(work, work.marks, first, end)
            if words is None:
                return None
            found += [
                (s.ts, s.mark) for s in words if isinstance(s, Update) and s.mark is not None and s.ts is not None
            ]
        return sorted(found)

    async def page(self, work: Work, history: History, first: int, last: int) -> list[Said] | None:
        """One reply, newest first; asked for again while the venue is busy. None where it stays without an answer."""
        delays, i = self.delays(), work.progress.instrument
        for _ in range(TRIES):
            reply, ask = b"", history.ask(i, first, last)
            try:
                await anyio.sleep(ask.weight / work.venue.limits.rate(ask.budget) * (1 / self.share - 1))
                asked = self.http.now()
                reply = await self.http.ask(work.venue, ask, Rank.PAST)
                words = [said for said in history.parse(history.decode(reply)) if not runs(said, history, asked)]
            except (FailedError, LimitedError, BlockedError) as fault:
                ended = explain(self.http, work.venue, fault)
            except UNREADABLE as fault:
                said = f"{fault.__class__.__name__}: {fault}"[:300]
                raw = reply[:KEPT].decode(errors="replace")
                self.sink(Quarantined(i.venue, i.segment, i.symbol, self.http.now(), "unreadable", said, raw))
                return None
            else:
                return sorted(words, key=lambda word: getattr(word, "ts", None) or 0, reverse=True)
            await rest(ended, delays, self.rhythm, self.http.now)
        return None

    def record(
        self, work: Work, history: History, series: Sequence[tuple[int, float]], said: Said, span: Span
    ) -> OpenInterest | Volume | LongShort | None:
        """One point of the past, alone: no state between points. None where it says nothing that is missing."""
        progress, i = work.progress, work.progress.instrument
        if not isinstance(said, Update | Traded | Ratio) or said.ts is None or not span[0] <= said.ts <= span[1]:
            return None
        said.symbol = said.symbol or i.symbol  # some replies name nobody: they are about whom we asked for
        if said.symbol != i.symbol:
            return None
        i, ts, now, flags = self.sized(i, said.ts), said.ts, self.http.now(), 0
        board = Board([i], simulated=self.simulated, dollars=self.dollars)
        stated = said.mark if isinstance(said, Update) else None
        mark = mark_at(series, ts, history.step) if stated is None else stated
        if mark is None and (mark := self.marks(i, ts)) is not None:
            flags = Flag.STALE_MARK
        if not isinstance(said, Update):
            board.apply(Update(i.symbol, mark=mark), now)
            besides = list(Besides(board).take(said, now, Source.BACKFILL))
            progress.readings += len(besides)
            return next((r for r in besides if isinstance(r, Volume | LongShort)), None)
        if said.oi is None or mark is None:
            if said.oi is not None:
                progress.skip("no mark to price it with")
            return None
        said.mark = mark
        record = board.apply(said, now, Source.BACKFILL)
        return None if record is None else msgspec.structs.replace(record, flags=record.flags | flags)


def native(record: OpenInterest) -> float:
    """One-sided, in the field's own unit: what does not change with the price."""
    return record.raw * factor(record.instrument, record.field.unit, record.field.sides)[1]


def after(now: OpenInterest, span: Span, past: OpenInterest | None) -> list[Row[OpenInterest | None]]:
    """What a span is held against: what we heard last, as a level, if it was soon after it and counts the same."""
    if past is None or not 0 <= now.ts - span[1] <= NEAR_MS:
        return []
    counted = [factor(r.instrument, r.field.unit)[0] for r in (now, past)]
    return [(native(now), None)] * NEEDED if counted[0] == counted[1] else []
