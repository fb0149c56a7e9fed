"""Readings are shared by those who asked before they began, and by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from config.core.front_door.live.sharing import SharedReadings

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Threads:
    """Runs a call when told to."""

    def __init__(self) -> None:
        self.begun: list[asyncio.Future[Any]] = []

    async def __call__(self, call: Callable[[], Any]) -> Any:
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begun.append(end)
        value = call()
        await end
        return value

    async def until(self, count: int) -> None:
        while len(self.begun) < count:
            await asyncio.sleep(0)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_while_one_runs_shares_the_next_which_reads_anew() -> None:
    threads, truth = Threads(), ["old"]
    read = SharedReadings[str](threads)

    def ask() -> asyncio.Task[str]:
        return asyncio.create_task(read("key", lambda: truth[0]))

    first = ask()
    await threads.until(1)
    later = [ask() for _ in range(100)]
    await settle()
    # Committed after they asked, before their reading began.
    truth[0] = "new"
    assert len(threads.begun) == 1
    threads.begun[0].set_result(None)
    await threads.until(2)
    threads.begun[1].set_result(None)
    assert await first == "old"
    assert set(await asyncio.gather(*later)) == {"new"}
    assert len(threads.begun) == 2


async def test_other_keys_wait_for_nothing() -> None:
    threads = Threads()
    read = SharedReadings[str](threads)
    tasks = [asyncio.create_task(read(name, lambda: "body")) for name in ("one", "two")]
    await threads.until(2)
    for end in threads.begun:
        end.set_result(None)
    assert await asyncio.gather(*tasks) == ["body", "body"]


async def test_error_reaches_all_who_share_it_and_the_next_reading_is_new() -> None:
    threads = Threads()
    read = SharedReadings[str](threads)

    def fail() -> str:
        raise ValueError("no")

    shared = [asyncio.create_task(read("key", fail)) for _ in range(2)]
    assert [type(each) for each in await asyncio.gather(*shared, return_exceptions=True)] == [
        ValueError,
        ValueError,
    ]
    well = asyncio.create_task(read("key", lambda: "body"))
    await threads.until(2)
    threads.begun[-1].set_result(None)
    assert await well == "body"


async def test_client_that_leaves_ends_no_others_reading() -> None:
    threads = Threads()
    read = SharedReadings[str](threads)
    leaves, stays = (asyncio.create_task(read("key", lambda: "body")) for _ in range(2))
    await threads.until(1)
    leaves.cancel()
    await settle()
    threads.begun[0].set_result(None)
    assert await stays == "body"
