"""Fills what the store lacks from the venues' history: at the start, after every gap, and when somebody asks."""

import json
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from collectors.backfill import backfill
from collectors.board import Last
from collectors.catalogue import Collecting
from collectors.http import Http, utc_ms
from collectors.missing import SUBJECTS, Missing, Progress, Span, Subject, mark_at, plan, tells
from collectors.venue import Poll, Segment, Venue
from server.protocol import OIServer
from server.rest import guarded
from store.holes import LATE_MS, MARK_STEP_MS, answered, holes, marks, unpaid, without
from store.patience import Cursors
from store.records import Gap, Instrument, Kind, Record
from store.registry import sized, versions

log = logging.getLogger(__name__)

PATH = "/api/v1/backfill"
DAY_MS = 86_400_000
LEAST_MS = 120_000  # a shorter silence is not worth a question
AGAIN_MS = DAY_MS  # what a venue could not tell it is asked for again after a day ...
ASKED_MS = 3_600_000  # ... or an hour, when somebody wants it
SETTLE_S = 45.0  # after a start or a gap: catalogues are read, live data flow, and the venue has written its history
WISHES = 1000  # that wait
Line = dict[str, Any]
Tell = Callable[[Line], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants filled."""

    venues: frozenset[str] | None  # None: every venue
    start: int  # ms UTC
    end: int
    asked: bool = False  # by somebody who waits
    told: Tell = lambda _: None
    finished: Callable[[], None] = lambda: None


class Backfill:
    """Owns what is filled: one wish after the other, over the collectors' own `Http`.

    It looks at what the store lacks, so what one run does not get done the next one finds again.
    """

    def __init__(
        self,
        store: Cursors,
        put: Callable[[Record], None],
        venues: Sequence[Venue],
        collecting: Collecting,
        days: float,
        *,
        last: Last = lambda _: None,
        settle: float = SETTLE_S,
        now: Callable[[], int] = utc_ms,
    ) -> None:
        self.store = store
        self.put = put
        self.venues = venues
        self.collecting = collecting
        self.days = days
        self.last = last
        self.settle = settle
        self.now = now
        self.instruments: dict[int, Instrument] = {}
        self.wishes: deque[Wish] = deque(maxlen=WISHES)
        self.news = anyio.Event()

    def sink(self, record: Record) -> None:
        """Stands before the writer's `put`: knows what is listed, and hears gaps end."""
        self.put(record)
        if isinstance(record, Instrument):
            self.instruments[record.id] = record
        elif isinstance(record, Gap) and record.end is not None and record.end - record.start > LEAST_MS:
            self.want(Wish(frozenset({record.venue}), record.start, record.end))

    def want(self, wish: Wish) -> None:
        """Fill this too. Of too many wishes the oldest is dropped: the next start finds its hole."""
        if len(self.wishes) == WISHES:
            self.wishes[0].finished()
        self.wishes.append(wish)
        self.news.set()

    async def keep(self, http: Http) -> None:
        """For ever: the days before the start, then gaps and wishes as they come."""
        await anyio.sleep(self.settle)
        if self.days > 0:
            now = self.now()
            await self.fill(Wish(None, now - int(self.days * DAY_MS), now), http)
        while True:
            if not self.wishes:
                self.news = anyio.Event()
                await self.news.wait()
            wish = self.wishes.popleft()
            last = self.now() - int(self.settle * 1000)
            if wish.end > last and not wish.asked:
                await anyio.sleep((wish.end - last) / 1000)
            try:
                await self.fill(wish, http)
            finally:
                wish.finished()

    async def fill(self, wish: Wish, http: Http) -> list[Progress]:
        """What can price itself goes first: its marks price the rest."""
        missing = await self.missing(wish)
        first = [lack for lack in missing if self.prices_itself(lack)]
        done: list[Progress] = []
        for turn in (first, [lack for lack in missing if lack not in first]):
            if turn:
                priced = await to_thread.run_sync(self.marks, wish, {lack.instrument.asset for lack in turn})
                sizes = await to_thread.run_sync(versions, self.store.cursor())
                done += await backfill(
                    self.venues, turn, self.put, http, marks=priced, last=self.last, sized=partial(sized, sizes),
                    simulated=self.collecting.simulated, told=lambda progress: wish.told(spoken(progress)),
                    dollars=self.collecting.dollars,
                )  # fmt: skip
                await anyio.sleep(0.2)  # the writer's next batch
        if any(progress.done for progress in done):
            rows = sum(progress.readings for progress in done)
            log.info("backfill: %d rows from %d questions", rows, sum(progress.done for progress in done))
        return done

    async def planned(self, wish: Wish) -> list[Line]:
        """What would be asked."""
        return [spoken(progress) for progress in plan(self.venues, await self.missing(wish), self.now())]

    async def missing(self, wish: Wish) -> list[Missing]:
        found: list[Missing] = []
        for venue in self.venues:
            if wish.venues is None or venue.id in wish.venues:
                for segment in venue.segments:
                    found += await to_thread.run_sync(self.lacking, venue, segment, wish)
        return found

    def lacking(self, venue: Venue, segment: Segment, wish: Wish) -> list[Missing]:
        listed = {
            i.id: i for i in list(self.instruments.values())
            if (i.venue, i.segment) == (venue.id, segment.id) and self.collecting.wants(i, venue.only)
        }  # fmt: skip
        found: list[Missing] = []
        asked = answered(self.store.cursor(), venue.id, self.now() - (ASKED_MS if wish.asked else AGAIN_MS))
        for subject in SUBJECTS:
            steps = [history.step for history in segment.history if tells(history, subject)]
            if listed and steps:
                if subject == "funding":  # nobody pays more often than by the hour
                    least = LATE_MS
                    paying = [i.id for i in listed.values() if i.kind is Kind.PERPETUAL]
                    spans = unpaid(self.store.cursor(), paying, wish.start, wish.end)
                else:
                    least = max(LEAST_MS, int(2000 * period(segment, subject)))
                    coarse = max(2 * MARK_STEP_MS, int(1500 * steps[0]))
                    spans = holes(self.store.cursor(), subject, list(listed), wish.start, wish.end, least, coarse)
                for i, holes_of in spans.items():
                    before = asked.get((segment.id, listed[i].symbol, subject), ())
                    left = without(holes_of, before, least)
                    found.append(Missing(listed[i], tuple(left), subject, len(set(holes_of) - set(left))))
        return found

    def prices_itself(self, lack: Missing) -> bool:
        i = lack.instrument
        segment = next(s for v in self.venues if v.id == i.venue for s in v.segments if s.id == i.segment)
        return lack.subject == "oi" and any("mark" in history.gives for history in segment.history)

    def marks(self, wish: Wish, assets: set[str]) -> Callable[[Instrument, int], float | None]:
        """Marks we have: the instrument's own, else those of the asset's other instruments."""
        own, beside = marks(self.store.cursor(), sorted(assets), wish.start - MARK_STEP_MS, wish.end)

        def mark(instrument: Instrument, ts: int) -> float | None:
            for series in (own.get(instrument.id, ()), beside.get(instrument.asset, ())):
                if (known := mark_at(series, ts, MARK_STEP_MS / 1000)) is not None:
                    return known * instrument.base_factor / self.collecting.dollars.get(instrument.quote, 1.0)
            return None

        return mark


def period(segment: Segment, subject: Subject) -> float:
    """Seconds between what the segment's own feed says of a subject; 0 where it is not said or its silence is none."""
    feed = next((feed for feed in segment.feeds if subject in feed.gives), None)
    return 0.0 if feed is None else feed.every if isinstance(feed, Poll) else feed.cadence or 0.0


def spoken(progress: Progress) -> Line:
    """One line of progress, or of a plan."""
    i = progress.instrument
    spans: Sequence[Span] = progress.spans
    return {
        "venue": i.venue, "segment": i.segment, "symbol": i.symbol, "subject": progress.subject, "done": progress.done,
        "total": progress.total, "eta_s": round(progress.eta or progress.seconds, 1), "rows": progress.readings,
        "step_s": progress.step, "from": min((a for a, _ in spans), default=None),
        "to": max((b for _, b in spans), default=None), "skipped": progress.skipped,
    }  # fmt: skip


def wish_of(said: Mapping[str, Any], known: Sequence[str], now: int) -> tuple[Wish, bool]:
    """What a request asks for, and whether it is only a plan. ValueError in words for who asked."""
    names, days, dry = said.get("venues"), said.get("days", 3.0), said.get("dry_run", False)
    if unknown := [name for name in names or () if name not in known]:
        raise ValueError(f"unknown venue {unknown[0]!r}. There is: {', '.join(known)}.")
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days <= 3650:
        raise ValueError(f"days: wants a number above 0 and up to 3650, not {days!r}.")
    return Wish(frozenset(names) if names else None, now - int(days * DAY_MS), now, asked=True), bool(dry)


def add_backfill(server: OIServer, backfill: Backfill) -> None:
    """POST /api/v1/backfill: a line of JSON for every step of it, until it is done. It goes on if the reader leaves."""

    async def handle(request: Request) -> Response:
        try:
            said = json.loads(await request.body() or b"{}")
            wish, dry = wish_of(said, [venue.id for venue in backfill.venues], backfill.now())
        except (ValueError, TypeError, AttributeError) as wrong:
            return JSONResponse({"error": f"Bad arguments. {wrong}"}, status_code=400)
        if dry:
            planned = await backfill.planned(wish)
            return Response("".join(f"{json.dumps(line)}\n" for line in planned), media_type="application/x-ndjson")
        send, receive = anyio.create_memory_object_stream[Line](100_000)

        def told(line: Line) -> None:
            with suppress(anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
                send.send_nowait(line)

        async def lines() -> AsyncGenerator[str]:
            async with receive:
                async for line in receive:
                    yield f"{json.dumps(line)}\n"

        backfill.want(replace(wish, told=told, finished=send.close))
        return StreamingResponse(lines(), media_type="application/x-ndjson")

    server.custom_route(PATH, methods=["POST"])(guarded(handle))
