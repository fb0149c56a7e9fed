"""Remove cached answers that a change made wrong, and record what was removed.

Runs after the commit, so that whoever recomputes an answer reads what was written. A failure is
logged, and the answers expire by themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from django.db import transaction
from redis.exceptions import RedisError

from config.core.caching.changes import Change
from config.core.caching.keys import patterns_of_all, patterns_of_scope, patterns_over_account
from config.core.caching.reading import manager
from config.core.caching.resources import Resource, declared_resources
from config.core.clock import now
from config.core.errors import Unavailable
from config.core.redis.client import key, redis_client

logger = structlog.get_logger(__name__)

#: Roughly how many events are kept, and how many keys each names.
KEPT_EVENTS: Final = 1_000
_MOST_KEYS: Final = 200
_STREAM: Final = key("cache_invalidations")


class CacheInvalidationEvent(msgspec.Struct, frozen=True):
    """What a change removed. ``removed`` counts unnamed keys too."""

    event_type: str
    affected_keys: list[str]
    timestamp: datetime
    triggered_by: str
    removed: int


def invalidate_after_commit(
    change: Change, *, triggered_by: str, account_ids: Iterable[str]
) -> None:
    """Invalidate, after the commit, the answers affected by a change."""
    transaction.on_commit(
        partial(
            invalidate_changed,
            change,
            triggered_by=triggered_by,
            account_ids=frozenset(account_ids),
        ),
        robust=True,
    )


def invalidate_changed(
    change: Change,
    *,
    triggered_by: str,
    account_ids: Collection[str] = (),
    users: Collection[Any] = (),
) -> CacheInvalidationEvent | None:
    """Invalidate the affected answers over these accounts, and these users' own.

    With neither, everybody's. Returns ``None`` if the cache could not be reached.
    """
    patterns = [
        pattern
        for resource in declared_resources()
        if change in resource.changed_by
        for pattern in _patterns(resource, account_ids, users)
    ]
    return _invalidated(change, patterns, triggered_by)


def clear_cache(pattern: str, *, triggered_by: str) -> CacheInvalidationEvent:
    """Remove the answers matching a shell pattern, for an operator.

    Raises ``InvalidInput`` for an impossible pattern, ``Unavailable`` without the cache.
    """
    return _record(Change.MANUAL_CLEAR, manager.invalidated(pattern), triggered_by)


def recent_invalidations(most: int = 50) -> list[CacheInvalidationEvent]:
    """Return the newest events first. Raises ``redis.exceptions.RedisError``."""
    rows: Any = redis_client().xrevrange(_STREAM, count=most)
    return [msgspec.json.decode(fields["event"], type=CacheInvalidationEvent) for _, fields in rows]


def _patterns(
    resource: Resource, account_ids: Collection[str], users: Collection[Any]
) -> list[str]:
    pattern = resource.key or ""
    if not account_ids and not users:
        return patterns_of_all(pattern)
    found = []
    for account_id in account_ids:
        found += patterns_over_account(pattern, account_id, is_private=not resource.is_public)
    for user in users:
        found += patterns_of_scope(pattern, resource.scope_of(user))
    return found


def _invalidated(
    change: Change, patterns: list[str], triggered_by: str
) -> CacheInvalidationEvent | None:
    try:
        removed = manager.invalidated(*patterns)
    except Unavailable as error:
        logger.error(
            "cache.not_invalidated",
            change=change.value,
            triggered_by=triggered_by,
            patterns=patterns,
            reason=error.message,
        )
        return None
    return _record(change, removed, triggered_by)


def _record(change: Change, removed: list[str], triggered_by: str) -> CacheInvalidationEvent:
    """Record an event for operators to see; losing a record does no other harm."""
    event = CacheInvalidationEvent(
        change.value, removed[:_MOST_KEYS], now(), triggered_by, len(removed)
    )
    try:
        redis_client().xadd(
            _STREAM,
            {"event": msgspec.json.encode(event)},
            maxlen=KEPT_EVENTS,
            approximate=True,
        )
    except RedisError as error:
        logger.warning("cache.invalidation_not_recorded", reason=type(error).__name__)
    return event
