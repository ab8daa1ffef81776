"""What the clock runs in this house, and when."""

from collections.abc import Callable, Sequence
from typing import Any

from anyio import to_thread

from server import leads, near
from server.clock import Job, Work
from server.loop import trim
from server.maps import Maps
from server.scored import Scores
from server.sweep import Sweep
from server.trust import Trust
from store import bars
from store.closes import GRACE_MS, write_closes
from store.compact import compact
from store.engine import Store
from store.reader import Reader

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
DAY_MS = 86_400_000


def jobs(store: Store, maps: Maps, trust: Trust, sweep: Sweep, raw_days: float) -> Sequence[Job]:
    house = sweep.house
    scores = Scores(house.reader, store, maps.folder, maps.states, house.simulated, house.now, house.thresholds)
    return (
        Job("bars", MINUTE, in_thread(Kept(store, house.reader).up), after=4),
        Job("maps", MINUTE, in_thread(maps.advance), after=10),
        Job("maps kept", 5 * MINUTE, in_thread(lambda _: maps.save()), after=30),
        Job("map scores", DAY, in_thread(scores.daily), after=90),
        Job("trust", 5 * MINUTE, in_thread(trust.look), after=40),
        Job("trust measured", HOUR, in_thread(trust.measure), after=150),
        Job("maps near", HOUR, in_thread(lambda _: near.keep(sweep.house, store, sweep.assets)), after=35),
        Job("maps blind", HOUR, in_thread(lambda _: near.blind(sweep.house, store, sweep.assets)), after=55),
        Job("sweep", HOUR, in_thread(sweep.run), after=45),
        Job("leads", HOUR, in_thread(lambda _: leads.measure(sweep.house, store, sweep.assets)), after=200),
        Job("closes", DAY, in_thread(lambda due: write_closes(store, due - DAY_MS)), after=GRACE_MS / 1000 + 20),
        Job("order", HOUR, in_thread(lambda due: compact(store, due)), after=150),
        Job("memory", MINUTE, in_thread(lambda _: trim()), after=50),
        Job("retention", HOUR, in_thread(lambda due: bars.retention(store, raw_days, due)), after=90),
    )


class Kept:
    """The minutes' bars, each run going on where the last one that succeeded ended; then the reader is told."""

    def __init__(self, store: Store, reader: Reader) -> None:
        self.store = store
        self.reader = reader
        self.since: int | None = None

    def up(self, due: int) -> None:
        if self.since is None:
            bars.catch_up(self.store, due)
        else:
            bars.keep_up(self.store, self.since, due)
        self.since = due
        self.reader.renew()


def in_thread(work: Callable[[int], Any]) -> Work:
    """Work that would stop the event loop, as a job."""

    async def run(due: int) -> None:
        await to_thread.run_sync(work, due)

    return run


async def catch_up(store: Store, maps: Maps, now: int) -> None:
    """What fell due while nobody ran: the bars since the newest, the closes of the last week, the maps as kept."""
    await to_thread.run_sync(bars.catch_up, store, now)
    await to_thread.run_sync(write_closes, store, now - 8 * DAY_MS, now - GRACE_MS)
    await to_thread.run_sync(maps.load)
