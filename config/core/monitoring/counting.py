"""Count requests, provider calls, sections and queries in memory; hand them on once a second.

One observation in Prometheus or in Redis costs more than an answer of the front door. A counter in
memory costs almost nothing, and a thread that sleeps until something was counted hands it on.
"""

from __future__ import annotations

import atexit
import threading
import time
from enum import StrEnum
from typing import Final

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from config.core.monitoring.measured import Measured
from config.core.monitoring.prometheus import observe
from config.core.monitoring.store import Key, store
from config.core.redis.process_copies import ProcessCopies

logger = structlog.get_logger(__name__)


class Kind(StrEnum):
    """What is counted, and what its name and outcome are."""

    #: ``GET api/portfolio/accounts``, the status.
    REQUEST = "request"
    #: The provider, ``ok`` or the error's code.
    PROVIDER = "provider"
    #: A section of the dashboard, ``ok`` or why it failed.
    SECTION = "section"
    #: Nothing, ``slow`` or ``timed_out``.
    QUERY = "query"


_KEPT: Final = "counted"
# By kind, name and outcome: all three come from closed sets, so memory is bounded.
_counted: ProcessCopies[dict[Key, Measured]] = ProcessCopies(dict)
_handing_on = threading.Lock()


def count(
    kind: str,
    name: str,
    outcome: str,
    seconds: float,
    *,
    hits: int = 0,
    misses: int = 0,
    database: float = 0.0,
    provider: float = 0.0,
) -> None:
    """Add one duration. Thread-safe; about a microsecond."""
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
    if not _keeper.is_awake:
        _keeper.wake()


def hand_on() -> None:
    """Hand everything counted so far to Prometheus and to Redis."""
    with _handing_on:
        with _counted.lock:
            counted = _counted.get(_KEPT)
            taken = dict(counted)
            counted.clear()
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
    """A thread that hands on what was counted, a second after the first count. It starts with the
    first count, so a process that forks has none."""

    def __init__(self) -> None:
        self.is_awake = False
        self._counted = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def wake(self) -> None:
        if settings.MONITORING_SECONDS <= 0:
            return
        self.is_awake = True
        self._counted.set()
        # A thread of the parent is not alive in a forked child.
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                if self._thread is None:
                    atexit.register(hand_on)
                self._thread = threading.Thread(target=self._run, name="monitoring", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._counted.wait()
            time.sleep(settings.MONITORING_SECONDS)
            self._counted.clear()
            # What is counted from here on wakes the thread again.
            self.is_awake = False
            try:
                hand_on()
            except Exception:
                logger.exception("monitoring.not_handed_on")


_keeper = _Keeper()
