"""Work done by exactly one process, for as long as it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from config.core.errors import LockHeld
from config.core.redis.locks import subject_lock

logger = structlog.get_logger(__name__)


async def run_as_owner(
    subject: str,
    work: Callable[[], Coroutine[Any, Any, None]],
    *,
    seconds: float = 15.0,
    needs_redis: bool = False,
) -> bool:
    """Run ``work`` while this process owns ``subject``; ``False`` at once if another owns it.

    The lease is renewed three times in ``seconds``; if a process dies, another can take over after
    that time. A process that could not renew in time (it was stopped, its machine slept) ends the
    work if another has taken the lease. If Redis is down running work goes on; with ``needs_redis``
    none begins.
    """
    lock = subject_lock(subject, seconds=seconds, needs_redis=needs_redis)
    try:
        held = await asyncio.to_thread(lock.__enter__)
    except LockHeld:
        return False
    task = asyncio.create_task(work(), name=subject)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=seconds / 3)
            if not task.done() and not await asyncio.to_thread(held.keep, seconds):
                logger.warning("lease.lost", subject=subject)
                return True
        task.result()
        return True
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(lock.__exit__, None, None, None)
