"""Run calls in parallel, each with a time limit that also cancels its database query.

One thread makes a batch's calls in turn as long as they are quick; if none finishes for a moment,
the rest get their own threads. So quick calls cost one thread and one database connection, and no
call waits for a slow one. Each name has a limit of concurrent calls, so hanging calls hold up no
other name. A thread closes its connection at the end if ``CONN_MAX_AGE`` makes requests do so.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.db import DEFAULT_DB_ALIAS, connections

from config.core.database import database_guard
from config.core.errors import Unavailable

logger = structlog.get_logger(__name__)

# If nothing finishes for this long, calls not yet started get their own threads.
_QUICK_SECONDS: Final = 0.01
# More than can hang at once: two calls of each section.
_MOST_THREADS: Final = 32
# A query that starts just as it is cancelled is cancelled by the next attempt.
_CANCEL_AGAIN_SECONDS = 0.05
_CANCEL_TRIES = 40
# How long PostgreSQL may take to accept a cancel request.
_CANCEL_SECONDS = 1.0


class TimeLimitReached(Unavailable):
    """A call hit its time limit. Its query is cancelled; the caller goes on without it."""

    code = "time_limit"


@dataclass(frozen=True, slots=True)
class Work:
    """A call, and its limit in seconds from when it was requested."""

    call: Callable[[], Any]
    seconds: float


class _Name:
    """One name's slots, and the abandoned calls that still occupy one."""

    def __init__(self, most: int) -> None:
        self.places = threading.BoundedSemaphore(most)
        self._most = most
        self._stuck: set[_LimitedCall] = set()

    @property
    def is_stuck(self) -> bool:
        self._stuck = {call for call in self._stuck if not call.finished.is_set()}
        return len(self._stuck) >= self._most

    def note_given_up(self, call: _LimitedCall) -> None:
        self._stuck.add(call)


class _LimitedCall:
    """One call in a thread, whose query another thread may cancel."""

    def __init__(self, work: Work, name: _Name) -> None:
        self._work = work
        self.name = name
        self.ends_at = time.monotonic() + work.seconds
        # Held while a query is cancelled, so that a connection that was given back is left alone.
        self._lock = threading.Lock()
        self._connection: Any = None
        self._is_asking = False
        self._is_given_up = False
        self.has_begun = False
        #: What it returned or raised, once ``finished``.
        self.outcome: Any = None
        self.finished = threading.Event()

    def run(self) -> None:
        """Wait for a slot until the limit, then call."""
        if self.name.places.acquire(timeout=max(0.0, self.ends_at - time.monotonic())):
            try:
                self.has_begun = True
                self.outcome = self._late() if self._is_given_up else self._called()
            except BaseException as error:  # noqa: BLE001 - passed on to the caller
                self.outcome = error
            finally:
                self.name.places.release()
        else:
            self.outcome = self._late()
        self.finished.set()

    def _called(self) -> Any:
        connection = connections[DEFAULT_DB_ALIAS]
        self._connection = connection
        try:
            with connection.execute_wrapper(self._guarded), database_guard():
                return self._work.call()
        finally:
            with self._lock:
                self._connection = None
            if self._is_given_up and connection.connection is not None:
                # A late cancel must not hit the next call's query.
                connection.connection.close()
                connection.close()

    def _guarded(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self._is_asking = True
        try:
            # Read after the flag is set: a call abandoned from here on is cancelled.
            if self._is_given_up:
                raise self._late()
            return execute(*arguments)
        finally:
            self._is_asking = False

    @property
    def problem(self) -> str:
        return f"Not answered within {self._work.seconds:g} s."

    @property
    def is_settled(self) -> bool:
        """Return whether nobody is waiting for it any more."""
        return self._is_given_up or self.finished.is_set()

    def give_up(self) -> None:
        self._is_given_up = True

    def _late(self) -> TimeLimitReached:
        return TimeLimitReached(self.problem)

    def cancel_query(self) -> None:
        """Cancel the running query, and those that start before the call notices."""
        for _ in range(_CANCEL_TRIES):
            with self._lock:
                raw = self._connection and self._connection.connection
                # SQLite also searches while its rows are fetched; stopping it at rest is free.
                may_ask = self._is_asking or hasattr(raw, "interrupt")
                if raw is not None and may_ask:
                    _cancel(raw)
            if self.finished.wait(_CANCEL_AGAIN_SECONDS) or not may_ask:
                return


def _cancel(raw: Any) -> None:
    """Cancel a driver connection's query from another thread."""
    if hasattr(raw, "interrupt"):
        raw.interrupt()
        return
    try:
        raw.cancel_safe(timeout=_CANCEL_SECONDS)
    except Exception as error:  # noqa: BLE001 - the server's own time-out still ends the query
        logger.warning("query.not_cancelled", reason=type(error).__name__)


class _Batch:
    """Calls that threads take from a queue."""

    def __init__(self, calls: Iterable[_LimitedCall]) -> None:
        self._calls = tuple(calls)
        self._rest = deque(self._calls)
        #: Set when a thread ends and nothing is left to wait for.
        self.ended = threading.Event()

    @property
    def waiting(self) -> int:
        """Return how many calls no thread has taken."""
        return len(self._rest)

    def run(self) -> None:
        """Make calls until none is left."""
        try:
            while self._rest:
                try:
                    call = self._rest.popleft()
                except IndexError:
                    break
                call.run()
        finally:
            # As a request does: SQLite's stays open, opening costs more than asking.
            connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
            if all(call.is_settled for call in self._calls):
                self.ended.set()


class LimitedCalls:
    """Runs calls by name, at most ``most`` of a name at once.

    Threads are made on first use: a process that forks has none.
    """

    def __init__(self, name: str, *, most: int) -> None:
        self._name = name
        self._most = most
        self._lock = threading.Lock()
        self._names: dict[str, _Name] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._cancelling: ThreadPoolExecutor | None = None

    def __call__(self, works: Mapping[str, Work]) -> dict[str, Any]:
        """Return each name's result or error; ``TimeLimitReached`` for late calls.

        Returns when the last call is done or late, without waiting for threads of late ones.
        """
        outcomes: dict[str, Any] = {}
        running: dict[str, _LimitedCall] = {}
        for name, work in works.items():
            place = self._named(name)
            if place.is_stuck:
                outcomes[name] = TimeLimitReached("Still busy with earlier questions.")
            else:
                running[name] = _LimitedCall(work, place)
        batch = _Batch(running.values())
        waiting = batch.waiting
        if running:
            self._begin(batch)
        while running:
            seconds = min(call.ends_at for call in running.values()) - time.monotonic()
            if batch.waiting:
                seconds = min(seconds, _QUICK_SECONDS)
            batch.ended.wait(max(0.0, seconds))
            for name, call in list(running.items()):
                if call.finished.is_set():
                    outcomes[name] = call.outcome
                elif call.ends_at <= time.monotonic():
                    outcomes[name] = TimeLimitReached(call.problem)
                    self._give_up(name, call)
                else:
                    continue
                del running[name]
            if batch.waiting == waiting:
                for _ in range(waiting):
                    self._begin(batch)
            waiting = batch.waiting
        return {name: outcomes[name] for name in works}

    def _begin(self, batch: _Batch) -> None:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix=self._name)
        self._threads.submit(copy_context().run, batch.run)

    def _named(self, name: str) -> _Name:
        with self._lock:
            return self._names.setdefault(name, _Name(self._most))

    def _give_up(self, name: str, call: _LimitedCall) -> None:
        logger.warning("call.given_up", calls=self._name, name=name, problem=call.problem)
        call.give_up()
        if not call.has_begun:
            return
        call.name.note_given_up(call)
        with self._lock:
            if self._cancelling is None:
                self._cancelling = ThreadPoolExecutor(2, thread_name_prefix="cancelling")
        self._cancelling.submit(call.cancel_query)
