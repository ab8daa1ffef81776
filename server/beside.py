"""What runs beside the collecting, over the same `Http`: public positions and context, where switched on."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any

import anyio

from collectors.context import Context
from collectors.http import Http, Sink
from collectors.public import Positions
from collectors.sampler import Sampler, Sampling
from collectors.venue import Segment, Venue
from server.settings import ASSETS, Settings
from store.latest import Latest
from store.records import OpenInterest

Work = Callable[[Http], Coroutine[Any, Any, None]]


def watchers(settings: Settings, venues: Sequence[Venue], latest: Latest, put: Sink, simulated: bool) -> Iterator[Work]:
    """Of a made-up market nothing is asked: it has no accounts, and there is nothing to hold it against."""

    def current() -> Sequence[OpenInterest]:
        return [state.current for state in latest.snapshot()]

    if simulated:
        return

    async def context(http: Http) -> None:
        names = {venue.id: venue.name for venue in venues}
        await Context(settings.context_sources, settings.assets or ASSETS, names, http, put, current).keep()

    yield context
    sampling = Sampling(per_minute=settings.positions_per_minute)
    for venue in venues:
        for segment in venue.segments:
            if segment.positions is not None and venue.closed_on is None:
                yield partial(sample, venue, segment, segment.positions, put, current, sampling)


async def sample(
    venue: Venue,
    segment: Segment,
    positions: Positions,
    put: Sink,
    current: Callable[[], Sequence[OpenInterest]],
    sampling: Sampling,
    http: Http,
) -> None:
    await Sampler(venue, segment, positions, http, put, current, sampling).keep()


async def together(works: Sequence[Work], http: Http) -> None:
    async with anyio.create_task_group() as tasks:
        for work in works:
            tasks.start_soon(work, http)
