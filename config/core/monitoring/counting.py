"""Count requests, provider calls, sections and queries in memory; publish them once a second.

One observation in Prometheus or Redis costs more than an answer of the front door. Counting in
memory costs almost nothing; a thread that sleeps until something is counted publishes it.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Protocol
from weakref import WeakSet

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from config.core.monitoring.measured import Measured
from config.core.monitoring.prometheus import observe
from config.core.monitoring.store import Key, store
from config.core.redis.process_copies import ProcessCopies

logger = structlog.get_logger(__name__)


class Kind(StrEnum):
    """What is counted, with the meaning of its name and outcome."""

    #: ``GET api/portfolio/accounts``, the status.
    REQUEST = "request"
    #: The provider, ``ok`` or the error's code.
    PROVIDER = "provider"
    #: A section of the dashboard, ``ok`` or why it failed.
    SECTION = "section"
    #: Nothing, ``slow`` or ``timed_out``.
    QUERY = "query"


class Source(Protocol):
    """Something that counts by itself."""

    def take(self) -> Iterable[tuple[Key, Measured]]:
        """Return what was counted since the last call."""


_KEPT: Final = "counted"
# By kind, name and outcome: all three come from closed sets, so memory is bounded.
_counted: ProcessCopies[dict[Key, Measured]] = ProcessCopies(dict)
_sources: WeakSet[Source] = WeakSet()


def add_source(source: Source) -> None:
    """Publish what ``source`` counts as well, for as long as it lives."""
    _sources.add(source)


def count(
    kind: Kind,
    name: str,
    outcome: str,
    seconds: float,
    *,
    hits: int = 0,
    misses: int = 0,
    database: float = 0.0,
    provider: float = 0.0,
) -> None:
    """Add one duration, with what was counted beside it. Thread-safe."""
    key = (kind, name, outcome)
    with _counted.lock:
        counted = _counted.get(_KEPT)
        measured = counted.get(key)
        if measured is None:
            measured = counted[key] = Measured()
        measured.add(seconds)
        measured.hits += hits
        measured.misses += misses
        measured.database += database
        measured.provider += provider
    if not keeper.is_awake:
        keeper.wake()


def hand_on() -> None:
    """Publish everything counted so far to Prometheus and Redis."""
    with keeper.handing_on:
        with _counted.lock:
            counted = _counted.get(_KEPT)
            taken = dict(counted)
            counted.clear()
        for source in list(_sources):
            for key, measured in source.take():
                taken.setdefault(key, Measured()).merge(measured)
        if not taken:
            return
        for key, measured in taken.items():
            observe(*key, measured)
        try:
            store(taken)
        except RedisError as error:
            # Prometheus has them; a later minute would be a false place for them.
            logger.debug("monitoring.not_stored", reason=type(error).__name__)


class _Keeper:
    """A thread that publishes the counts a second after the first one.

    The first count starts it, so a process that forks has none."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Start over in a forked child: it has no thread, and locks as they were."""
        #: Whether the thread publishes what is counted now.
        self.is_awake = False
        self.handing_on = threading.Lock()
        self._called = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        if settings.MONITORING_SECONDS <= 0:
            return
        self.is_awake = True
        self._called.set()
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._run, name="monitoring", daemon=True
                    )
                    self._thread.start()
                    atexit.register(hand_on)

    def _run(self) -> None:
        while True:
            self._called.wait()
            time.sleep(settings.MONITORING_SECONDS)
            self._called.clear()
            # What is counted from here on wakes the thread again.
            self.is_awake = False
            try:
                hand_on()
            except Exception:
                logger.exception("monitoring.not_handed_on")


keeper: Final = _Keeper()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=keeper.begin_anew)
