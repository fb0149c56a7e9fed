"""Locks that let one worker at a time work on a subject.

redis-py's ``Lock`` excludes other processes. A set of held subjects in front of it excludes this
process's threads, even if Redis is down. The lock only saves work and is no fence: the database
transaction settles what two workers write at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from config.core.errors import LockHeld
from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import ProcessCopies

logger = structlog.get_logger(__name__)

_held_here: ProcessCopies[set[str]] = ProcessCopies(set)


class HeldLock(Lock):
    """A lock we hold until it expires or the ``with`` block ends."""

    def __init__(self, subject: str, seconds: float) -> None:
        # A lease is acquired and released in different threads.
        super().__init__(redis_client(), key("lock", subject), seconds, thread_local=False)

    def do_acquire(self, token: str | bytes) -> bool:
        # Set before SET: a command that timed out may have run, and must still be released.
        self.local.token = token
        # GET recognises our own token if a dropped connection made redis-py send SET twice.
        holder = self.redis.set(
            self.name, token, nx=True, get=True, px=max(1, int((self.timeout or 0) * 1000))
        )
        return holder is None or self.redis.get_encoder().encode(holder) == token

    def keep(self, seconds: float) -> bool:
        """Hold the lock for ``seconds`` from now. ``False``: somebody else has it.

        A lock that expired, or that a restarted Redis forgot, is taken again. If Redis is down the
        lock stays ours.
        """
        self.timeout = seconds
        try:
            return self.reacquire()
        except LockError:
            pass
        except RedisError:
            return True
        try:
            return bool(self.acquire(blocking=False))
        except RedisError:
            return True


@contextmanager
def subject_lock(subject: str, *, seconds: float, needs_redis: bool = False) -> Iterator[HeldLock]:
    """Hold ``subject`` for the block, at most ``seconds`` if the process dies in it.

    Raises ``LockHeld`` at once if another thread or process holds it, and with ``needs_redis`` also
    if Redis is down; otherwise only this process is locked then. Work that may exceed ``seconds``
    calls ``keep`` between its steps.
    """
    with _held_here.lock:
        held = _held_here.get("subjects")
        if subject in held:
            raise LockHeld(f"{subject} is being worked on.")
        held.add(subject)
    try:
        lock = HeldLock(subject, seconds)
        try:
            if not lock.acquire(blocking=False):
                raise LockHeld(f"{subject} is being worked on.")
        except RedisError as error:
            if needs_redis:
                raise LockHeld(f"{subject} cannot be locked without Redis.") from error
            logger.warning("lock.local_only", subject=subject, reason=type(error).__name__)
        try:
            yield lock
        finally:
            _release(lock, subject)
    finally:
        with _held_here.lock:
            _held_here.get("subjects").discard(subject)


def subject_is_locked(subject: str) -> bool:
    """Return whether somebody is working on ``subject`` now, as far as this process can see."""
    with _held_here.lock:
        if subject in _held_here.get("subjects"):
            return True
    try:
        return bool(redis_client().exists(key("lock", subject)))
    except RedisError:
        return False


def _release(lock: HeldLock, subject: str) -> None:
    try:
        lock.release()
    except LockError:
        # It expired, or Redis was down when it was taken: nothing to release.
        pass
    except RedisError as error:
        logger.warning("lock.left_to_expire", subject=subject, reason=type(error).__name__)
