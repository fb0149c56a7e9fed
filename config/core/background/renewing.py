"""A worker that has grown is renewed: what bulk work leaves in its heap goes back to the system.

An import or a backfill leaves freed memory between what lives on, and copies of pages that were
shared before, which no allocator returns. A fresh process holds a third less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog
from celery.worker import state
from redis.exceptions import RedisError

from config.core.processes.pulse import REPLACE
from config.core.redis.client import key, redis_client

logger = structlog.get_logger(__name__)

#: More of its own than at its start. A worker of a small desk has 20 to 30 after its first hour.
GROWN_MEGABYTES: Final = 45.0
#: Bulk work comes in waves: between two looks of an idle worker less than this came or went.
SETTLED_MEGABYTES: Final = 2.0
YOUNGEST_SECONDS: Final = 60.0
#: A desk whose everyday work needs more is not renewed all the time.
PAUSE_SECONDS: Final = 3600
LOOK_SECONDS: Final = 15.0


class Growth:
    """What a worker held at its start, and when it last looked. ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._looked = clock()
        self._first = self._last = own_megabytes()

    def renew_if_grown(self, *, idle: bool) -> None:
        """Ask Celery for a warm shutdown of a worker that has grown and has nothing more to do.

        It returns what it has fetched to the queue and ends; whoever watches it starts another.
        """
        moment = self._clock()
        old = moment - self._began >= YOUNGEST_SECONDS
        if not (idle and old and self._first) or moment - self._looked < LOOK_SECONDS:
            return
        self._looked = moment
        held, before = own_megabytes(), self._last
        self._last = held
        grown = held - self._first
        if grown < GROWN_MEGABYTES or abs(held - before) >= SETTLED_MEGABYTES:
            return
        with suppress(RedisError):
            if redis_client().set(key("worker.renewed"), "1", nx=True, ex=PAUSE_SECONDS):
                logger.info("worker.renewed", grown_megabytes=round(grown))
                state.should_stop = REPLACE


def own_megabytes() -> float:
    """Return what this process shares with none; 0 where Linux does not tell."""
    with suppress(OSError), open("/proc/self/smaps_rollup", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) / 1024
    return 0.0
