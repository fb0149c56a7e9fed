"""Run work once for all threads that ask for it at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Result = TypeVar("Result")


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
