"""`crossoi backfill`: asks the daemon to fill the past; where none runs, opens the store and fills it itself."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio

from collectors.backfill import UNANSWERED
from collectors.catalogue import catalogue
from collectors.connection import UNREADABLE
from collectors.http import BlockedError, FailedError, Http, LimitedError, utc_ms
from collectors.venue import Segment, Venue
from server import daemon
from server.app import ServeError, World, held, kept, what
from server.backfill import PATH, Backfill, wish_of
from server.settings import Settings

Line = dict[str, Any]
Tell = Callable[[Line], None]
PLAN_COLUMNS = (
    "venue",
    "segment",
    "symbol",
    "subject",
    "from",
    "to",
    "every",
    "questions",
    "seconds",
    "rows",
    "left out",
)


async def fill(settings: Settings, venues: Sequence[str], days: float, dry: bool, told: Tell) -> None:
    """Fill, or plan to, and tell of every step. Raises DaemonError."""
    running = await daemon.running(settings)
    body = {"venues": list(venues), "days": days, "dry_run": dry}
    if running is not None:
        return await ask(running.url, body, told)
    try:
        await alone(settings, body, told, World())
    except ServeError as refused:
        raise daemon.DaemonError(str(refused)) from None


async def ask(url: str, body: Line, told: Tell) -> None:
    """The daemon's own words, line by line."""
    await daemon.work(url + PATH, body, told, refused="fill", kept="filled")


async def alone(settings: Settings, body: Line, told: Tell, world: World) -> None:
    """Without a daemon: the store is ours as long as it takes. Raises ServeError where it cannot be opened."""
    chosen = [v for v in world.venues if settings.venues is None or v.id in settings.venues]
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with kept(settings, world.simulated) as store:
        store.writer.register(chosen)
        put, holds = store.writer.put, await held(store.reader)
        backfill = Backfill(store.store, put, chosen, what(settings, world.simulated), 0.0)
        wish, dry = wish_of(body, [venue.id for venue in chosen], utc_ms())
        async with Http(address=world.address, sink=put, holds=holds) as http:
            async with anyio.create_task_group() as tasks:
                for venue in chosen:
                    for segment in venue.segments:
                        asked = venue.closed_on is None and backfill.collecting.asks(segment, venue.only)
                        if segment.history and asked:
                            tasks.start_soon(list_segment, http, venue, segment, backfill, told)
            if dry:
                for line in await backfill.planned(wish):
                    told(line)
            else:
                await backfill.fill(replace(wish, told=told), http)


async def list_segment(http: Http, venue: Venue, segment: Segment, backfill: Backfill, told: Tell) -> None:
    """What a segment lists, handed to the backfill; a venue that does not answer is said to be left out."""
    try:
        for instrument in await catalogue(http, venue, segment):
            if backfill.collecting.wants(instrument, venue.only):
                backfill.sink(instrument)
    except (FailedError, LimitedError, BlockedError, *UNREADABLE) as fault:
        told({
            "venue": venue.id, "segment": segment.id, "symbol": "", "subject": "catalogue", "done": 0, "total": 0,
            "eta_s": 0.0, "rows": 0, "step_s": 0.0, "from": None, "to": None, "skipped": {str(fault)[:200]: 0},
        })  # fmt: skip


def plan_row(line: Line, dry: bool) -> tuple[Any, ...]:
    """One line as a row of the table."""
    left_out = "; ".join(f"{reason} ({n})" if n else str(reason) for reason, n in line["skipped"].items())
    questions = line["total"] if dry else f"{line['done']} of {line['total']}"
    return (
        line["venue"], line["segment"], line["symbol"], line["subject"], moment(line["from"]), moment(line["to"]),
        f"{line['step_s']:g} s", questions, f"{line['eta_s']:.0f}", None if dry else line["rows"], left_out,
    )  # fmt: skip


def unanswered(line: Line) -> bool:
    """Whether a venue was asked and did not answer."""
    return line["subject"] == "catalogue" or UNANSWERED in line["skipped"]


def moment(ms: int | None) -> str | None:
    return None if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}"
