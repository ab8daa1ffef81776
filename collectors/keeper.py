"""Keeps one segment of one venue alive: its catalogue, its board, its feeds, its health; and its faults inside it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import anyio
from anyio.abc import TaskGroup

from collectors.besides import Besides
from collectors.board import Board, Last
from collectors.catalogue import Collecting, catalogue
from collectors.coins import Coins
from collectors.connection import UNREADABLE
from collectors.feeds import Delays, Feeding, Rhythm, explain, guard, keep_socket, rest
from collectors.http import BlockedError, Clock, FailedError, Http, LimitedError, Sink
from collectors.ledger import LIVE, Ledger
from collectors.outage import Outage
from collectors.polls import keep_poll
from collectors.spare import keep_spare
from collectors.venue import Answer, Poll, Remembering, Segment, Socket, Venue
from collectors.watch import Patience
from store.records import Gap, Health, Instrument

EXPIRED_S = 1.0  # after an expiry the catalogue is read again


@dataclass(frozen=True, slots=True)
class Run:
    """What all venues of one run share."""

    http: Http
    sink: Sink
    coins: Coins
    last: Last
    collecting: Collecting
    gaps: Sequence[Gap]
    patience: Patience
    rhythm: Rhythm
    delays: Delays
    outage: Outage
    clock: Clock
    now: Callable[[], int]


class Keeper:
    """Owns one segment of one venue: its catalogue, its board, its feeds, and what is said of its health."""

    def __init__(self, run: Run, venue: Venue, segment: Segment) -> None:
        self.run = run
        self.venue = venue
        self.segment = segment
        self.name = f"{venue.id} {segment.id}"
        self.listing: list[Instrument] = []
        self.board = Board(())
        self.besides = Besides(self.board)
        self.feeds: list[Feeding] = []
        self.groups: list[dict[str, Instrument]] = []
        self.state = ""
        self.detail = ""
        self.began = self.since = run.now()
        self.left = run.gaps  # open ones, of earlier ledgers
        left = (gap for gap in run.gaps if gap.end is None and not gap.symbol)
        self.gap = next((gap for gap in left if (gap.venue, gap.segment) == (venue.id, segment.id)), None)

    async def keep(self) -> None:
        """From the catalogue on, for ever."""
        self.turn("connecting", "reading the catalogue")
        await self.read()
        self.board = Board(
            (),
            simulated=self.run.collecting.simulated,
            dollars=self.run.collecting.dollars,
            coin=self.run.coins,
            last=self.run.last,
            unpriced=not any("mark" in feed.gives for feed in self.segment.feeds),
            sink=self.run.sink,
            verifies=isinstance(self.main(), Socket) and self.spare() is not None,
            alone_ms=int(1000 * self.run.collecting.unanswered_s),
            jump=self.run.collecting.jump,
            confirm_ms=max(
                [
                    int(1000 * self.run.collecting.confirm_s),
                    *(int(3000 * self.period(f)) for f in self.segment.feeds if "oi" in f.gives),
                ]
            ),
        )
        self.run.coins.boards[self.name] = self.board
        self.besides = Besides(self.board)
        self.groups = []
        if self.feeds:  # begun again after a bug: what it left open ends with the next data, and nothing ends twice
            self.left = [gap for feed in self.feeds for gap in feed.ledger.open()]
        self.feeds = list(self.feedings())
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.report)
                spare = self.spare()
                for feed in self.feeds:
                    if spare is not None and not feed.ledger.about:
                        work = partial(keep_spare, feed, spare)
                        lost = partial(feed.ledger.lost, (), "down")  # nobody is the worse for it
                        tasks.start_soon(guard, self.name, work, lost, self.run.delays, self.run.rhythm.settled)
                again = self.run.rhythm.unknown
                for spec, feed in zip(self.segment.feeds, self.feeds, strict=True):
                    feed.elsewhere = partial(self.begin, tasks, spec, feed, moved=True)
                while True:
                    for spec, feed, group in self.enlist():
                        self.begin(tasks, spec, feed, group)
                    again = await self.until_due(again)
                    before = {i.symbol for i in self.listing}
                    await self.read()
                    if before != {i.symbol for i in self.listing}:
                        again = self.run.rhythm.unknown
        except anyio.get_cancelled_exc_class():
            for feed in self.feeds:
                feed.ledger.stop()
            raise

    def feedings(self) -> Iterator[Feeding]:
        """The first feed of open interest speaks for its symbols; the others for what they give."""
        run, spoken_for, names = self.run, False, list[str]()
        for feed in self.segment.feeds:
            main = "oi" in feed.gives and not spoken_for
            spoken_for = spoken_for or main
            gives = ", ".join(sorted(feed.gives))
            names.append(gives)
            alike = names.count(gives)
            ledger = Ledger(
                self.venue.id, self.segment.id, run.sink, about="" if main else gives,
                gaps=self.left, spare=run.rhythm.spare, changed=self.changed, clock=run.clock, now=run.now,
            )  # fmt: skip
            yield Feeding(
                self.venue, self.segment.id, run.http, self.board, self.besides, ledger, run.sink, lambda: self.listing,
                run.patience, run.rhythm, run.delays, self.period(feed), run.clock, run.now,
                gives if alike == 1 else f"{gives} {alike}",
            )  # fmt: skip

    def main(self) -> Socket | Poll | None:
        """What gives open interest."""
        return next((feed for feed in self.segment.feeds if "oi" in feed.gives), None)

    def spare(self) -> Answer | None:
        """How the venue is asked where that is silent or fails; None where nothing stands in for it."""
        return next((answer for answer in self.segment.answers if answer.ask is not None), None)

    def period(self, feed: Socket | Poll) -> float:
        """Seconds between data of one symbol; 0 where silence proves nothing."""
        if isinstance(feed, Socket):
            return feed.cadence or 0.0
        wanted = self.run.collecting.poll_every.get(self.venue.id)
        return wanted if wanted is not None and "oi" in feed.gives else feed.every

    def begin(
        self, tasks: TaskGroup, spec: Socket | Poll, feed: Feeding, group: dict[str, Instrument], *, moved: bool = False
    ) -> None:
        """Keep a line, or a poll, of these instruments going."""
        self.groups.append(group)
        work = partial(keep_socket, moved=moved) if isinstance(spec, Socket) else keep_poll
        lost = partial(feed.ledger.lost, group, "down")
        tasks.start_soon(
            guard, self.name, partial(work, feed, spec, group), lost, self.run.delays, self.run.rhythm.settled
        )

    def enlist(self) -> Iterator[tuple[Socket | Poll, Feeding, dict[str, Instrument]]]:
        """Groups of what the catalogue newly lists. What it lists no more is closed, and so is what has expired."""
        wants = self.run.collecting.wants
        wanted = {i.symbol: i for i in self.listing if wants(i, self.venue.only) and not self.ended(i)}
        carried = {symbol for group in self.groups for symbol in group}
        gone = carried - wanted.keys()
        fresh = [i for symbol, i in wanted.items() if symbol not in carried]
        for group in self.groups:
            for symbol in gone & group.keys():
                del group[symbol]
        for instrument in (*self.board.delist(gone), *self.board.enlist(wanted.values())):
            self.run.sink(instrument)
        self.board.named |= {i.symbol for i in self.listing}
        if not wanted:
            self.turn("waiting", "lists nothing that is asked for")
        for spec, feed in zip(self.segment.feeds, self.feeds, strict=True):
            feed.ledger.close(gone)
            feed.ledger.expect([i.symbol for i in fresh], spec.cadence or self.period(spec) or None)
            size = spec.per_socket if isinstance(spec, Socket) else max(1, len(fresh))
            for place in range(0, len(fresh), size):
                yield spec, feed, {i.symbol: i for i in fresh[place : place + size]}

    def ended(self, instrument: Instrument) -> bool:
        """Whether its contract has expired: a venue may go on listing it for a while."""
        return 0 < instrument.expiry <= self.run.now()

    def until_expiry(self) -> float:
        """Seconds until the next of what is carried expires."""
        expiries = [i.expiry for group in self.groups for i in group.values() if i.expiry > 0]
        return max(0.0, (min(expiries) - self.run.now()) / 1000) + EXPIRED_S if expiries else float("inf")

    async def until_due(self, again: float) -> float:
        """Until the catalogue should be read again: by the clock, because a contract expired, because a step looks like
        another contract size or because a symbol is not in it.

        The last at most every `again` seconds. Gives the next `again`: a catalogue that goes on without a symbol that
        the venue goes on sending is read less and less often.
        """
        board, rhythm, due = self.board, self.run.rhythm, self.run.clock() + again
        unknown, steps = board.unknown, board.steps
        with anyio.move_on_after(min(rhythm.catalogue, self.until_expiry())):
            while board.steps == steps and (board.unknown == unknown or self.run.clock() < due):  # noqa: ASYNC110 - the hot path counts and must not signal
                await anyio.sleep(rhythm.unknown)
            return again if board.steps > steps else min(2 * again, rhythm.catalogue)
        return rhythm.unknown

    async def read(self) -> None:
        """The catalogue, until it can be read."""
        run, delays = self.run, self.run.delays()
        while True:
            try:
                listing = await catalogue(run.http, self.venue, self.segment)
            except (FailedError, LimitedError, BlockedError) as fault:
                ended = explain(run.http, self.venue, fault)
            except UNREADABLE as fault:
                ended = ("down", f"an unreadable catalogue: {fault.__class__.__name__}: {fault}"[:300], None)
            else:
                break
            if not self.listing:
                self.broken(ended[1], ended[0])
            await rest(ended, delays, run.rhythm, run.now)
        moved = [i.symbol for i in listing] != [i.symbol for i in self.listing]
        self.listing = listing
        for spec, feed in zip(self.segment.feeds, self.feeds, strict=False):
            if moved and isinstance(spec, Socket) and isinstance(spec.parse, Remembering):
                for life in feed.lives:  # frames that count places need a parse of the new order
                    life.over.set()

    def broken(self, words: str, state: str = "down") -> None:
        """The segment as a whole cannot be collected."""
        for feed in self.feeds:
            feed.ledger.lost(feed.ledger.standings, state, words)
        if self.gap is None and not self.feeds:
            self.gap = Gap(self.venue.id, self.segment.id, "", self.began, None, f"{state}: {words}")
            self.run.sink(self.gap)
        self.turn(state, words)

    def changed(self) -> None:
        """The best-off symbol speaks for the segment."""
        speakers = [feed.ledger for feed in self.feeds if not feed.ledger.about] or [f.ledger for f in self.feeds]
        best = speakers[0].best() if speakers else None
        if best is not None:
            self.turn(best.state, best.detail)

    def turn(self, state: str, detail: str) -> None:
        changed, self.detail = state != self.state, detail
        if not changed:
            return
        self.state, self.since = state, self.run.now()
        if state == LIVE and self.gap is not None:
            gap, self.gap = self.gap, None
            self.run.sink(Gap(gap.venue, gap.segment, gap.symbol, gap.start, self.since, gap.reason))
        self.run.sink(self.health())
        self.run.outage.turn(self.venue.id, self.segment.id, state, detail)

    def health(self) -> Health:
        frames, unreadable, ignored = map(sum, zip((0, 0, 0), *(feed.counts() for feed in self.feeds), strict=True))
        lags = [lag for feed in self.feeds for lag in feed.lags()]
        ledgers = [feed.ledger for feed in self.feeds if not feed.ledger.about]
        cadences = [ledger.cadence(s) for ledger in ledgers for s in ledger.standings.values()]
        seen = [at for ledger in ledgers for s in ledger.standings.values() if (at := ledger.seen_ms(s))]
        return Health(
            self.venue.id, self.segment.id, "", self.run.now(), self.state, self.since, max(seen, default=None),
            min((cadence for cadence in cadences if cadence is not None), default=None),
            frames, unreadable, self.detail, ignored, self.board.unlisted, median(lags) if lags else None,
            self.run.http.skew_ms(self.venue),
        )  # fmt: skip

    async def report(self) -> None:
        while True:
            await anyio.sleep(self.run.rhythm.report)
            self.board.sample(self.run.now())
            for step in self.besides.priced():
                self.run.sink(step)
            for feed in self.feeds:
                feed.ledger.report()
            self.run.sink(self.health())
