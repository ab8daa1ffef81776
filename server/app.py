"""Puts the house together: store, collectors, clock, tools, REST and page in one process. It alone knows them all."""

import logging
import os
import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio import to_thread
from starlette.types import ASGIApp

from collectors import supervisor
from collectors.board import DOLLARS
from collectors.http import Address, real, utc_ms
from collectors.supervisor import Collecting
from collectors.venue import Venue
from collectors.venues import VENUES
from server import daemon, listener, protocol
from server.backfill import Backfill, add_backfill
from server.beside import together, watchers
from server.clock import keep, once
from server.daemon import Daemon, DaemonError
from server.files import Files, add_files
from server.jobs import catch_up, jobs
from server.maps import Maps, Past
from server.page import add_page
from server.rest import SECURITY, add_routes
from server.settings import ASSETS as MAPPED
from server.settings import Settings
from server.sweep import Sweep
from server.tools import TOOLS, House
from server.trust import Trust
from store.engine import REFUSALS, Store, open_store
from store.migrations import VERSION as SCHEMA
from store.reader import Reader
from store.records import Hold, Kind
from store.writer import Writer

log = logging.getLogger(__name__)

Say = Callable[[str], None]
FLUSH_S = 5.0  # what the last batches may take when we stop
WORTH_MS = 2 * 3_600_000  # a coin's price from before a restart says something for so long; it is flagged as old
STARTED_S = 20.0  # what the HTTP server may take to listen


class ServeError(Exception):
    """Why we cannot serve, and what to do."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An open store and its two ends."""

    store: Store
    writer: Writer
    reader: Reader


async def nothing(_: object) -> None:
    """What most worlds need to prepare."""


@dataclass(frozen=True, slots=True)
class World:
    """Where data come from. The default is the real one; the demo puts another in its place."""

    address: Address = real
    simulated: bool = False
    venues: Sequence[Venue] = field(default_factory=lambda: tuple(VENUES.values()))  # what the settings choose from
    prepare: Callable[[Kept], Awaitable[None]] = nothing  # before anything is collected or answered
    ready: Callable[[str], Awaitable[None]] = nothing  # once we answer and are up to date, with our url


async def serve(settings: Settings, say: Say, world: World | None = None) -> None:
    """Serve until SIGTERM, SIGINT or cancellation; then write what waits and leave. Raises ServeError."""
    world = World() if world is None else world
    await refuse_a_second(settings)
    make_home(settings)
    with listening(settings) as line:
        url = f"http://{settings.host}:{line.getsockname()[1]}"
        async with kept(settings, world.simulated, world.venues) as store, anyio.create_task_group() as tasks:
            tasks.start_soon(stop_on_signal, tasks.cancel_scope, say)
            if store.store.replaced is not None:
                say(f"The store was damaged. It was moved to {store.store.replaced}; a new one was started.")
            await world.prepare(store)
            chosen = [v for v in world.venues if settings.venues is None or v.id in settings.venues]
            store.writer.register(chosen)
            maps = Maps(store.reader, settings.home / "maps", settings.assets or MAPPED, settings.thresholds)
            trust = Trust(
                store.reader, store.writer.put, settings.assets or MAPPED, settings.thresholds,
                every=settings.assets is None, now=utc_ms,
            )  # fmt: skip
            house = house_of(settings, store, maps, trust, world.simulated)
            sweep = Sweep(house, store.store, settings.assets or MAPPED)
            current = anyio.Event()
            tasks.start_soon(tend, store, maps, trust, sweep, settings.raw_days, current)
            collecting = what(settings, world.simulated)
            days = 0.0 if world.simulated else settings.backfill_days  # a made-up market writes its own past
            backfill = Backfill(store.store, store.writer.put, chosen, collecting, days, last=store.writer.latest.last)
            tasks.start_soon(collect, settings, chosen, store, world, collecting, backfill)
            files = Files(store.store, settings.home, world.venues)
            tasks.start_soon(files.keep)
            async with answering(face(settings, house, backfill, files), line):
                me = Daemon(pid=os.getpid(), version=daemon.VERSION, url=url, mode=settings.mode)
                daemon.describe(settings.home, me)
                say(f"MCP   {url}/mcp\npage  {url}/\nstore {store.store.path}")
                try:
                    await current.wait()
                    await world.ready(url)
                    await anyio.sleep_forever()
                finally:
                    daemon.forget(settings.home, me.pid)


async def refuse_a_second(settings: Settings) -> None:
    try:
        other = await daemon.running(settings)
    except DaemonError as of_another_version:
        raise ServeError(str(of_another_version)) from None
    if other is not None:
        ask = "crossoi status --demo" if other.mode == "demo" else "crossoi status"
        raise ServeError(f"A crossoi {other.mode} daemon runs already: pid {other.pid}, {other.url}. Ask it: {ask}")


def make_home(settings: Settings) -> None:
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as refused:
        raise ServeError(f"The home cannot be made ({refused}). Set CROSSOI_HOME to a folder you may write.") from None


def listening(settings: Settings) -> socket.socket:
    try:
        return listener.bind(settings.host, settings.port)
    except listener.PortTakenError as taken:
        raise ServeError(f"{taken} Choose another with --port.") from None


@asynccontextmanager
async def kept(
    settings: Settings, simulated: bool, venues: Sequence[Venue] = tuple(VENUES.values())
) -> AsyncGenerator[Kept]:
    """The store, open; flushed and closed at the end whatever happens. Answers count perpetuals, or dated contracts
    where nothing else is collected; of a venue that lists one kind only, they count that.
    """
    try:
        store = await to_thread.run_sync(open_store, settings.store, settings.mode)
    except REFUSALS as refused:
        raise ServeError(str(refused)) from None
    writer = Writer(store, simulated)
    try:
        always = [venue.id for venue in venues if venue.only is not None]
        universe = "dated" if settings.universe == "dated" else "perpetual"
        yield Kept(store, writer, Reader(store, writer.latest, universe=universe, always=always))
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(writer.close, FLUSH_S)
            await to_thread.run_sync(store.close)


def what(settings: Settings, simulated: bool) -> Collecting:
    """What to collect."""
    kinds = frozenset(Kind) if settings.universe == "all" else frozenset({Kind(settings.universe)})
    return Collecting(
        assets=None if settings.assets is None else frozenset(settings.assets),
        universe=kinds,
        poll_every=settings.poll_every_s,
        unanswered_s=settings.unanswered_s,
        jump=settings.jump,
        confirm_s=settings.confirm_s,
        dollars={**DOLLARS, **settings.rates},
        simulated=simulated,
    )


async def collect(
    settings: Settings,
    venues: Sequence[Venue],
    store: Kept,
    world: World,
    collecting: Collecting,
    backfill: Backfill,
) -> None:
    holds = await held(store.reader)
    others = watchers(settings, venues, store.writer.latest, store.writer.put, world.simulated)
    latest = store.writer.latest
    await supervisor.run(
        venues, backfill.sink, collecting=collecting, address=world.address, holds=holds,
        worth=lambda coin: latest.worth(coin, utc_ms() - WORTH_MS), last=latest.last,
        beside=partial(together, (backfill.keep, *others)),
    )  # fmt: skip


async def held(reader: Reader) -> list[Hold]:
    """The waits that venues asked an earlier run for."""
    rows = await to_thread.run_sync(reader.holds)
    return [Hold(str(row["venue"]), int(row["until"]), str(row["reason"])) for row in rows.to_dict("records")]


async def tend(store: Kept, maps: Maps, trust: Trust, sweep: Sweep, raw_days: float, current: anyio.Event) -> None:
    """Make up for the time we did not run, tell so, and then do what the clock asks."""
    await catch_up(store.store, maps, utc_ms())
    current.set()
    work = jobs(store.store, maps, trust, sweep, raw_days)
    first = {job.name: job for job in work}
    await once(first["maps"], utc_ms())  # takes seconds an asset after a month away; all else is ready
    await once(first["sweep"], utc_ms())  # what is usual is known from the start
    await keep(work)
    await to_thread.run_sync(maps.save)


def house_of(settings: Settings, store: Kept, maps: Maps, trust: Trust, simulated: bool) -> House:
    """What the tools and the hourly sweep know."""
    return House(
        reader=store.reader,
        simulated=simulated,
        version=daemon.VERSION,
        started=utc_ms(),
        now=utc_ms,
        thresholds=settings.thresholds,
        map_state=maps.state,
        past_map=Past(settings.thresholds).state,
        plausible=trust.plausible,
        progress=store.writer.progress,
        rates=settings.rates,
    )


def face(settings: Settings, house: House, backfill: Backfill, files: Files) -> ASGIApp:
    """MCP, REST and the page as one application."""
    server = protocol.build(TOOLS, house, daemon.VERSION)
    health = {
        "version": daemon.VERSION,
        "mode": settings.mode,
        "schema": SCHEMA,
        "pid": os.getpid(),
        "assets": list(settings.assets) if settings.assets is not None else None,
    }
    add_routes(server, [function.__name__ for function in TOOLS], health)
    add_page(server)
    add_backfill(server, backfill)
    add_files(server, files)
    # Stateless: a client need not know that we restarted. No plain JSON: it drops progress.
    return server.streamable_http_app(
        host=settings.host, stateless_http=True, json_response=False, transport_security=SECURITY
    )


@asynccontextmanager
async def answering(app: ASGIApp, line: socket.socket) -> AsyncGenerator[None]:
    """The HTTP server, from its first answer on; ended gently, because a cancelled one would not close its streams."""
    server = listener.server(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_server, server, line)
        try:
            with anyio.fail_after(STARTED_S):
                while not server.started:  # noqa: ASYNC110 - uvicorn tells by a flag only
                    await anyio.sleep(0.01)
            yield
        finally:
            server.should_exit = True


async def run_server(server: listener.Quiet, line: socket.socket) -> None:
    with anyio.CancelScope(shield=True):  # ends by `should_exit`, and within listener.GOODBYE_S after that
        await server.serve(sockets=[line])


async def stop_on_signal(scope: anyio.CancelScope, say: Say) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for received in signals:
            say(f"{signal.Signals(received).name}: writing what waits, then leaving.")
            scope.cancel()
            return
