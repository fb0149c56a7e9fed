"""Work the front door starts beside an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

logger = structlog.get_logger(__name__)


class RunningTasks:
    """Tasks of one event loop, referenced until they end so that none is garbage-collected."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def finish(self) -> None:
        """Wait until nothing is left, including what the work itself starts."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cancel(self, *others: asyncio.Future[None] | None) -> None:
        """Cancel all of them and ``others``; return when they have ended."""
        tasks = [task for task in (*others, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Without a grant or a refresh the request was answered all the same.
            logger.warning("front_door.work_failed", reason=type(error).__name__)
