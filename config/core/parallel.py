"""Run several calls in parallel with a deadline, closing each thread's connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from django.db import connections

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_THREADS = 8


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
