"""Calls in parallel, each with a time limit that also cancels its database query.

Calls of a name have threads of their own: those that hang keep no other name waiting. After each
call a thread closes its database connection, if ``CONN_MAX_AGE`` has a request close its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import DEFAULT_DB_ALIAS, connections

from config.core.database import database_guard
from config.core.errors import Unavailable

logger = structlog.get_logger(__name__)

# A query that begins in the instant of its cancelling is cancelled in the next try.
_CANCEL_AGAIN_SECONDS = 0.05
_CANCEL_TRIES = 40
# How long PostgreSQL may take to accept that a query is cancelled.
_CANCEL_SECONDS = 1.0


class TimeLimitReached(Unavailable):
    """A call took longer than it may. Its query is cancelled; the caller goes on without it."""

    code = "time_limit"


@dataclass(frozen=True, slots=True)
class Work:
    """What to call, and how many seconds it may take from when it was asked for."""

    call: Callable[[], Any]
    seconds: float


class _LimitedCall:
    """One call in a thread of a pool, whose query another thread may cancel."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.ends_at = time.monotonic() + work.seconds
        # Held while a query is cancelled, so that a connection that was given back is left alone.
        self._lock = threading.Lock()
        self._connection: Any = None
        self._is_asking = False
        self._is_given_up = False
        self.finished = threading.Event()

    def run(self) -> Any:
        connection = connections[DEFAULT_DB_ALIAS]
        self._connection = connection
        try:
            with connection.execute_wrapper(self._guarded), database_guard():
                return self._work.call()
        finally:
            with self._lock:
                self._connection = None
            if self._is_given_up and connection.connection is not None:
                # A late cancel must not meet the next one's query.
                connection.connection.close()
                connection.close()
            # As a request does: SQLite's stays open, opening costs more than asking.
            connection.close_if_unusable_or_obsolete()
            self.finished.set()

    def _guarded(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self._is_asking = True
        try:
            # Read after the flag is set: a call given up from here on is cancelled.
            if self._is_given_up:
                raise TimeLimitReached(self.problem)
            return execute(*arguments)
        finally:
            self._is_asking = False

    @property
    def problem(self) -> str:
        return f"Not answered within {self._work.seconds:g} s."

    def give_up(self) -> None:
        self._is_given_up = True

    def cancel_query(self) -> None:
        """Cancel the query that runs, and those that begin while it does not notice."""
        for _ in range(_CANCEL_TRIES):
            with self._lock:
                raw = self._connection and self._connection.connection
                if raw is not None and self._is_asking:
                    _cancel(raw)
            if self.finished.wait(_CANCEL_AGAIN_SECONDS) or not self._is_asking:
                return


def _cancel(raw: Any) -> None:
    """Stop what a driver's connection is doing, from another thread."""
    if hasattr(raw, "interrupt"):
        raw.interrupt()
        return
    try:
        raw.cancel_safe(timeout=_CANCEL_SECONDS)
    except Exception as error:  # noqa: BLE001 - the server's own time-out still ends the query
        logger.warning("query.not_cancelled", reason=type(error).__name__)


class _Pool:
    """The threads of one name, and how many of them run calls that were given up."""

    def __init__(self, name: str, most: int) -> None:
        self.threads = ThreadPoolExecutor(most, thread_name_prefix=name)
        self.most = most
        self.stuck: set[_LimitedCall] = set()

    @property
    def is_stuck(self) -> bool:
        self.stuck = {call for call in self.stuck if not call.finished.is_set()}
        return len(self.stuck) >= self.most


class LimitedCalls:
    """Runs calls by name, at most ``most`` of a name at once.

    Threads are made on first use: a process that forks has none.
    """

    def __init__(self, name: str, *, most: int) -> None:
        self._name = name
        self._most = most
        self._lock = threading.Lock()
        self._pools: dict[str, _Pool] = {}
        self._cancelling: ThreadPoolExecutor | None = None

    def __call__(self, works: Mapping[str, Work]) -> dict[str, Any]:
        """Return the result or the error of each name; ``TimeLimitReached`` for what is late.

        Returns when the last is done or late. Nothing waits for the thread of a late one.
        """
        outcomes: dict[str, Any] = {}
        running: dict[Future[Any], tuple[str, _LimitedCall]] = {}
        for name, work in works.items():
            call, pool = _LimitedCall(work), self._pool(name)
            if pool.is_stuck:
                outcomes[name] = TimeLimitReached("Still busy with earlier questions.")
                continue
            running[pool.threads.submit(copy_context().run, call.run)] = (name, call)
        while running:
            soonest = min(call.ends_at for _, call in running.values())
            done, _ = wait(
                running, timeout=max(0.0, soonest - time.monotonic()), return_when=FIRST_COMPLETED
            )
            for future in done:
                name, _ = running.pop(future)
                outcomes[name] = future.exception() or future.result()
            for future, (name, call) in list(running.items()):
                if not done and call.ends_at <= time.monotonic():
                    del running[future]
                    outcomes[name] = TimeLimitReached(call.problem)
                    self._give_up(name, call, future)
        return {name: outcomes[name] for name in works}

    def _pool(self, name: str) -> _Pool:
        with self._lock:
            if name not in self._pools:
                self._pools[name] = _Pool(f"{self._name}-{name}", self._most)
            return self._pools[name]

    def _give_up(self, name: str, call: _LimitedCall, future: Future[Any]) -> None:
        logger.warning("call.given_up", calls=self._name, name=name, problem=call.problem)
        call.give_up()
        if future.cancel():
            return
        self._pool(name).stuck.add(call)
        with self._lock:
            if self._cancelling is None:
                self._cancelling = ThreadPoolExecutor(2, thread_name_prefix="cancelling")
        self._cancelling.submit(call.cancel_query)
