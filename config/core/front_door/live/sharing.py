"""Readings shared by all who asked before they started."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from config.core.threads import InThread

Read = TypeVar("Read")


class SharedReadings(Generic[Read]):
    """Readings on one event loop, at most one per name at a time."""

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        self._next: dict[Hashable, asyncio.Task[Read]] = {}
        self._running: dict[Hashable, asyncio.Task[Read]] = {}

    async def __call__(self, name: Hashable, read: Callable[[], Read]) -> Read:
        """Return the result of a reading that starts from now on. Raises its error."""
        task = self._next.get(name)
        if task is None:
            task = self._next[name] = asyncio.create_task(self._run(name, read))
        # A client that leaves must not end what others wait for.
        return await asyncio.shield(task)

    async def _run(self, name: Hashable, read: Callable[[], Read]) -> Read:
        if (before := self._running.get(name)) is not None:
            await asyncio.wait([before])
        # Requests from here on may have come after it started.
        task = self._running[name] = self._next.pop(name)
        try:
            return await self._in_thread(read)
        finally:
            if self._running.get(name) is task:
                del self._running[name]

    def cancel(self) -> None:
        for task in (*self._next.values(), *self._running.values()):
            task.cancel()
