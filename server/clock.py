"""What runs by the minute and the hour. Each job has its own task; one that fails is logged and runs when next due."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

log = logging.getLogger(__name__)

Work = Callable[[int], Awaitable[None]]  # is given the moment it was due, ms UTC


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is due every so many seconds of UTC, `after` seconds past the full minute, hour or day."""

    name: str
    every: float  # seconds
    work: Work
    after: float = 0.0  # seconds; so that late readings are in
    limit: float = 600.0  # seconds one run may take


async def keep(
    jobs: Sequence[Job], now: Callable[[], float] = time.time, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
) -> None:
    """Run every job when it is due, until cancelled."""
    async with anyio.create_task_group() as tasks:
        for job in jobs:
            tasks.start_soon(repeat, job, now, sleep, name=job.name)


async def repeat(job: Job, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
    while True:
        due = next_due(job, now())
        await sleep(max(0.0, due - now()))
        await once(job, round(due * 1000))


def next_due(job: Job, at: float) -> float:
    """The first moment after `at` at which the job is due, in seconds."""
    return ((at - job.after) // job.every + 1) * job.every + job.after


async def once(job: Job, due: int) -> bool:
    """Run a job once, within its limit. False if it failed."""
    try:
        with anyio.fail_after(job.limit):
            await job.work(due)
    except Exception:  # one job's failure, whatever it is, must not end the collecting or another job
        log.exception("%s failed; again in %.0f s", job.name, job.every)
        return False
    return True
