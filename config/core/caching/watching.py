"""Watch the cache server: whether it answers, and how full it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.dispatch import Signal
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from config.core.caching.availability import cache_availability, noting_availability
from config.core.caching.warming import warming_counts
from config.core.health import CheckResult, register_check

#: Sent in the process that watches, with ``subject``, ``title`` and ``text``; at every look while
#: the trouble lasts.
cache_troubled = Signal()

ALERT_AFTER_SECONDS: Final = 300.0
FULLEST: Final = 0.8


@dataclass(frozen=True, slots=True)
class CacheState:
    """``used``: bytes. ``memory``: their share of the server's limit; ``None`` without a limit."""

    answers: bool
    memory: float | None = None
    used: int | None = None


def cache_state() -> CacheState:
    """Ask the server."""
    try:
        with noting_availability():
            memory = get_redis_connection("default").info("memory")
    except RedisError:
        return CacheState(answers=False)
    limit, used = int(memory.get("maxmemory", 0)), int(memory["used_memory"])
    return CacheState(True, used / limit if limit else None, used)


def watch_cache() -> bool:
    """Check once and report problems. Returns whether the cache has come back since."""
    lost_for = cache_availability().down_seconds
    state = cache_state()
    if not state.answers and lost_for > ALERT_AFTER_SECONDS:
        cache_troubled.send_robust(
            sender=None,
            subject="cache:lost",
            title="The cache does not answer",
            text=f"No answer for {lost_for / 60:.0f} minutes. Pages are slower; numbers are right.",
        )
    if state.memory is not None and state.memory > FULLEST:
        cache_troubled.send_robust(
            sender=None,
            subject="cache:full",
            title="The cache is almost full",
            text=f"{state.memory:.0%} of its memory is used. Give it more, or shorten CACHE_TTLS.",
        )
    return state.answers and lost_for > 0


@register_check("cache")
def _check() -> CheckResult:
    state = cache_state()
    if not state.answers:
        return CheckResult(
            "degraded", detail="The cache does not answer; sources are read directly."
        )
    told = []
    if state.memory is not None:
        told.append(f"{state.memory:.0%} of its memory in use.")
    try:
        counts = warming_counts()
    except RedisError:
        counts = {}
    if total := sum(counts.values()):
        told.append(f"{counts['succeeded'] / total:.1%} of {total} answers made ready today.")
    is_full = state.memory is not None and state.memory > FULLEST
    return CheckResult("degraded" if is_full else "ok", 0.0, " ".join(told))
