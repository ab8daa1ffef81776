"""Socket to records, against a bare `websockets` client on the same connections that only decodes with msgspec."""

import logging
import sys
from collections.abc import Callable

import anyio
import msgspec
from websockets.asyncio.client import connect

from bench.figures import Figure, cpu
from bench.frames import listed
from bench.load import Venues, streaming, under_load
from collectors import supervisor
from collectors.venue import Venue, spelled
from store.records import OpenInterest, Record

RATE, WARM_S, SECONDS = 8_000, 4, 10
WANTED = 2.5


def run() -> list[Figure]:
    logging.disable(logging.WARNING)
    venues = streaming()
    with under_load(RATE, [v.id for v in venues]) as load:
        floor = anyio.run(measured, load, bare, venues)
    with under_load(RATE, [v.id for v in venues]) as load:
        ours = anyio.run(measured, load, records, venues)
    logging.disable(logging.NOTSET)
    note = f"us of CPU a frame at {RATE:,} frames a second, {len(venues)} venues"
    return [Figure("socket", "to records", ours / floor, "times the floor", WANTED, "lower", floor, ours, note)]


async def measured(load: Venues, work: Callable[..., object], venues: list[Venue]) -> float:
    """CPU microseconds of this process a frame sent."""
    counts: list[int] = [0]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, load, venues, counts)
        await anyio.sleep(WARM_S)
        used, sent = cpu(), load.sent()
        await anyio.sleep(SECONDS)
        used, sent = cpu() - used, load.sent() - sent
        tasks.cancel_scope.cancel()
    if counts[0] < sent / 4:
        raise AssertionError(f"{counts[0]} were read of {sent} sent")
    return used / sent * 1e6


async def bare(load: Venues, venues: list[Venue], counts: list[int]) -> None:
    async with anyio.create_task_group() as tasks:
        for venue in venues:
            shape = sys.modules[f"collectors.venues.{venue.id}"].Frame
            for segment in venue.segments:
                wanted = listed(venue, segment)
                for feed in segment.feeds:
                    messages = [spelled(m, 0) for m in feed.subscribe(wanted, 1)]
                    url = load.address(venue, feed.url)
                    tasks.start_soon(client, url, messages, msgspec.json.Decoder(shape, strict=False).decode, counts)


async def client(url: str, messages: list[object], decode: Callable[[bytes], object], counts: list[int]) -> None:
    async with connect(url, max_size=2**24, ping_interval=None) as line:
        for message in messages:
            await line.send(message if isinstance(message, str) else msgspec.json.encode(message).decode())
        while True:
            frame = await line.recv(decode=False)
            try:
                decode(frame)
            except msgspec.MsgspecError:
                continue
            counts[0] += 1


async def records(load: Venues, venues: list[Venue], counts: list[int]) -> None:
    def sink(record: Record) -> None:
        if record.__class__ is OpenInterest:
            counts[0] += 1

    collecting = supervisor.Collecting(assets=None, simulated=True)
    await supervisor.run(venues, sink, collecting=collecting, address=load.address)
