"""A circuit breaker with state shared by all processes in Redis."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from redis.exceptions import RedisError

from config.core.errors import CircuitOpen
from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import ProcessCopies

logger = structlog.get_logger(__name__)

# All scripts use milliseconds. A hash holds failures, open_until and probe_until.
_CHECK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local open_until = tonumber(redis.call('HGET', KEYS[1], 'open_until') or '0')
if open_until == 0 then return 0 end
if now < open_until then return open_until - now end
local probe_until = tonumber(redis.call('HGET', KEYS[1], 'probe_until') or '0')
if now < probe_until then return probe_until - now end
redis.call('HSET', KEYS[1], 'probe_until', string.format('%.0f', now + ARGV[1]))
return 0
"""
_FAIL = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
local open_until = tonumber(redis.call('HGET', KEYS[1], 'open_until') or '0')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if now < open_until then return 0 end
if open_until > 0 or failures >= tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'open_until', string.format('%.0f', now + ARGV[2]))
  redis.call('HDEL', KEYS[1], 'probe_until')
  return 1
end
return 0
"""
_STATE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local open_until = tonumber(redis.call('HGET', KEYS[1], 'open_until') or '0')
if open_until == 0 then return 'closed' end
if now < open_until then return 'open' end
return 'half_open'
"""


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class _Copy:
    failures: int = 0
    #: Redis answers but did not store the last failure (full, read-only), so it lacks it.
    unshared: bool = False
    open_until: float = 0.0
    probe_until: float = 0.0


_copies: ProcessCopies[_Copy] = ProcessCopies(_Copy)


class CircuitBreaker:
    """Opens after ``failures`` failures in a row; after ``cool_down`` seconds one call probes.

    A successful probe closes it, a failed one reopens it. A probe that reports neither (its process
    died) gives way to another after ``probe_seconds``. Without Redis each process goes on with its
    own state, starting from what it saw.
    """

    def __init__(
        self, name: str, *, failures: int = 5, cool_down: float = 30.0, probe_seconds: float = 10.0
    ) -> None:
        self.name = name
        self.failures = failures
        self.cool_down = cool_down
        self.probe_seconds = probe_seconds
        self._key = key("breaker", name)

    def check(self) -> None:
        """Raise ``CircuitOpen`` unless a call is allowed now."""
        answer = self._ask(_CHECK, _ms(self.probe_seconds))
        wait = self._check_copy() if answer is None else int(answer) / 1000
        if wait > 0:
            raise CircuitOpen(
                f"Calls to {self.name} are paused after failures in a row; next in {wait:.0f} s.",
                provider=self.name,
            )

    def record_success(self) -> None:
        with _copies.lock:
            copy = _copies.get(self.name)
            was_open = copy.open_until > 0
            copy.failures, copy.open_until, copy.probe_until = 0, 0.0, 0.0
            copy.unshared = False
        with suppress(RedisError):
            redis_client().delete(self._key)
        if was_open:
            logger.info("breaker.closed", breaker=self.name)

    def record_failure(self) -> None:
        opened = self._fail_copy()
        try:
            # Forget failures in a row if nobody has called for long.
            kept = _ms(max(60.0, 10 * self.cool_down))
            answer = redis_client().eval(
                _FAIL, 1, self._key, self.failures, _ms(self.cool_down), kept
            )
            opened, shared = bool(answer), True
        except RedisError:
            shared = False
        with _copies.lock:
            _copies.get(self.name).unshared = not shared
        if opened:
            logger.warning("breaker.opened", breaker=self.name, cool_down=self.cool_down)

    def state(self) -> BreakerState:
        if (answer := self._ask(_STATE)) is not None:
            return BreakerState(str(answer))
        with _copies.lock:
            copy = _copies.get(self.name)
            if copy.open_until == 0:
                return BreakerState.CLOSED
            open_now = time.monotonic() < copy.open_until
            return BreakerState.OPEN if open_now else BreakerState.HALF_OPEN

    def _ask(self, script: str, *arguments: int) -> Any:
        """Return what Redis says; ``None`` where the process's copy knows more."""
        with _copies.lock:
            if _copies.get(self.name).unshared:
                return None
        try:
            return redis_client().eval(script, 1, self._key, *arguments)
        except RedisError:
            return None

    def _check_copy(self) -> float:
        now = time.monotonic()
        with _copies.lock:
            copy = _copies.get(self.name)
            if copy.open_until == 0:
                return 0.0
            closed_until = max(copy.open_until, copy.probe_until)
            if now < closed_until:
                return closed_until - now
            copy.probe_until = now + self.probe_seconds
            return 0.0

    def _fail_copy(self) -> bool:
        now = time.monotonic()
        with _copies.lock:
            copy = _copies.get(self.name)
            copy.failures += 1
            if now < copy.open_until:
                return False
            if copy.open_until == 0 and copy.failures < self.failures:
                return False
            copy.open_until, copy.probe_until = now + self.cool_down, 0.0
            return True


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
