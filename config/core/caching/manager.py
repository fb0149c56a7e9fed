"""The cache manager: stores answers in Redis, never one older than an invalidation.

Whoever computes an answer first claims its key: a random token beside it, its generation. Storing
checks the token and writes in one script. An invalidation first removes the claims that match, then
the answers: what was computed before it can no longer be stored, and what was stored is removed
(docs/decisions/0035-claims-are-generations.md).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Any, Final

import msgspec
import structlog
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from config.core.caching.availability import cache_availability, noting_availability
from config.core.caching.entry import SCHEMA, CachedResult, CacheEntry, pack, result_of, unpack
from config.core.caching.keys import build_key
from config.core.caching.resources import resource_named
from config.core.errors import Unavailable, invalid
from config.core.redis.client import key as redis_key

logger = structlog.get_logger(__name__)

_ANSWERS: Final = redis_key("cache", "")
_CLAIMS: Final = redis_key("cache_claim", "")
_SCANNED_AT_ONCE: Final = 1_000
_REMOVED_AT_ONCE: Final = 500
_LONGEST_PATTERN: Final = 512

# KEYS: claim, answer. ARGV: token, entry, milliseconds.
_STORE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[1])
return 1
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to store one answer, until it expires or an invalidation takes it away."""

    key: str
    token: str


@dataclass(frozen=True, slots=True)
class Look:
    """A key's entry, fresh or not, and whether somebody is computing it."""

    entry: CacheEntry | None
    is_claimed: bool


class CacheManager:
    """Reads and writes answers. Without Redis a read finds nothing and a write stores nothing."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock

    def build_key(self, name: str, parameters: Mapping[str, Any], *, scope: str = "") -> str:
        """Return the key of a declared resource's answer."""
        return build_key(resource_named(name).key or name, parameters, scope=scope)

    def get(self, key: str, body_type: Any = Any) -> Any | None:
        """Return a fresh answer's body; ``None`` if there is none."""
        return self.get_cached(key, body_type).data

    def get_cached(self, key: str, body_type: Any = Any) -> CachedResult[Any]:
        """Return a fresh answer with its age; a miss if there is none."""
        entry = self.look(key).entry
        found = self.opened(entry, body_type) if self.is_fresh(entry) else None
        return found or CachedResult(None, hit=False)

    def exists(self, key: str) -> bool:
        """Return whether there is a fresh answer."""
        return self.is_fresh(self.look(key).entry)

    def get_ttl(self, key: str) -> float | None:
        """Return the seconds the answer stays fresh; ``None`` if it is not."""
        entry = self.look(key).entry
        return entry.expires_at - self.clock() if entry and self.is_fresh(entry) else None

    def set(self, key: str, value: Any, ttl: float, *, stale_seconds: float = 0) -> bool:
        """Store an answer even if others are computing it. Returns whether it was stored."""
        stored, milliseconds = self._packed(key, value, ttl, ttl, stale_seconds)

        def write() -> bool:
            pipeline = _redis().pipeline(transaction=True)
            pipeline.delete(_CLAIMS + key)
            pipeline.set(_ANSWERS + key, stored, px=milliseconds)
            pipeline.execute()
            return True

        return bool(_attempt(write, "set"))

    def invalidate(self, *patterns: str) -> int:
        """Remove the answers whose keys match a shell pattern; return how many.

        Raises ``InvalidInput`` for an impossible pattern, ``Unavailable`` without Redis: then the
        answers stay until they expire.
        """
        return len(self.invalidated(*patterns))

    def invalidated(self, *patterns: str) -> list[str]:
        """Like ``invalidate``, but return the keys."""
        wanted = _compiled(patterns)
        if not wanted:
            return []
        try:
            with noting_availability():
                # In this order: see the module's docstring.
                list(_removed(_CLAIMS, wanted))
                return sorted(_removed(_ANSWERS, wanted))
        except RedisError as error:
            raise Unavailable(
                f"The cache does not answer ({type(error).__name__}); nothing was cleared for "
                "certain, and answers end with their time."
            ) from error

    def touch(self, keys: Collection[str]) -> None:
        """Mark the answers as used, so that the server evicts others first."""
        if keys:
            _attempt(lambda: _redis().touch(*(_ANSWERS + key for key in keys)), "touch")

    # --- For reading through ------------------------------------------------------------------
    def look(self, key: str) -> Look:
        """Return a key's entry and claim."""
        found = _attempt(lambda: _redis().mget(_ANSWERS + key, _CLAIMS + key), "get")
        stored, claim = found or (None, None)
        return Look(unpack(stored), claim is not None)

    def look_at(self, keys: Sequence[str]) -> list[CacheEntry | None]:
        """Return the entries under keys, fresh or not, in one round trip."""
        if not keys:
            return []
        found = _attempt(lambda: _redis().mget([_ANSWERS + key for key in keys]), "get")
        return [unpack(stored) for stored in found or [None] * len(keys)]

    def is_fresh(self, entry: CacheEntry | None) -> bool:
        return entry is not None and self.clock() < entry.expires_at

    def opened(
        self, entry: CacheEntry | None, body_type: Any, *, newer_than: float = 0.0
    ) -> CachedResult[Any] | None:
        """Return the entry's answer; ``None`` if another release wrote a different body."""
        if entry is None or entry.created_at <= newer_than:
            return None
        try:
            data = msgspec.json.decode(entry.value, type=body_type)
        except msgspec.DecodeError as error:
            logger.warning("cache.not_read", key=entry.key, reason=str(error))
            return None
        at = self.clock()
        return result_of(entry, data, at=at, hit=at < entry.expires_at)

    def claim(self, key: str, *, seconds: float) -> Claim | None:
        """Claim a key for as long as computing its answer may take.

        ``None`` if somebody else holds it, or without Redis.
        """
        token = secrets.token_hex(8)
        milliseconds = max(1, int(seconds * 1000))
        held = _attempt(
            lambda: _redis().set(_CLAIMS + key, token, nx=True, px=milliseconds), "claim"
        )
        return Claim(key, token) if held else None

    def store(
        self, claim: Claim, value: Any, ttl: float, *, lasts: float, stale_seconds: float = 0
    ) -> CachedResult[Any] | None:
        """Store an answer computed under a claim; ``None`` if the claim is gone.

        ``lasts``: seconds it stays fresh, ``ttl`` less some jitter.
        """
        stored, milliseconds = self._packed(claim.key, value, ttl, lasts, stale_seconds)
        names = (_CLAIMS + claim.key, _ANSWERS + claim.key)
        if not _attempt(
            lambda: _redis().eval(_STORE, 2, *names, claim.token, stored, milliseconds), "store"
        ):
            return None
        entry = unpack(stored)
        return None if entry is None else result_of(entry, value, at=self.clock(), hit=False)

    def release(self, claim: Claim) -> None:
        """Give up a claim without an answer."""
        _attempt(lambda: _redis().eval(_RELEASE, 1, _CLAIMS + claim.key, claim.token), "release")

    def _packed(
        self, key: str, value: Any, ttl: float, lasts: float, stale_seconds: float
    ) -> tuple[bytes, int]:
        at = self.clock()
        entry = CacheEntry(SCHEMA, key, ttl, at, at + lasts, msgspec.json.encode(value))
        return pack(entry), max(1, int((lasts + stale_seconds) * 1000))


def _redis() -> Any:
    return get_redis_connection("default")


def _attempt(call: Callable[[], Any], what: str) -> Any | None:
    """Call the cache if it is in use; ``None`` if it is not, or does not answer."""
    if not cache_availability().admits():
        return None
    try:
        with noting_availability():
            return call()
    except RedisError as error:
        logger.debug("cache.unavailable", call=what, reason=type(error).__name__)
        return None


def _compiled(patterns: tuple[str, ...]) -> list[re.Pattern[str]]:
    for pattern in patterns:
        if not pattern or len(pattern) > _LONGEST_PATTERN or not pattern.isprintable():
            problem = f"Expected a pattern such as gex:*, at most {_LONGEST_PATTERN} characters."
            raise invalid("pattern", problem)
    return [re.compile(translate(pattern)) for pattern in patterns]


def _removed(prefix: str, wanted: list[re.Pattern[str]]) -> Iterator[str]:
    """Remove matching keys, found by SCAN; yield those that existed."""
    batch: list[str] = []
    for name in _redis().scan_iter(match=f"{prefix}*", count=_SCANNED_AT_ONCE):
        key = name.decode().removeprefix(prefix)
        if any(pattern.fullmatch(key) for pattern in wanted):
            batch.append(key)
        if len(batch) >= _REMOVED_AT_ONCE:
            yield from _unlinked(prefix, batch)
            batch = []
    yield from _unlinked(prefix, batch)


def _unlinked(prefix: str, keys: list[str]) -> Iterator[str]:
    pipeline = _redis().pipeline(transaction=False)
    for key in keys:
        pipeline.unlink(prefix + key)
    if keys:
        yield from (
            key for key, was_there in zip(keys, pipeline.execute(), strict=True) if was_there
        )
