"""Soak: the whole daemon, every venue, 500 instruments, 20,000 frames a second for half an hour (decisions.md, 32).

`python -m bench.soak [--minutes 30] [--rate 20000]`. The venues are in a process of their own; the daemon in this one
is `server.app.serve`, with its clock, its sweeps and its face, which is asked a question now and then. A line a minute,
a table at the end, figures in bench/soak.json. Ctrl-C ends it early; what was found is kept and marked as short.
Exit 1 where something was missed.
"""

import argparse
import logging
import os
import signal
import sys
import tempfile
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import anyio
import numpy as np
import psutil
from anyio import to_thread

from bench.lags import Lags
from bench.load import Venues, under_load
from bench.soak_report import MINUTES, Balance, Minute, Soak, quantile, spoken
from collectors import supervisor
from collectors.keeper import Keeper, Run
from collectors.ledger import LIVE
from collectors.venue import Segment, Socket, Venue
from collectors.venues import VENUES
from server import app
from server.app import World
from server.loop import run
from server.settings import Settings
from simulator.script import load_all
from store.latest import Verdict
from store.records import Gap, OpenInterest, Record

FURTHER = 13  # assets beside those of the scripts: more than 500 instruments over all venues
WARM_S = 75.0  # the slowest feed asks each instrument once a minute
SAMPLE = 50  # one reading in so many is timed
EVERY_S = 5.0  # between two looks at the memory
THINK_S = 2.0  # between two questions
QUIET_S = 30.0  # for what is under way at the end
QUESTIONS = (
    "open-interest?asset=BTC", "status", "open-interest?asset=SIMA",
    "exchange-intelligence/derivatives-oi-aggregated-all-exchanges/history?asset=ETH&timeframe=24h",
)  # fmt: skip


@dataclass(slots=True)
class Heard:
    """What one minute brought."""

    readings: int = 0
    gaps: int = 0
    dials: int = 0
    asked_ms: list[float] = field(default_factory=list[float])


@dataclass(slots=True)
class Put:
    """What the writer was given."""

    readings: int = 0
    verdicts: list[int] = field(default_factory=lambda: [0] * len(Verdict))
    ids: "array[int]" = field(
        default_factory=lambda: array("q")
    )  # of those that the store was to be looked through for
    times: "array[int]" = field(default_factory=lambda: array("q"))
    raws: "array[float]" = field(default_factory=lambda: array("d"))


class Watch:
    """Stands beside the daemon and counts what passes."""

    def __init__(self, load: Venues, chosen: list[str]) -> None:
        self.load = load
        self.chosen = chosen
        self.heard = Heard()
        self.put = Put()
        self.why: Counter[str] = Counter()
        self.keepers: list[Keeper] = []
        self.lags = Lags(SAMPLE)
        self.lag_ms = array("d")  # of all minutes
        self.memory: list[tuple[float, float, float]] = []
        self.minutes: list[Minute] = []
        self.balance: Balance | None = None
        self.kept: app.Kept | None = None
        self.url = ""
        self.over = False  # what ends now is no interruption
        self.ready = anyio.Event()

    def address(self, venue: Venue, url: str) -> str:
        self.heard.dials += url.startswith("ws")
        return self.load.address(venue, url)

    def keeper(self, run: Run, venue: Venue, segment: Segment) -> Keeper:
        """In the supervisor's place: the same keepers, remembered."""
        keeper = Keeper(run, venue, segment)
        self.keepers.append(keeper)
        return keeper

    async def prepare(self, kept: app.Kept) -> None:
        """Before anything is collected: stand between the daemon and its writer."""
        self.kept = kept
        put, hear = kept.writer.put, kept.writer.latest.hear
        verdicts, counts = self.put.verdicts, self.put

        def heard(r: OpenInterest) -> Verdict:
            verdict = hear(r)
            verdicts[verdict] += 1
            if verdict is Verdict.CHECK:
                counts.ids.append(r.instrument.id)
                counts.times.append(r.ts)
                counts.raws.append(r.raw)
            return verdict

        def taken(record: Record) -> None:
            if record.__class__ is OpenInterest:
                counts.readings += 1
                self.lags.put(record)  # type: ignore[arg-type]  # narrowed by class
            elif isinstance(record, Gap) and record.end is None and not self.over:
                self.heard.gaps += 1
                self.why[f"{record.venue} {record.reason}"] += 1
            put(record)

        kept.writer.latest.hear = heard
        kept.writer.put = taken

    async def answering(self, url: str) -> None:
        self.url = url
        self.ready.set()

    def live(self) -> int:
        """Instruments whose open interest we hear."""
        ledgers = (feed.ledger for keeper in self.keepers for feed in keeper.feeds if not feed.ledger.about)
        return sum(standing.state is LIVE for ledger in ledgers for standing in ledger.standings.values())

    def listed(self) -> int:
        """Instruments that we want to hear."""
        ledgers = (feed.ledger for keeper in self.keepers for feed in keeper.feeds if not feed.ledger.about)
        return sum(len(ledger.standings) for ledger in ledgers)

    def frames(self) -> dict[str, int]:
        """Read over sockets so far, by venue."""
        found: Counter[str] = Counter()
        for keeper in self.keepers:
            for spec, feed in zip(keeper.segment.feeds, keeper.feeds, strict=False):
                found[keeper.venue.id] += feed.counts()[0] if isinstance(spec, Socket) else 0
        return dict(+found)

    def unreadable(self) -> int:
        return sum(feed.counts()[1] for keeper in self.keepers for feed in keeper.feeds)

    async def watch(self, minutes: int, warm_s: float, stop: anyio.Event) -> None:
        """Warm up, then a line a minute, then the balance."""
        await self.ready.wait()
        print(f"warming up for {warm_s:.0f} s", flush=True)
        with anyio.move_on_after(warm_s):
            await stop.wait()
        assert self.kept is not None
        self.heard, self.why = Heard(), Counter()
        self.lags.look(self.kept.writer.progress())
        self.lags.take()
        done = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.remember, done)
            tasks.start_soon(self.ask, done)
            for n in range(1, minutes + 1):
                if stop.is_set():
                    break
                line = await self.minute(n, stop)
                if line is not None:
                    self.minutes.append(line)
                    print(spoken(line), flush=True)
            done.set()
        self.over = True
        self.balance = await self.settled()

    async def minute(self, n: int, stop: anyio.Event) -> Minute | None:
        assert self.kept is not None
        writer, me = self.kept.writer, psutil.Process()
        start, before, put, bad = time.monotonic(), writer.progress(), self.put.readings, self.unreadable()
        sent = await to_thread.run_sync(self.load.sent)
        with anyio.move_on_after(60):
            await stop.wait()
            return None
        more, after = await to_thread.run_sync(self.load.sent), writer.progress()
        heard, self.heard = self.heard, Heard()
        wire_ms, lag_ms = self.lags.take()
        self.lag_ms.extend(lag_ms)
        return Minute(
            n, time.monotonic() - start, more - sent, self.put.readings - put, after.rows - before.rows, self.live(),
            after.shed - before.shed, after.refused - before.refused, heard.gaps, heard.dials,
            self.unreadable() - bad, quantile(wire_ms, 50), quantile(wire_ms, 99), quantile(lag_ms, 50),
            quantile(lag_ms, 99), quantile(heard.asked_ms, 99), me.memory_info().rss / 2**20, self.engine() / 2**20,
            os.getloadavg()[0],
        )  # fmt: skip

    def engine(self) -> int:
        """Bytes that DuckDB says it holds."""
        assert self.kept is not None
        return int(self.asked("SELECT sum(memory_usage_bytes) FROM duckdb_memory()") or 0)

    def asked(self, sql: str) -> Any:
        assert self.kept is not None
        with self.kept.store.cursor() as con:
            found = con.execute(sql).fetchone()
        return None if found is None else found[0]

    async def remember(self, done: anyio.Event) -> None:
        assert self.kept is not None
        me, start = psutil.Process(), time.monotonic()
        while not done.is_set():
            held = await to_thread.run_sync(self.engine)
            self.memory.append((time.monotonic() - start, me.memory_info().rss / 2**20, held / 2**20))
            self.lags.look(self.kept.writer.progress())
            with anyio.move_on_after(EVERY_S):
                await done.wait()

    async def ask(self, done: anyio.Event) -> None:
        """A question now and then, as a reader would."""
        for n in count():
            if done.is_set():
                return
            start = time.monotonic()
            await to_thread.run_sync(fetched, f"{self.url}/api/v1/{QUESTIONS[n % len(QUESTIONS)]}")
            self.heard.asked_ms.append((time.monotonic() - start) * 1000)
            with anyio.move_on_after(THINK_S):
                await done.wait()

    async def settled(self) -> Balance:
        """No more data; what is under way arrives; then both sides are counted."""
        assert self.kept is not None
        with anyio.move_on_after(QUIET_S):
            told, before = await to_thread.run_sync(self.load.told, "over"), -1
            while told["waiting"] or before != (before := sum(self.frames().values())):
                await anyio.sleep(1)
                told = await to_thread.run_sync(self.load.told, "over")
        sent, read = (await to_thread.run_sync(self.load.told, "over"))["venues"], self.frames()
        writer, put = self.kept.writer, self.put
        await to_thread.run_sync(writer.flush, QUIET_S)
        verdicts, progress = list(put.verdicts), writer.progress()
        return Balance(
            sent, read, put.readings, verdicts[Verdict.SKIP], verdicts[Verdict.KEEP] + verdicts[Verdict.REPEAT],
            verdicts[Verdict.CHECK], self.found(verdicts[Verdict.CHECK]),
            int(self.asked("SELECT count(*) FROM readings")), progress.shed, progress.refused,
        )  # fmt: skip

    def found(self, count: int) -> int:
        """How many of the readings that were checked against the store are in it."""
        assert self.kept is not None
        put = self.put
        columns = {"id": put.ids, "ts": put.times, "raw": put.raws}
        checked = {name: np.frombuffer(column, dtype=column.typecode)[:count] for name, column in columns.items()}
        with self.kept.store.cursor() as con:
            con.register("checked", checked)
            found = con.execute(FOUND).fetchone()
        return int(found[0]) if found is not None else 0


FOUND = """
SELECT count(*) FROM checked c WHERE EXISTS (
    FROM readings r WHERE r.instrument_id = c.id AND r.ts = make_timestamp_ms(c.ts) AND r.raw = c.raw
)
"""


def fetched(url: str) -> bytes:
    with urlopen(url, timeout=60) as reply:
        return reply.read()


async def soak(watch: Watch, folder: Path, minutes: int, warm_s: float) -> None:
    """The daemon and the watch beside it, until the minutes are over or somebody interrupts."""
    supervisor.Keeper = watch.keeper  # type: ignore[assignment,misc]  # the same keepers
    settings = Settings(root=folder, mode="demo", port=0, assets=None)
    world = World(
        address=watch.address, simulated=True, venues=[VENUES[id] for id in watch.chosen], prepare=watch.prepare,
        ready=watch.answering,
    )  # fmt: skip
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app.serve, settings, print, world)
        await watch.ready.wait()
        tasks.start_soon(interrupted, stop)
        await watch.watch(minutes, warm_s, stop)
        tasks.cancel_scope.cancel()


async def interrupted(stop: anyio.Event) -> None:
    """In the place of the daemon's own: what was found is to be kept."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            print("ending early", flush=True)
            stop.set()


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench.soak", description="The whole daemon under load.")
    asked.add_argument("--minutes", type=int, default=MINUTES)
    asked.add_argument("--rate", type=float, default=20_000, help="frames a second over all connections")
    asked.add_argument("--warm", type=float, default=WARM_S, help="seconds before the first minute")
    asked.add_argument("--further", type=int, default=FURTHER, help="assets beside those of the scripts")
    said = asked.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    chosen = [id for id in load_all() if id in VENUES and VENUES[id].closed_on is None]
    with tempfile.TemporaryDirectory() as folder, under_load(said.rate, chosen, said.further) as load:
        watch = Watch(load, chosen)
        run(soak, watch, Path(folder), said.minutes, said.warm)
    assert watch.balance is not None
    found = Soak(
        said.rate,
        len(chosen),
        watch.listed(),
        watch.minutes,
        watch.balance,
        watch.memory,
        quantile(watch.lag_ms, 99),
        watch.why,
    )
    found.show()
    found.keep()
    return int(not all(ok for _, _, _, ok in found.checks()))


if __name__ == "__main__":
    sys.exit(main())
