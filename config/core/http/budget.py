"""A limit on calls in a sliding window, counted across processes in Redis."""

from __future__ import annotations

import random
import secrets
import time
from collections import deque

from redis.exceptions import RedisError

from config.core.errors import RateLimitedError
from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import ProcessCopies

# Microseconds do not survive Lua's number-to-text conversion, so format them by hand.
_ACQUIRE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - window))
if redis.call('ZCARD', KEYS[1]) < limit then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[3])
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1000)
  return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(1, oldest[2] + window - now)
"""

_USED = """
local clock = redis.call('TIME')
local since = clock[1] * 1000000 + clock[2] - tonumber(ARGV[1])
return redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', since), '+inf')
"""

_copies: ProcessCopies[deque[float]] = ProcessCopies(deque)


class CallBudget:
    """At most ``limit`` calls in any ``seconds``, over all processes that use ``name``.

    If Redis is down each process may use half the limit (at least one call): two kinds of process
    call providers.
    """

    def __init__(self, name: str, *, limit: int, seconds: float) -> None:
        if limit < 1 or seconds <= 0:
            raise ValueError(f"budget {name}: at least one call and a window above 0 seconds")
        self.name = name
        self.limit = limit
        self.seconds = seconds

    def try_acquire(self) -> float:
        """Take one call now: 0.0 if granted, else seconds until the next is free."""
        window = int(self.seconds * 1_000_000)
        try:
            wait = redis_client().eval(
                _ACQUIRE, 1, key("budget", self.name), self.limit, window, secrets.token_hex(8)
            )
        except RedisError:
            return self._acquire_here(max(1, self.limit // 2))
        if wait == 0:
            # In the process's copy too, in case Redis vanishes next.
            now = time.monotonic()
            with _copies.lock:
                self._recent(now).append(now)
        return float(wait) / 1_000_000

    def acquire(self, *, wait_up_to: float) -> None:
        """Take one call, waiting for a free slot; ``RateLimitedError`` if the wait is too long."""
        deadline = time.monotonic() + wait_up_to
        while wait := self.try_acquire():
            if time.monotonic() + wait > deadline:
                raise RateLimitedError(
                    f"The call budget {self.name} ({self.limit} in {self.seconds:g} s) is used up.",
                    provider=self.name,
                    retry_after=wait,
                )
            # Do not wake all waiters of a slot at the same instant.
            time.sleep(wait + random.uniform(0.0, min(0.01, wait)))  # noqa: S311

    def used(self) -> int | None:
        """Return all processes' calls in the current window; ``None`` if Redis is down."""
        window = int(self.seconds * 1_000_000)
        try:
            return int(redis_client().eval(_USED, 1, key("budget", self.name), window))
        except RedisError:
            return None

    def _acquire_here(self, limit: int) -> float:
        now = time.monotonic()
        with _copies.lock:
            calls = self._recent(now)
            if len(calls) < limit:
                calls.append(now)
                return 0.0
            return max(1e-6, calls[-limit] + self.seconds - now)

    def _recent(self, now: float) -> deque[float]:
        calls = _copies.get(self.name)
        while calls and calls[0] <= now - self.seconds:
            calls.popleft()
        return calls
