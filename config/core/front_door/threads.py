"""Database work of the door: off the event loop, in few threads that keep no dead connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from django.db import close_old_connections

Result = TypeVar("Result")


class InThread(Protocol):
    """Runs a call in a thread and awaits what it returns."""

    def __call__(self, call: Callable[[], Result]) -> Awaitable[Result]: ...


class DoorThreads:
    """A small pool, made when it is first used: a process that forks has no thread before."""

    def __init__(self, name: str, *, most: int) -> None:
        self._name = name
        self._most = most
        self._pool: ThreadPoolExecutor | None = None

    def __call__(self, call: Callable[[], Result]) -> Awaitable[Result]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix=self._name)
        return asyncio.get_running_loop().run_in_executor(self._pool, _with_connections, call)

    def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _with_connections(call: Callable[[], Any]) -> Any:
    close_old_connections()
    try:
        return call()
    finally:
        close_old_connections()
