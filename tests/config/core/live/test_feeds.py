"""When a feed reads: at the first announcement at once, and once for a burst after it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection
from typing import Any

import pytest

from config.core.live import feeds
from config.core.live.feeds import Feed

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Counting(Feed[str, int]):
    """Reads a number that counts its readings."""

    def __init__(self) -> None:
        super().__init__("key")
        self.readings = 0
        self.told: list[int] = []

    def groups(self, state: int | None) -> Collection[str]:
        return ()

    def read(self, before: int | None) -> int:
        self.readings += 1
        return self.readings

    def snapshot_frame(self) -> str:
        return ""

    def tell(self, before: int, after: int) -> None:
        self.told.append(after)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the feed slept; no time passes otherwise."""

    async def read_here(read: Callable[[], Any]) -> Any:
        return read()

    monkeypatch.setattr(feeds, "read_in_thread", read_here)
    slept: list[float] = []
    sleep, mine = asyncio.sleep, threading.get_ident()

    async def note(seconds: float, result: Any = None) -> None:
        # Servers of other tests have loops in threads of their own.
        is_mine = threading.get_ident() == mine
        if is_mine and seconds:
            slept.append(seconds)
        return await sleep(0 if is_mine else seconds, result)

    monkeypatch.setattr(asyncio, "sleep", note)
    return slept


async def until_told(feed: Counting, number: int) -> None:
    async with asyncio.timeout(10):
        while len(feed.told) < number:
            await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.001)


async def test_first_change_is_read_at_once_and_a_burst_after_it_once(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "DEBOUNCE_SECONDS", 600.0)
    feed = Counting()
    await feed.open()
    try:
        feed._announced({"type": "account.changed"})
        await until_told(feed, 1)
        # Nothing was read lately: no waiting.
        assert clock == []
        for _ in range(50):
            feed._announced({"type": "account.changed"})
        await until_told(feed, 2)
        [pause] = clock
        assert 0 < pause <= 600
        assert feed.told == [2, 3]
    finally:
        await feed.close()
