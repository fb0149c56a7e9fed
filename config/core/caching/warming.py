"""What is made ready before it is asked, trading-critical answers first, and how well that goes."""

from __future__ import annotations

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
    """A failed try is repeated after ``backoff_ms``, then after twice as long each time."""

    max_retries: int = 4
    backoff_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class WarmingConfig:
    """``refresh_threshold``: seconds before its end at which an answer is made anew."""

    enabled: bool = True
    critical_symbols: tuple[str, ...] = ()
    refresh_threshold: float = 45.0
    retry_config: RetryConfig = RetryConfig()


def warming_config() -> WarmingConfig:
    """Return what the settings say."""
    return WarmingConfig(
        enabled=settings.CACHE_WARMING,
        critical_symbols=tuple(settings.CACHE_WARM_SYMBOLS),
        refresh_threshold=settings.CACHE_WARM_THRESHOLD,
    )


@dataclass(frozen=True, slots=True)
class Warmable:
    """An answer to make ready."""

    resource: Resource
    question: Question
    key: str

    def warm(self) -> CachedResult[Any]:
        """Compute it anew and store it. Raises what the fetch raises, also if an old one is known;
        ``Unavailable`` if it could not be stored.
        """
        answer = read_resource(self.resource, self.question, refresh=True)
        if answer.stale:
            raise Unavailable(answer.problem or "Only an old answer is known.")
        if answer.ttl_remaining is None:
            raise Unavailable("The cache did not take the answer.")
        self.resource.note_prepared(answer.data)
        return answer


def answers_to_warm(*, critical: bool | None = None) -> list[Warmable]:
    """Return all, or those that are (not) trading-critical; critical ones first.

    A resource that cannot say what to make ready is logged and left out.
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
        except Exception:
            logger.exception("cache.nothing_to_warm", resource=resource.name)
    return found


# --- How well it goes -------------------------------------------------------------------------
def note_warming(outcome: str) -> None:
    """Count an answer of today as ``succeeded`` or ``skipped``, after all its tries."""
    name = _today()
    try:
        pipeline = redis_client().pipeline(transaction=False)
        pipeline.hincrby(name, outcome, 1)
        pipeline.expire(name, _KEPT_SECONDS)
        pipeline.execute()
    except RedisError as error:
        logger.debug("cache.warming_not_counted", reason=type(error).__name__)


def warming_counts() -> dict[str, int]:
    """Return how many answers of today succeeded and were skipped. Raises ``RedisError``."""
    counted = redis_client().hgetall(_today())
    return {outcome: int(counted.get(outcome, 0)) for outcome in ("succeeded", "skipped")}


def _today() -> str:
    return key("cache_warming", now().date().isoformat())
