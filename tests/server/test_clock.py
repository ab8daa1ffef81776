import anyio
import pytest

from server.clock import Job, keep, next_due, once

pytestmark = pytest.mark.anyio


async def nothing(_: int) -> None:
    pass


def test_a_job_is_due_at_the_full_hour_and_its_delay() -> None:
    job = Job("closes", 3600, nothing, after=300)
    assert next_due(job, 7200.0) == 7500.0
    assert next_due(job, 7500.0) == 11100.0
    assert next_due(job, 7499.9) == 7500.0


async def test_a_failing_job_stops_neither_another_nor_itself() -> None:
    ran: list[tuple[str, int]] = []
    time = [1000.0]
    done = anyio.Event()

    async def bad(due: int) -> None:
        ran.append(("bad", due))
        raise ZeroDivisionError

    async def good(due: int) -> None:
        ran.append(("good", due))
        if len(ran) > 5:
            done.set()

    async def sleep(seconds: float) -> None:
        time[0] += seconds
        await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep, [Job("bad", 60, bad), Job("good", 60, good)], lambda: time[0], sleep)
        with anyio.fail_after(30):
            await done.wait()
        tasks.cancel_scope.cancel()
    assert {name for name, _ in ran[-4:]} == {"bad", "good"}
    assert all(due % 60_000 == 0 for _, due in ran)


async def test_a_job_that_hangs_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    async def hang(_: int) -> None:
        await anyio.sleep_forever()

    assert await once(Job("hanging", 60, hang, limit=0.01), 0) is False
    assert "hanging failed; again in 60 s" in caplog.text
