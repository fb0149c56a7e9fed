"""Track which chains' bodies are read: the others are not rebuilt each minute."""

from __future__ import annotations

from typing import Final

from redis.exceptions import RedisError

from config.core.redis.client import key, redis_client

#: Much longer than the minute after which an open page reads again.
READ_SECONDS: Final = 900


def note_reader(slug: str) -> None:
    """Record a reader. Without Redis nothing is rebuilt anyway."""
    try:
        redis_client().set(key("market_read", slug), 1, ex=READ_SECONDS)
    except RedisError:
        return


def has_readers(slug: str) -> bool:
    """Whether anyone read it in the last quarter of an hour; ``False`` while Redis is down."""
    try:
        return bool(redis_client().exists(key("market_read", slug)))
    except RedisError:
        return False
