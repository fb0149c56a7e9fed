"""Do work once that many ask for at the same time, across threads and processes.

With ``SingleFlight`` threads wait for a result in memory, even one that never goes to Redis.
``once_over_processes`` is for results that other processes find in Redis.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from config.core.errors import LockHeld
from config.core.redis.locks import subject_lock

Result = TypeVar("Result")

# How long to wait for another process before doing the work here too.
_WAIT_SECONDS = 1.0
_LOOK_SECONDS = 0.02
_LOCK_SECONDS = 5.0


class _Flight(Generic[Result]):
    """One piece of work under way, and its outcome."""

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.result: Result | None = None
        self.error: BaseException | None = None


class SingleFlight(Generic[Result]):
    """Work by key: callers during the work share its result or error."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[Result]] = {}
        self._lock = threading.Lock()

    def __call__(self, key: Hashable, work: Callable[[], Result]) -> Result:
        with self._lock:
            flight = self._flights.get(key)
            is_ours = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if not is_ours:
            flight.landed.wait()
            if flight.error is not None:
                raise flight.error
            return flight.result  # type: ignore[return-value]
        try:
            flight.result = work()
            return flight.result
        except BaseException as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.landed.set()


def once_over_processes(
    subject: str, *, find: Callable[[], Result | None], make: Callable[[], Result]
) -> Result:
    """Return what ``find`` finds, else what ``make`` makes, in one process at a time.

    ``make`` stores what ``find`` then finds. A process waits a second for another's result, then
    makes its own: the lock only saves work, and nobody waits for a dead process.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        found = find()
        if found is not None:
            return found
        try:
            with subject_lock(subject, seconds=_LOCK_SECONDS):
                # It may have been stored between the first look and the lock.
                found = find()
                return found if found is not None else make()
        except LockHeld:
            if time.monotonic() >= deadline:
                return make()
            time.sleep(_LOOK_SECONDS)
