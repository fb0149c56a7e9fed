"""Decide whether this process uses the cache or does without it for a while.

After a failure nobody asks it for a pause that doubles up to 15 s; then one call probes. Once it is
back, one call in eight gets through, twice as many every half second, so that a server that has
just started is not overrun. The others read from the source.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.core.caching.config import cache_config
from config.core.redis.client import NotAskedYet
from config.core.redis.process_copies import ProcessCopies

logger = structlog.get_logger(__name__)

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 15.0
#: At first, one in this many calls gets through.
FEWEST: Final = 8
STEP_SECONDS: Final = 0.5


class CacheAvailability:
    """One process's experience with the cache. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget all failures, as if the cache had never been away."""
        self._failures = 0
        self._closed_until = 0.0
        self._back_at: float | None = None
        self._calls = 0
        self._down_since: float | None = None

    @property
    def down_seconds(self) -> float:
        """Return for how long no call has succeeded; 0 while it answers."""
        since = self._down_since
        return 0.0 if since is None else self._clock() - since

    def admits(self) -> bool:
        """Return whether this call asks the cache."""
        if not self._failures and self._back_at is None:
            return True
        with self._lock:
            moment = self._clock()
            if moment < self._closed_until:
                return False
            if self._failures:
                # One call tries; the others wait for what it finds.
                self._closed_until = moment + FIRST_PAUSE
                return True
            return self._is_let_through(moment)

    def _is_let_through(self, moment: float) -> bool:
        one_in = FEWEST >> int((moment - (self._back_at or moment)) / STEP_SECONDS)
        if one_in <= 1:
            self._back_at = None
            return True
        self._calls += 1
        return self._calls % one_in == 0

    def answered(self) -> None:
        """Note that a call succeeded."""
        if not self._failures:
            return
        with self._lock:
            if self._failures:
                logger.info("cache.back", seconds=round(self.down_seconds, 1))
                self._failures, self._closed_until, self._down_since = 0, 0.0, None
                self._back_at, self._calls = self._clock(), 0

    def failed(self, error: Exception) -> None:
        """Note that a call failed."""
        with self._lock:
            if self._down_since is None:
                self._down_since = self._clock()
                config = cache_config()
                logger.warning(
                    "cache.lost", host=config.host, port=config.port, reason=type(error).__name__
                )
            pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
            self._closed_until = self._clock() + pause
            self._failures = min(self._failures + 1, 16)


_kept: ProcessCopies[CacheAvailability] = ProcessCopies(CacheAvailability)


def cache_availability() -> CacheAvailability:
    """Return this process's record."""
    with _kept.lock:
        return _kept.get("cache")


@contextmanager
def noting_availability() -> Iterator[None]:
    """Record whether the cache answers the calls made in the block; errors pass through.

    A refusal (the server is full) is an answer.
    """
    availability = cache_availability()
    try:
        yield
    except (NotAskedYet, MaxConnectionsError):
        raise
    except (RedisConnectionError, RedisTimeoutError) as error:
        availability.failed(error)
        raise
    availability.answered()
