"""Samples the positions that a venue shows to everyone: holders are met in its trades, and the largest are asked first.

What is seen is a part of the truth, and never all of it: who has not traded since we began is not known to us. So the
share of the venue's open interest that was seen is stated with it, and of the field's sides it can only be shown that
they are not two: more seen on one side than half of what is published.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
from websockets.asyncio.client import ClientConnection, connect

from collectors.board import factor
from collectors.budget import Rank
from collectors.connection import UNREADABLE, beat, leaf, text
from collectors.feeds import BROKEN, Delays, backoff
from collectors.http import BlockedError, Clock, FailedError, Http, LimitedError, Sink, proxy, utc_ms
from collectors.public import Dealt, Held, Positions
from collectors.venue import Segment, Venue
from collectors.watch import HUM_S, MAJORS, SilentError
from store.records import Event, Instrument, OpenInterest, Position, Side

log = logging.getLogger(__name__)

SEEN = "positions_seen"
SLACK = 1.05  # positions were seen at different moments
SETTLED_S = 30.0  # trades must have flowed for so long before the next wait is short again
LOOK_S = 1.0  # between two looks whether there is anyone to ask, or any market to listen to


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much is asked."""

    per_minute: float = 20.0  # questions; 0: nothing is asked and nobody listened to
    again_s: float = 900.0  # the same holder is not asked again before
    kept_s: float = 3600.0  # a position counts as open so long after it was seen
    report_s: float = 300.0
    most: int = 20_000  # holders that are remembered
    silent_s: float = 2 * HUM_S + 5.0  # without a trade the line is dialled again, where a major coin is on it
    listed_s: float = 10.0  # so long a new listing waits for others before the line is dialled for it


SAMPLING = Sampling()


@dataclass(slots=True)
class Holder:
    """What we know of one account."""

    dealt: float = 0.0  # USD traded in our sight
    asked: float = -math.inf  # by the clock
    usd: float = 0.0  # what it held when last asked
    held: dict[str, Position] = field(default_factory=dict[str, Position])

    @property
    def size(self) -> float:
        return max(self.dealt, self.usd) if self.asked == -math.inf else self.usd


class Sampler:
    """Owns what is known of the holders of one segment. `current` gives the newest readings."""

    def __init__(
        self,
        venue: Venue,
        segment: Segment,
        positions: Positions,
        http: Http,
        sink: Sink,
        current: Callable[[], Sequence[OpenInterest]],
        sampling: Sampling = SAMPLING,
        *,
        simulated: bool = False,
        delays: Delays = backoff,
        clock: Clock = time.monotonic,
        now: Callable[[], int] = utc_ms,
    ) -> None:
        self.venue = venue
        self.segment = segment
        self.positions = positions
        self.http = http
        self.sink = sink
        self.current = current
        self.sampling = sampling
        self.simulated = simulated
        self.delays = delays
        self.clock = clock
        self.now = now
        self.holders: dict[str, Holder] = {}
        self.unreadable = 0
        self.heard = 0.0  # by the clock: the last trade, or when the line was opened

    async def keep(self) -> None:
        """For ever, unless nothing is to be asked."""
        if self.sampling.per_minute <= 0:
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.listen)
            tasks.start_soon(self.question)
            tasks.start_soon(self.tell)

    def readings(self) -> dict[str, OpenInterest]:
        ours = (self.venue.id, self.segment.id)
        return {r.instrument.symbol: r for r in self.current() if (r.instrument.venue, r.instrument.segment) == ours}

    async def listen(self) -> None:
        """One connection with the trades after another."""
        delays = self.delays()
        while True:
            while not (readings := self.readings()):  # noqa: ASYNC110 - the catalogue is another's to read
                await anyio.sleep(LOOK_S)
            begun = self.clock()
            try:
                await self.http.dial(self.venue)
                await self.line([r.instrument for r in readings.values()])
            except BROKEN as fault:
                log.info("%s: the trades of holders ended: %s", self.venue.id, fault)
            if self.heard - begun > SETTLED_S:
                delays = self.delays()
            await anyio.sleep(next(delays))

    async def line(self, instruments: Sequence[Instrument]) -> None:
        """One connection, until it ends."""
        url = self.http.address(self.venue, self.positions.url)
        async with connect(url, open_timeout=15, close_timeout=0.5, proxy=proxy(url)) as line:
            try:
                async with anyio.create_task_group() as tasks:
                    if self.positions.heartbeat is not None:
                        tasks.start_soon(beat, line, self.positions.heartbeat, self.now)
                    tasks.start_soon(self.subscribe, line, instruments)
                    tasks.start_soon(self.watch, instruments)
                    while True:
                        self.frame(await line.recv())
            except BaseExceptionGroup as group:
                raise leaf(group) from group

    async def subscribe(self, line: ClientConnection, instruments: Sequence[Instrument]) -> None:
        for message in self.positions.subscribe(instruments):
            await line.send(text(message, self.now()))
            await anyio.sleep(self.positions.pace)

    async def watch(self, instruments: Sequence[Instrument]) -> None:
        """Ends the line, by an error, when it says nothing or lacks what is listed by now. Only trades count."""
        self.heard = self.clock()
        majors, symbols = any(i.asset in MAJORS for i in instruments), {i.symbol for i in instruments}
        whole = self.clock()
        while True:
            await anyio.sleep(min(LOOK_S, self.sampling.listed_s))
            now = self.clock()
            if majors and now - self.heard > self.sampling.silent_s:
                raise SilentError("stale", f"no trade for {now - self.heard:.1f} s")
            if self.readings().keys() <= symbols:
                whole = now
            elif now - whole >= self.sampling.listed_s:
                raise SilentError("closed", "more is listed than it carries")

    def frame(self, frame: str | bytes) -> None:
        try:
            dealt = list(self.positions.learn(self.positions.decode(frame)))
        except UNREADABLE:
            self.unreadable += 1
            return
        if dealt:
            self.heard = self.clock()
        for one in dealt:
            self.hear(one)

    def hear(self, dealt: Dealt) -> None:
        """Somebody traded."""
        if not 0 < dealt.size * dealt.price < math.inf:
            return
        holder = self.holders.setdefault(dealt.holder, Holder())
        holder.dealt += dealt.size * dealt.price
        if len(self.holders) > self.sampling.most:  # the smaller half is forgotten; who is large will be met again
            largest = sorted(self.holders.items(), key=lambda item: item[1].size, reverse=True)
            self.holders = dict(largest[: self.sampling.most // 2])

    def next(self) -> str | None:
        """The largest who was not asked lately."""
        due = self.clock() - self.sampling.again_s
        waiting = [(holder.size, name) for name, holder in self.holders.items() if holder.asked <= due]
        return max(waiting)[1] if waiting else None

    async def question(self) -> None:
        """One holder after the other, at the pace that was chosen."""
        every = 60.0 / self.sampling.per_minute
        while True:
            name = self.next()
            if name is None:
                await anyio.sleep(min(LOOK_S, every))
                continue
            rest = every
            self.holders[name].asked = self.clock()
            try:
                self.take(name, await self.http.ask(self.venue, self.positions.ask(name), Rank.PAST))
            except LimitedError as limited:
                rest += max(0.0, (limited.until - self.now()) / 1000)
            except BlockedError as blocked:
                log.warning("%s: may not be asked for positions: %s", self.venue.id, blocked)
                rest += 300.0
            except FailedError as failed:
                log.info("%s: no positions: %s", self.venue.id, failed)
            except UNREADABLE as fault:
                self.unreadable += 1
                log.info("%s: unreadable positions: %s", self.venue.id, fault)
            await anyio.sleep(rest)

    def take(self, name: str, reply: bytes) -> None:
        """What one account holds now. What it held before and holds no more is closed: a size of zero."""
        seen, readings = self.now(), self.readings()
        holder = self.holders.setdefault(name, Holder())
        held: dict[str, Position] = {}
        for said in self.positions.held(self.positions.read(reply)):
            reading = readings.get(said.symbol)
            if reading is not None and (position := self.position(name, said, reading, seen)) is not None:
                held[said.symbol] = position
        for symbol, before in holder.held.items():
            if symbol not in held:
                self.sink(Position(before.instrument, seen, name, before.side, 0.0, None, None, None, self.simulated))
        for position in held.values():
            self.sink(position)
        holder.held = held
        holder.usd = sum(p.base * readings[symbol].mark for symbol, p in held.items())

    def position(self, name: str, said: Held, reading: OpenInterest, seen: int) -> Position | None:
        native_usd, scale = factor(reading.instrument, said.unit)
        base = said.size * scale / reading.mark if native_usd else said.size * scale
        if not 0 < base < math.inf:
            return None
        unit = reading.instrument.base_factor
        entry, price, leverage = (
            n if n is not None and 0 < n < math.inf else None
            for n in (
                None if said.entry is None else said.entry / unit,
                None if said.liquidation_price is None else said.liquidation_price / unit,
                said.leverage,
            )
        )
        return Position(reading.instrument, seen, name, said.side, base, entry, price, leverage, self.simulated)

    async def tell(self) -> None:
        while True:
            await anyio.sleep(self.sampling.report_s)
            for event in self.report():
                self.sink(event)

    def report(self) -> list[Event]:
        """What was seen of each instrument, beside what the venue publishes."""
        now, told = self.now(), list[Event]()
        for symbol, reading in self.readings().items():
            positions = [h.held[symbol] for h in list(self.holders.values()) if symbol in h.held]
            positions = [p for p in positions if now - p.seen <= 1000 * self.sampling.kept_s]
            if not positions or not reading.base > 0:
                continue
            long, short = (sum(p.base for p in positions if p.side is side) for side in (Side.LONG, Side.SHORT))
            detail = {
                "segment": self.segment.id, "symbol": symbol, "holders": len(positions), "long": long, "short": short,
                "raw": reading.raw, "field": str(reading.field.key), "sides": reading.field.sides,
                "covered": (long + short) / (2 * reading.base),
                "says": says(long, short, reading.base * reading.field.sides),
            }  # fmt: skip
            told.append(Event(now, SEEN, reading.instrument.asset, self.venue.id, json.dumps(detail)))
        return told


def says(long: float, short: float, published: float) -> str:
    """What coins seen long and short say of a field that publishes so many, all of them counted.

    A field of both sides has half of itself on each. To have seen less proves nothing, because nobody has seen all.
    """
    return "consistent_with_one" if max(long, short) > SLACK * published / 2 else "undecided"
