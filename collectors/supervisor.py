"""Keeps every line of every venue alive: a keeper for each segment, in one task group, over one `Http`."""

import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

import anyio

from collectors.board import Last, Worth
from collectors.catalogue import COLLECTING, Collecting
from collectors.coins import Coins
from collectors.feeds import RHYTHM, Delays, Rhythm, backoff, guard
from collectors.http import Address, Clock, Http, Sink, real, utc_ms
from collectors.keeper import Keeper, Run
from collectors.outage import Outage
from collectors.venue import Venue
from collectors.watch import PATIENCE, Patience
from store.records import Gap, Hold


async def run(
    venues: Sequence[Venue],
    sink: Sink,
    *,
    collecting: Collecting = COLLECTING,
    address: Address = real,
    holds: Sequence[Hold] = (),
    gaps: Sequence[Gap] = (),
    delays: Delays = backoff,
    patience: Patience = PATIENCE,
    rhythm: Rhythm = RHYTHM,
    clock: Clock = time.monotonic,
    now: Callable[[], int] = utc_ms,
    worth: Worth = lambda _: None,
    last: Last = lambda _: None,
    beside: Callable[[Http], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Collect from every venue until cancelled. `holds` and open `gaps` are what an earlier run left behind,
    `worth` what it knew of a coin's price, and `last` what it heard last of an instrument.

    `beside` runs along, over the same `Http`, so that whatever it asks is within the venues' budgets.
    """
    async with Http(address=address, sink=sink, holds=holds, clock=clock, now=now) as http:
        outage = Outage(sink, rhythm.incident, clock, now)
        shared = Run(
            http, sink, Coins(now, worth), last, collecting, gaps, patience, rhythm, delays, outage, clock, now
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard, "outage", outage.keep, unheard, backoff)  # no dial waits for it
            if beside is not None:
                tasks.start_soon(guard, "beside", partial(beside, http), unheard, delays, rhythm.settled)
            for venue in venues:
                if venue.closed_on is None:
                    for segment in (s for s in venue.segments if collecting.asks(s, venue.only)):
                        keeper = Keeper(shared, venue, segment)
                        tasks.start_soon(guard, keeper.name, keeper.keep, keeper.broken, delays, rhythm.settled)


def unheard(_: str) -> None:
    """What goes wrong beside the venues is in the log; no venue is the worse for it."""
