"""The cache warmer: a loop in the streams process that recomputes answers before they expire.

It computes in its own threads and holds no lock that a reader of a fresh answer would wait for. One
process runs it. When a lost cache comes back, everything is due again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from config.core.caching.reading import manager
from config.core.caching.warming import (
    Warmable,
    WarmingConfig,
    answers_to_warm,
    note_warming,
    warming_config,
)
from config.core.caching.watching import watch_cache
from config.core.health import heartbeat, heartbeat_age, heartbeat_check
from config.core.redis.lease import run_as_owner
from config.core.threads import InThread, ThreadPool

logger = structlog.get_logger(__name__)

HEARTBEAT: Final = "cache.warmer"
#: An answer is due 45 seconds before it expires.
LOOK_SECONDS: Final = 25.0
_THREADS: Final = 2
_SILENT_SECONDS: Final = 60.0
_OWNED_AGAIN_SECONDS: Final = 15.0


def warmer_runs() -> bool:
    """Return whether any process runs the warmer now."""
    try:
        age = heartbeat_age(HEARTBEAT) if settings.CACHE_WARMING else None
    except RedisError:
        return False
    return age is not None and age <= _SILENT_SECONDS


async def warm_for_ever() -> None:
    """Run the warmer while this process owns it; wait while another does."""
    while True:
        await run_as_owner(HEARTBEAT, CacheWarmer(warming_config()).start)
        await asyncio.sleep(_OWNED_AGAIN_SECONDS)


class CacheWarmer:
    """One warmer on one event loop. ``clock`` counts seconds."""

    def __init__(
        self,
        config: WarmingConfig,
        *,
        in_thread: InThread | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.config = config
        self._in_thread = in_thread or ThreadPool("warmer", most=_THREADS)
        self._clock = clock
        self._sleep = sleep
        #: When each answer is due; one that is missing here is due now.
        self._due: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._is_stopped = False

    async def start(self) -> None:
        """Warm critical answers, then look every few seconds until stopped."""
        try:
            if self.config.enabled:
                await self.warm_critical_data()
            while not self._is_stopped:
                await asyncio.to_thread(heartbeat, HEARTBEAT)
                if await self._in_thread(watch_cache):
                    # The cache was lost and is back, perhaps empty.
                    self._due.clear()
                if self.config.enabled:
                    await self.look()
                await self._sleep(LOOK_SECONDS)
        finally:
            for task in self._running.values():
                task.cancel()
            if isinstance(self._in_thread, ThreadPool):
                self._in_thread.close()

    async def stop(self) -> None:
        """Start nothing new; let running work finish."""
        self._is_stopped = True
        await self.settle()

    async def settle(self) -> None:
        """Wait until everything started is warm or skipped."""
        while self._running:
            await asyncio.wait(tuple(self._running.values()))

    async def warm_critical_data(self) -> None:
        """Warm all trading-critical answers that are due, and wait for them."""
        begun = await self._begin(critical=True)
        if begun:
            await asyncio.wait(begun)

    async def look(self) -> None:
        """Start whatever is due without waiting."""
        await self._begin()

    def schedule_refresh(self, key: str, ttl: float) -> None:
        """Recompute a key's answer shortly before its ``ttl`` seconds are over."""
        self._due[key] = self._clock() + max(0.0, ttl - self.config.refresh_threshold)

    async def _begin(self, *, critical: bool | None = None) -> list[asyncio.Task[None]]:
        wanted = await self._in_thread(lambda: answers_to_warm(critical=critical))
        if critical is None:
            known = {each.key for each in wanted}
            self._due = {name: due for name, due in self._due.items() if name in known}
            await self._in_thread(lambda: manager.touch(known))
        begun = []
        for each in wanted:
            if each.key in self._running or self._clock() < self._due.get(each.key, 0.0):
                continue
            task = self._running[each.key] = asyncio.create_task(self._refresh(each))
            task.add_done_callback(partial(self._finish, each.key))
            begun.append(task)
        return begun

    def _finish(self, key: str, _: asyncio.Task[None]) -> None:
        self._running.pop(key, None)

    async def _refresh(self, wanted: Warmable) -> None:
        ttl = await self._in_thread(lambda: manager.get_ttl(wanted.key))
        if ttl is not None and ttl > self.config.refresh_threshold:
            # A reader, or another process, made it.
            self.schedule_refresh(wanted.key, ttl)
            return
        retry = self.config.retry_config
        for attempt in range(retry.max_retries + 1):
            if attempt:
                await self._sleep(retry.backoff_ms / 1000 * 2 ** (attempt - 1))
            try:
                answer = await self._in_thread(wanted.warm)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                logger.warning(
                    "cache.not_warmed",
                    resource=wanted.resource.name,
                    attempt=attempt + 1,
                    reason=type(error).__name__,
                )
                continue
            self.schedule_refresh(wanted.key, answer.ttl_remaining or 0.0)
            await asyncio.to_thread(note_warming, "succeeded")
            return
        # Its readers compute it; the next cycle tries again.
        self.schedule_refresh(wanted.key, wanted.resource.fresh_seconds)
        await asyncio.to_thread(note_warming, "skipped")


heartbeat_check(HEARTBEAT, _SILENT_SECONDS)
