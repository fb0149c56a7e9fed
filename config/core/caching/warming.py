"""Which answers to warm, trading-critical ones first, and how many succeed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from config.core.caching.entry import CachedResult
from config.core.caching.reading import key_of, read_resource
from config.core.caching.resources import Question, Resource, declared_resources
from config.core.clock import now
from config.core.errors import Unavailable
from config.core.redis.client import key, redis_client

logger = structlog.get_logger(__name__)

_KEPT_SECONDS: Final = 2 * 86_400


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """A failure is retried after ``backoff_ms``, then after twice as long each time."""

    max_retries: int = 4
    backoff_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class WarmingConfig:
    """``refresh_threshold``: seconds before expiry at which an answer is recomputed."""

    enabled: bool = True
    critical_symbols: tuple[str, ...] = ()
    refresh_threshold: float = 45.0
    retry_config: RetryConfig = RetryConfig()


def warming_config() -> WarmingConfig:
    """Return the settings' configuration."""
    return WarmingConfig(
        enabled=settings.CACHE_WARMING,
        critical_symbols=tuple(settings.CACHE_WARM_SYMBOLS),
        refresh_threshold=settings.CACHE_WARM_THRESHOLD,
    )


@dataclass(frozen=True, slots=True)
class Warmable:
    """An answer to warm."""

    resource: Resource
    question: Question
    key: str

    def warm(self) -> CachedResult[Any]:
        """Recompute and store the answer. Raises the fetch's error even if an old answer is known;
        ``Unavailable`` if it could not be stored.
        """
        answer = read_resource(self.resource, self.question, refresh=True)
        if answer.stale:
            raise Unavailable(answer.problem or "Only an old answer is known.")
        if answer.ttl_remaining is None:
            raise Unavailable("The cache did not take the answer.")
        self.resource.note_prepared(answer.data)
        return answer


def _log(resource: str, error: Exception) -> None:
    logger.error("cache.nothing_to_warm", resource=resource, exc_info=error)


def answers_to_warm(
    *, critical: bool | None = None, on_failure: Callable[[str, Exception], None] = _log
) -> list[Warmable]:
    """Return all, or those that are (not) trading-critical; critical ones first.

    A resource that cannot list its questions is left out; ``on_failure`` gets its name and why.
    """
    found = []
    for resource in sorted(declared_resources(), key=lambda each: not each.is_critical):
        if critical not in (None, resource.is_critical):
            continue
        try:
            found += [
                Warmable(resource, question, key_of(resource, question))
                for question in resource.questions_to_warm()
            ]
        except Exception as error:  # noqa: BLE001 - one resource stops no other
            on_failure(resource.name, error)
    return found


# --- Counts -------------------------------------------------------------------------
def note_warming(outcome: str) -> None:
    """Count one of today's answers as ``succeeded`` or, after all tries, ``skipped``."""
    name = _today()
    try:
        pipeline = redis_client().pipeline(transaction=False)
        pipeline.hincrby(name, outcome, 1)
        pipeline.expire(name, _KEPT_SECONDS)
        pipeline.execute()
    except RedisError as error:
        logger.debug("cache.warming_not_counted", reason=type(error).__name__)


def warming_counts() -> dict[str, int]:
    """Return today's counts of succeeded and skipped answers. Raises ``RedisError``."""
    counted = redis_client().hgetall(_today())
    return {outcome: int(counted.get(outcome, 0)) for outcome in ("succeeded", "skipped")}


def _today() -> str:
    return key("cache_warming", now().date().isoformat())
