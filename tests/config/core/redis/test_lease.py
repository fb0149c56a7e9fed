"""One owner of a piece of work in all processes, and another when it is gone."""

from __future__ import annotations

import asyncio

import pytest
from django.conf import LazySettings

from config.core.redis.client import key, redis_client
from config.core.redis.lease import run_as_owner
from config.core.redis.locks import subject_is_locked
from config.core.redis.process_copies import forget_process_copies

pytestmark = pytest.mark.anyio
SUBJECT = "test.lease"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Work:
    """Runs until it is cancelled."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = False

    async def run(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def cancel(task: asyncio.Task[bool]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_work_of_another_owner_is_not_begun() -> None:
    redis_client().set(key("lock", SUBJECT), "another process", px=10_000)
    work = Work()

    assert await run_as_owner(SUBJECT, work.run) is False
    assert not work.begun.is_set()


async def test_lease_outlives_its_seconds_while_the_work_runs_and_ends_with_it() -> None:
    work = Work()
    task = asyncio.create_task(run_as_owner(SUBJECT, work.run, seconds=0.3))
    await work.begun.wait()
    await asyncio.sleep(0.8)
    assert subject_is_locked(SUBJECT)
    assert not task.done()

    await cancel(task)

    assert work.cancelled
    assert not subject_is_locked(SUBJECT)


async def test_lost_lease_ends_the_work() -> None:
    work = Work()
    task = asyncio.create_task(run_as_owner(SUBJECT, work.run, seconds=0.3))
    await work.begun.wait()
    redis_client().set(key("lock", SUBJECT), "another process", px=10_000)

    assert await asyncio.wait_for(task, 5) is True
    assert work.cancelled
    assert redis_client().get(key("lock", SUBJECT)) == "another process"


async def test_failure_of_the_work_is_raised_and_the_lease_given_back() -> None:
    async def fail() -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await run_as_owner(SUBJECT, fail)
    assert not subject_is_locked(SUBJECT)


async def test_work_goes_on_without_redis(settings: LazySettings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    work = Work()
    task = asyncio.create_task(run_as_owner(SUBJECT, work.run, seconds=0.2))
    await work.begun.wait()
    await asyncio.sleep(0.5)
    assert not task.done()
    await cancel(task)
    assert work.cancelled


async def test_follower_takes_over_when_the_owner_gives_up() -> None:
    first, second = Work(), Work()
    owner = asyncio.create_task(run_as_owner(SUBJECT, first.run, seconds=5))
    await first.begun.wait()
    # As if the second one ran in another process.
    forget_process_copies()
    assert await run_as_owner(SUBJECT, second.run, seconds=5) is False

    await cancel(owner)
    follower = asyncio.create_task(run_as_owner(SUBJECT, second.run, seconds=5))
    await asyncio.wait_for(second.begun.wait(), 5)
    await cancel(follower)
