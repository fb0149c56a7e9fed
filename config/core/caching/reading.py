"""Read a declared resource: cached, computed once for all who ask, or the last good answer.

One process computes; others wait half the resource's time limit for its answer, then read the
source themselves. If the source fails, an expired answer is served, marked stale.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec
import structlog
from django.db import DatabaseError

from config.core.caching.entry import CachedResult
from config.core.caching.facts import note_cache_hit, note_cache_miss
from config.core.caching.keys import build_key
from config.core.caching.manager import CacheManager, Claim
from config.core.caching.resources import Question, Resource
from config.core.clock import now
from config.core.errors import ApplicationError, ProviderError
from config.core.one_reading import one_reading

logger = structlog.get_logger(__name__)

#: Lifetimes are shortened by up to this share, so that answers do not all expire at once.
JITTER: Final = 0.1
#: A process computing for longer than this counts as dead and may not store its answer.
_CLAIM_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.02

manager = CacheManager()


def key_of(resource: Resource, question: Question) -> str:
    """Return the key of a cached resource's answer to a question."""
    if resource.key is None:
        raise ValueError(f"{resource.name} is never cached")
    scope = resource.scope_of(question.user)
    return build_key(resource.key, question.parameters, scope=scope)


def fresh_answers(
    asked: Mapping[str, tuple[Resource, Question]],
) -> dict[str, CachedResult[Any]]:
    """Return the fresh cached answers by name, in one round trip."""
    cached = {name: each for name, each in asked.items() if each[0].is_cached}
    entries = manager.look_at([key_of(*each) for each in cached.values()])
    found = {}
    for (name, (resource, _)), entry in zip(cached.items(), entries, strict=True):
        answer = manager.opened(entry, resource.body_type) if manager.is_fresh(entry) else None
        if answer is not None:
            note_cache_hit(resource.name)
            found[name] = _told(answer, cached=True)
    return found


def read_resource(
    resource: Resource, question: Question, *, refresh: bool = False
) -> CachedResult[Any]:
    """Return the answer to a question; ``refresh`` recomputes it even if it is cached.

    A resource that is never cached comes straight from its source. Raises the fetch's error if no
    earlier answer is known.
    """
    with one_reading():
        return _read_resource(resource, question, refresh=refresh)


def _read_resource(resource: Resource, question: Question, *, refresh: bool) -> CachedResult[Any]:
    if resource.key is None:
        return CachedResult(resource.read(question), hit=False, timestamp=now())
    known = kept_answer(resource, question)
    if known is not None and known.hit and not refresh:
        note_cache_hit(resource.name)
        return _told(known, cached=True)
    note_cache_miss(resource.name)
    try:
        return _told(_read_once(resource, question, refresh=refresh))
    except (ApplicationError, DatabaseError) as error:
        known = known or resource.fall_back(question)
        if known is None or not _is_failure(error):
            raise
        problem = error.message if isinstance(error, ApplicationError) else "The database failed."
        logger.warning("cache.stale", resource=resource.name, reason=type(error).__name__)
        return _told(replace(known, hit=False, stale=True, problem=problem), cached=True)


def known_answer(resource: Resource, question: Question) -> CachedResult[Any] | None:
    """Return the newest known answer, however old, without asking the source."""
    known = kept_answer(resource, question) or resource.fall_back(question)
    return None if known is None else _told(known, cached=True)


def kept_answer(resource: Resource, question: Question) -> CachedResult[Any] | None:
    """Return the cached answer, even an expired one."""
    return manager.opened(manager.look(key_of(resource, question)).entry, resource.body_type)


def _read_once(resource: Resource, question: Question, *, refresh: bool) -> CachedResult[Any]:
    key = key_of(resource, question)
    # A refresh accepts an answer that somebody else starts computing from now on.
    asked_at = manager.clock() if refresh else 0.0
    deadline = time.monotonic() + resource.time_limit / 2
    while True:
        claim = manager.claim(key, seconds=max(_CLAIM_SECONDS, 2 * resource.time_limit))
        look = manager.look(key)
        found = manager.opened(look.entry, resource.body_type, newer_than=asked_at)
        if found is not None and found.hit:
            if claim is not None:
                manager.release(claim)
            return replace(found, hit=False)
        if claim is not None:
            return _compute(resource, question, claim)
        if not look.is_claimed or time.monotonic() >= deadline:
            return _direct(resource.read(question))
        time.sleep(_LOOK_SECONDS)


def _compute(resource: Resource, question: Question, claim: Claim) -> CachedResult[Any]:
    try:
        body = resource.read(question)
    except BaseException:
        manager.release(claim)
        raise
    ttl = resource.fresh_seconds
    lasts = ttl * random.uniform(1 - JITTER, 1)  # noqa: S311
    stored = manager.store(claim, body, ttl, lasts=lasts, stale_seconds=resource.stale_seconds)
    return stored or _direct(body)


def _direct(body: Any) -> CachedResult[Any]:
    return CachedResult(body, hit=False, age_seconds=0.0, timestamp=now())


def _is_failure(error: Exception) -> bool:
    """Whether the source failed or hit its limit, rather than the question being wrong."""
    if not isinstance(error, ApplicationError) or isinstance(error, ProviderError):
        return True
    return error.status >= 500


def _told(result: CachedResult[Any], *, cached: bool = False) -> CachedResult[Any]:
    """Fill in the fields of a body that say whether and how long it was cached."""
    body = result.data
    if not isinstance(body, msgspec.Struct):
        return result
    facts = {
        "cached": cached,
        "cache_age_seconds": result.age_seconds if cached else None,
        "stale": result.stale,
        "problem": result.problem,
    }
    known = {name: facts[name] for name in facts if name in body.__struct_fields__}
    return replace(result, data=msgspec.structs.replace(body, **known)) if known else result
