"""A pause kept by every process after a provider answered "too many requests"."""

from __future__ import annotations

import time

from redis.exceptions import RedisError

from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import ProcessCopies

#: Longest Retry-After we honour, in seconds.
LONGEST_PAUSE = 3600.0


_ends: ProcessCopies[dict[str, float]] = ProcessCopies(dict)


class SharedPause:
    """Prevents calls to ``name`` while it lasts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = key("pause", name)

    def start(self, seconds: float) -> None:
        """Pause all processes for ``seconds`` from now. A longer running pause stays."""
        seconds = min(seconds, LONGEST_PAUSE)
        if seconds <= self.remaining():
            return
        with _ends.lock:
            _ends.get("pauses")[self.name] = time.monotonic() + seconds
        try:
            redis_client().set(self._key, "1", px=max(1, int(seconds * 1000)))
        except RedisError:
            return

    def remaining(self) -> float:
        """Return seconds left; 0.0 if calls are allowed."""
        with _ends.lock:
            here = max(0.0, _ends.get("pauses").get(self.name, 0.0) - time.monotonic())
        try:
            return max(here, int(redis_client().pttl(self._key)) / 1000)
        except RedisError:
            return here
