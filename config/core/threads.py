"""Database work in threads that never keep a dead connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import ParamSpec, Protocol, TypeVar

from django.db import close_old_connections, connections

Asked = ParamSpec("Asked")
Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_THREADS = 8


def with_connection(
    call: Callable[Asked, Result], *arguments: Asked.args, **named: Asked.kwargs
) -> Result:
    """Call it in this thread; drop the thread's dead or expired connections before and after."""
    close_old_connections()
    try:
        return call(*arguments, **named)
    finally:
        close_old_connections()


class InThread(Protocol):
    """Runs a call in a thread and awaits what it returns."""

    def __call__(self, call: Callable[[], Result]) -> Awaitable[Result]: ...


class ThreadPool:
    """A small pool for the event loop. Made on first use: a process that forks has no thread."""

    def __init__(self, name: str, *, most: int) -> None:
        self._name = name
        self._most = most
        self._pool: ThreadPoolExecutor | None = None

    def __call__(self, call: Callable[[], Result]) -> Awaitable[Result]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix=self._name)
        return asyncio.get_running_loop().run_in_executor(self._pool, with_connection, call)

    def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def for_each(
    items: Sequence[Item], call: Callable[[Item], Result], *, seconds: float
) -> dict[Item, Result | BaseException]:
    """Run ``call`` for each item in parallel; return results and errors by item.

    Items unfinished after ``seconds`` are absent; their threads run until their own timeouts and
    close their database connections. A single item runs in the caller's thread.
    """
    if len(items) == 1:
        try:
            return {items[0]: call(items[0])}
        except Exception as error:  # noqa: BLE001 - the caller decides by item
            return {items[0]: error}

    def run(item: Item) -> Result:
        try:
            return call(item)
        finally:
            connections.close_all()

    pool = ThreadPoolExecutor(max_workers=_MOST_THREADS, thread_name_prefix="accounts")
    try:
        futures: dict[Item, Future[Result]] = {item: pool.submit(run, item) for item in items}
        wait(futures.values(), timeout=seconds)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return {
        item: future.exception() or future.result()
        for item, future in futures.items()
        if future.done() and not future.cancelled()
    }
