"""Socket to queryable: readings a second into a store file while three readers ask and the clock makes bars."""

import logging
import statistics
import tempfile
import threading
import time
from pathlib import Path

import anyio
import psutil

from bench.figures import Figure
from bench.lags import Lags
from bench.load import Venues, streaming, under_load
from collectors import supervisor
from server.clock import Job, keep
from server.jobs import MINUTE, Kept, in_thread
from store.engine import open_store
from store.reader import Reader
from store.recent import COLUMNS
from store.records import OpenInterest, Record
from store.writer import Writer

RATE = 20_000  # readings a second; of the frames about three quarters are open interest
FRAMES = 35_000  # a second; some two fifths of them are trades and candles, which are no readings
WARM_S, SECONDS = 6, 66  # long enough for the bars of a whole minute to be made in it
WANTED_MS = 250.0
GROWTH = 1.3  # of memory, from a third of the time to the end: flat, and room for noise
THINK_S = 0.05
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
ASSETS = ("BTC", "ETH", "SOL")


def run(seconds: int = SECONDS) -> list[Figure]:
    logging.disable(logging.WARNING)
    # One reading a frame: venues that say all instruments in one frame would make more of a frame than one.
    venues = [v for v in streaming() if per_frame(v.id)]
    try:
        with tempfile.TemporaryDirectory() as folder, under_load(FRAMES, [v.id for v in venues]) as load:
            return anyio.run(ingest, load, Path(folder), venues, seconds)
    finally:
        logging.disable(logging.NOTSET)


def per_frame(venue: str) -> bool:
    """Whether every frame of this venue's script is one open interest of one instrument."""
    from simulator.script import load_all

    sockets = load_all()[venue].sockets
    said = [c for s in sockets for c in s.channels.values() if c.first is not None or c.next]
    return all("oi_" in str((c.first, c.next)) and "$each" not in str((c.first, c.next)) for c in said)


async def ingest(load: Venues, folder: Path, venues: list[supervisor.Venue], seconds: int) -> list[Figure]:
    store = open_store(folder / "store.duckdb", "demo")
    writer = Writer(store, simulated=True)
    reader = Reader(store, writer.latest)
    lags = Lags()
    heard = 0

    def sink(record: Record) -> None:
        nonlocal heard
        if record.__class__ is OpenInterest:
            heard += 1
            lags.put(record)  # type: ignore[arg-type]
        writer.put(record)

    stop = threading.Event()
    asked: list[float] = []
    readers = [threading.Thread(target=ask, args=(reader, asset, stop, asked)) for asset in ASSETS]
    memory: list[int] = []
    built_s: list[float] = []
    kept = Kept(store, reader)

    def build(due: int) -> None:
        began = time.monotonic()
        kept.up(due)
        built_s.append(time.monotonic() - began)

    collecting = supervisor.Collecting(assets=None, simulated=True)

    async def collect() -> None:
        await supervisor.run(venues, sink, collecting=collecting, address=load.address)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(collect)
        tasks.start_soon(keep, [Job("bars", MINUTE, in_thread(build), after=4)])  # as the daemon does
        await anyio.sleep(WARM_S)  # to the beginning of a minute
        for thread in readers:
            thread.start()
        rows, sent, put, start = writer.progress().rows, load.sent(), heard, time.monotonic()
        lags.look(writer.progress())
        lags.take()
        for _ in range(seconds):
            await anyio.sleep(1)
            memory.append(psutil.Process().memory_info().rss)
            lags.look(writer.progress())
        took = time.monotonic() - start
        end = writer.progress()
        rows, sent, put = end.rows - rows, load.sent() - sent, heard - put
        tasks.cancel_scope.cancel()
    stop.set()
    for thread in readers:
        thread.join(10)
    writer.close()
    store.close()
    lag, wire = (statistics.quantiles(ms, n=100) for ms in (lags.queryable_ms, lags.wire_ms))
    grown = memory[-1] / memory[len(memory) // 3]
    load_1m = psutil.getloadavg()[0]
    note = f"of {len(lags.queryable_ms):,} readings: median {lag[49]:.0f} ms; socket to reading p99 {wire[98]:.0f} ms"
    note += f"; bars built in {', '.join(f'{s:.1f}' for s in built_s) or 'no'} s; load average {load_1m:.1f}"
    return [
        Figure("ingest", f"readings a second for {took:.0f} s", put / took, "readings/s", RATE, "higher", None, None,
               f"{sent:,} frames sent, {put:,} readings, of which {rows:,} new enough for a row, {end.shed} shed"),
        Figure("ingest", "socket to queryable, p99", lag[98], "ms", WANTED_MS, "lower", None, None, note),
        Figure("ingest", "memory, end over a third", grown, "times", GROWTH, "lower", memory[len(memory) // 3] / 2**20,
               memory[-1] / 2**20, "MiB"),
        Figure("ingest", "reader's question, p99", statistics.quantiles(asked, n=100)[98] * 1e3, "ms", None, "lower",
               None, statistics.median(asked) * 1e3, f"three readers, {len(asked)} questions"),
    ]  # fmt: skip


def ask(reader: Reader, asset: str, stop: threading.Event, asked: list[float]) -> None:
    """What the tools ask: the newest readings, and the finished minutes of an hour (server.tools.spans.recent)."""
    while not stop.wait(THINK_S):
        now = time.time_ns() // 1_000_000
        start = time.perf_counter()
        reader.latest(asset)
        end = now - now % MINUTE_MS - MINUTE_MS
        reader.bars(asset, end - HOUR_MS, end, MINUTE_MS, columns=COLUMNS)
        asked.append(time.perf_counter() - start)
