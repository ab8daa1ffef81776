"""Files in and out of the store, for the command line: `crossoi import` and `crossoi export`.

One process owns the store. Where a daemon runs, the command leaves a job in the home, which only its user can write to,
and asks the daemon by the job's name: whoever else may reach the loopback has no file read or written.
"""

import json
import logging
import os
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import duckdb
import msgspec
from anyio import from_thread, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from collectors.imports.mapping import load
from collectors.imports.report import plain
from collectors.imports.work import Stopped, import_files
from collectors.venue import Venue
from server import daemon
from server.protocol import OIServer
from server.rest import guarded
from server.settings import Settings, near
from store.engine import REFUSALS, Store, open_store
from store.export import UnlistedError, export

log = logging.getLogger(__name__)

PATH = "/api/v1/files"
NAME = re.compile(r"[0-9a-f]{32}")
Line = dict[str, Any]
"""{"doing", "share"} while it works, {"report"} of each file, {"exported"}; {"error"} where it ends early."""
Tell = Callable[[Line], None]
FAILURES = (ValueError, OSError, duckdb.Error, Stopped)


class Job(msgspec.Struct, frozen=True):
    """What is to be done. Paths are whole."""

    paths: tuple[str, ...]  # what to import; or the one file to export to
    table: str = ""  # of an export; empty: an import
    mapping: str | None = None
    dry_run: bool = False
    start: int | None = None  # ms UTC
    end: int | None = None
    assets: tuple[str, ...] | None = None


def work(store: Store, venues: Sequence[Venue], job: Job, tell: Tell) -> None:
    """Do it, in a thread of its own. What goes wrong is told, too."""
    try:
        if job.table:
            tell({"doing": f"writing {job.table}", "share": 0.0})
            count = export(store, job.table, Path(job.paths[0]), job.start, job.end, job.assets)
            tell({"exported": count})
            return
        known = {venue.id: venue for venue in venues}
        mapping = None if job.mapping is None else load(Path(job.mapping), known)

        def told(words: str, share: float) -> None:
            tell({"doing": words, "share": share})

        for path in job.paths:
            (report,) = import_files(store, [Path(path)], known, mapping, dry_run=job.dry_run, told=told)
            tell({"report": plain(report)})
    except UnlistedError as wrong:
        tell(
            {
                "error": f"--assets: {wrong} {near(wrong.asset, tuple(wrong.listed)) if wrong.listed else ''}",
                "misused": True,
            }
        )
    except FAILURES as failed:
        tell({"error": str(failed) or failed.__class__.__name__})


async def carry(settings: Settings, job: Job, venues: Sequence[Venue], tell: Tell) -> None:
    """The command's side: by the daemon where one runs, else alone. Raises DaemonError."""
    running = await daemon.running(settings)
    if running is not None:
        return await ask(settings, running.url, job, tell)
    if job.table and isinstance(settings.store, Path) and not settings.store.exists():
        raise daemon.DaemonError(f"There is no store yet: {settings.store}. Nothing was written.")
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = await to_thread.run_sync(open_store, settings.store, settings.mode)
    except (*REFUSALS, OSError) as refused:
        raise daemon.DaemonError(str(refused)) from None
    try:
        await to_thread.run_sync(work, store, venues, job, heard(tell))
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(store.close)


def heard(tell: Tell) -> Tell:
    """Tells from a worker thread, and ends its work where nobody waits for it any more."""

    def told(line: Line) -> None:
        from_thread.check_cancelled()
        from_thread.run_sync(tell, line)

    return told


async def ask(settings: Settings, url: str, job: Job, tell: Tell) -> None:
    name = leave(settings.home, job)
    try:
        await daemon.work(url + PATH, {"job": name}, tell, refused="do it", kept="done")
    finally:
        taken_out(settings.home, name)


def leave(home: Path, job: Job) -> str:
    """Put a job where the daemon finds it. Gives its name."""
    name = uuid4().hex
    folder = home / "jobs"
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(job))
    return name


def taken_out(home: Path, name: str) -> Job | None:
    """The job of this name, once; None where nobody left it."""
    path = home / "jobs" / name
    try:
        job = msgspec.json.decode(path.read_bytes(), type=Job)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    path.unlink(missing_ok=True)
    return job


@dataclass(frozen=True, slots=True)
class Asked:
    """A job that somebody waits for."""

    job: Job
    tell: Tell
    finished: Callable[[], None]


class Files:
    """Owns what the daemon is asked to carry: one job after another, each in a thread."""

    def __init__(self, store: Store, home: Path, venues: Sequence[Venue]) -> None:
        self.store, self.home, self.venues = store, home, venues
        self.send, self.receive = anyio.create_memory_object_stream[Asked](100)

    async def keep(self) -> None:
        """For ever."""
        async with self.send, self.receive:
            async for asked in self.receive:
                try:
                    await to_thread.run_sync(work, self.store, self.venues, asked.job, heard(asked.tell))
                except Exception as fault:  # a bug in reading one file must not end the collecting
                    log.exception("a job of files failed: %s", ", ".join(asked.job.paths))
                    asked.tell({"error": f"A bug: {fault.__class__.__name__}: {fault}"})
                finally:
                    asked.finished()


def add_files(server: OIServer, files: Files) -> None:
    """POST /api/v1/files {"job"}: a line of JSON for every step. It stops if the reader leaves; what is done stays."""

    async def handle(request: Request) -> Response:
        try:
            name = json.loads(await request.body())["job"]
        except (ValueError, TypeError, KeyError):
            name = ""
        job = taken_out(files.home, name) if isinstance(name, str) and NAME.fullmatch(name) else None
        if job is None:
            return JSONResponse({"error": "There is no such job in this daemon's home."}, status_code=404)
        send, receive = anyio.create_memory_object_stream[Line](100_000)

        def tell(line: Line) -> None:
            with suppress(anyio.WouldBlock):  # a slow reader misses progress
                try:
                    send.send_nowait(line)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    if "doing" in line:
                        raise Stopped("Whoever asked has left.") from None

        async def lines() -> AsyncGenerator[str]:
            async with receive:
                async for line in receive:
                    yield f"{json.dumps(line)}\n"

        try:
            files.send.send_nowait(Asked(job, tell, send.close))
        except anyio.WouldBlock:
            return JSONResponse({"error": "Too many files wait already. Try again."}, status_code=503)
        return StreamingResponse(lines(), media_type="application/x-ndjson")

    server.custom_route(PATH, methods=["POST"])(guarded(handle))
