"""What one process remembers while Redis is down.

Locks, budgets, breakers and pauses live in Redis, where every process sees them. Each also keeps a
copy here, so that losing Redis makes them local instead of absent.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakSet

Copy = TypeVar("Copy")

_all_copies: WeakSet[ProcessCopies[object]] = WeakSet()


class ProcessCopies(Generic[Copy]):
    """One value per name, created on first use. ``lock`` also guards the values."""

    def __init__(self, make: Callable[[], Copy]) -> None:
        self._make = make
        self._values: dict[str, Copy] = {}
        self.lock = threading.Lock()
        _all_copies.add(self)  # type: ignore[arg-type]

    def get(self, name: str) -> Copy:
        """Return the value of ``name``. Hold ``lock`` while calling."""
        if name not in self._values:
            self._values[name] = self._make()
        return self._values[name]

    def forget(self) -> None:
        self._values.clear()

    def renew_after_fork(self) -> None:
        """Start a forked child empty, with a lock that no thread of the parent holds."""
        self._values = {}
        self.lock = threading.Lock()


def forget_process_copies() -> None:
    """Drop all of this process's copies, so that a test starts from nothing."""
    for copies in _all_copies:
        with copies.lock:
            copies.forget()


def _renew_all() -> None:
    for copies in _all_copies:
        copies.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
