"""One worker a subject: a lock in Redis, with the process's own lock in front of it.

The lock saves work; it is not the fence. What two workers write at the same time is settled by the
database transaction, so the lock may become local to the process while Redis is away.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from config.core.errors import LockHeld
from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import ProcessCopies

logger = structlog.get_logger(__name__)

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_EXTEND = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""

_held_here: ProcessCopies[set[str]] = ProcessCopies(set)


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that is ours until it runs out or the ``with`` block ends."""

    subject: str
    token: str

    def extend(self, seconds: float) -> bool:
        """Keep the lock for ``seconds`` from now. ``False``: it ran out and may be another's."""
        try:
            client = redis_client()
            milliseconds = max(1, int(seconds * 1000))
            return bool(client.eval(_EXTEND, 1, _key(self.subject), self.token, milliseconds))
        except RedisError:
            return True


@contextmanager
def subject_lock(subject: str, *, seconds: float) -> Iterator[HeldLock]:
    """Hold ``subject`` for the block, at most ``seconds`` if the process dies in it.

    Raises ``LockHeld`` at once when another thread or process holds it. Work that may take longer
    than ``seconds`` calls ``extend`` between its steps.
    """
    with _held_here.lock:
        held = _held_here.get("subjects")
        if subject in held:
            raise LockHeld(f"{subject} is being worked on.")
        held.add(subject)
    try:
        lock = HeldLock(subject, secrets.token_hex(12))
        _acquire(lock, seconds)
        try:
            yield lock
        finally:
            _release(lock)
    finally:
        with _held_here.lock:
            _held_here.get("subjects").discard(subject)


def subject_is_locked(subject: str) -> bool:
    """Whether somebody works on ``subject`` now, as far as this process can see."""
    with _held_here.lock:
        if subject in _held_here.get("subjects"):
            return True
    try:
        return bool(redis_client().exists(_key(subject)))
    except RedisError:
        return False


def _acquire(lock: HeldLock, seconds: float) -> None:
    try:
        # GET tells a command that was sent twice (dropped connection) that the lock is its own.
        holder = redis_client().set(
            _key(lock.subject), lock.token, nx=True, get=True, px=max(1, int(seconds * 1000))
        )
    except RedisError as error:
        logger.warning("lock.local_only", subject=lock.subject, reason=type(error).__name__)
        return
    if holder not in (None, lock.token):
        raise LockHeld(f"{lock.subject} is being worked on.")


def _release(lock: HeldLock) -> None:
    try:
        redis_client().eval(_RELEASE, 1, _key(lock.subject), lock.token)
    except RedisError as error:
        logger.warning("lock.left_to_expire", subject=lock.subject, reason=type(error).__name__)


def _key(subject: str) -> str:
    return key("lock", subject)
