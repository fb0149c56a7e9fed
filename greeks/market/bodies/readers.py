"""Whether a chain's body was read lately: what nobody reads is not made ready each minute."""

from __future__ import annotations

from typing import Final

from redis.exceptions import RedisError

from config.core.redis.client import key, redis_client

#: Longer than anybody looks at a page that makes itself anew each minute.
READ_SECONDS: Final = 900


def note_reader(slug: str) -> None:
    """Remember that somebody asked. Without Redis nothing is made ready anyway."""
    try:
        redis_client().set(key("market_read", slug), 1, ex=READ_SECONDS)
    except RedisError:
        return


def has_readers(slug: str) -> bool:
    """Whether somebody asked in the last quarter of an hour; ``False`` while Redis is down."""
    try:
        return bool(redis_client().exists(key("market_read", slug)))
    except RedisError:
        return False
