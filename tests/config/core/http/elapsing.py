"""A breaker's waits, moved instead of slept through: no clock of Redis can be set."""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError

from config.core.http.breaker import _copies
from config.core.redis.client import key, redis_client


def elapse(seconds: float, name: str = "ibkr") -> None:
    """Bring nearer by ``seconds`` what the breaker waits for."""
    with suppress(RedisError):
        for field in ("open_until", "probe_until"):
            if redis_client().hexists(key("breaker", name), field):
                redis_client().hincrby(key("breaker", name), field, -int(seconds * 1000))
    with _copies.lock:
        copy = _copies.get(name)
        copy.open_until -= seconds if copy.open_until else 0
        copy.probe_until -= seconds if copy.probe_until else 0
