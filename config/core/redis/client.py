"""Redis, shared by every module: one pool per process, short time-outs, and a guard.

The guard makes a dead or hanging Redis cheap: after a failed command the process raises
``ConnectionError`` at once for a second, instead of waiting for a time-out on every call.
"""

from __future__ import annotations

import threading
import time
from typing import Any
from weakref import WeakSet

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

PREFIX = "greekdesk"
#: Seconds without another try after Redis failed to answer.
PAUSE_AFTER_FAILURE = 1.0

_UNREACHABLE = (RedisConnectionError, RedisTimeoutError)


def key(*parts: str) -> str:
    """Return the name of one of our keys: ``key("a", "b")`` is ``greekdesk:a:b``."""
    return ":".join((PREFIX, *parts))


_guards: WeakSet[RedisGuard] = WeakSet()


class NotAskedYet(RedisConnectionError):
    """Raised by the guard without asking Redis, so it says nothing new about Redis."""


class RedisGuard:
    """Remembers, per pool and process, that Redis just failed to answer."""

    def __init__(self) -> None:
        self._closed_until = 0.0
        _guards.add(self)

    def check(self) -> None:
        if time.monotonic() < self._closed_until:
            raise NotAskedYet("Redis did not answer a moment ago; not asked again yet.")

    def record(self, error: Exception) -> None:
        # Frequent callers must not extend the pause for ever.
        if not isinstance(error, MaxConnectionsError | NotAskedYet):
            self._closed_until = time.monotonic() + PAUSE_AFTER_FAILURE

    def reset(self) -> None:
        self._closed_until = 0.0


class GuardedPool(redis.ConnectionPool):
    """A connection pool with its server's guard."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A connection the server closed while idle is reopened once; a time-out is final.
        kwargs.setdefault("retry", Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)))
        super().__init__(*args, **kwargs)
        self.guard = RedisGuard()

    def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        self.guard.check()
        try:
            return super().get_connection(*args, **kwargs)
        except _UNREACHABLE as error:
            self.guard.record(error)
            raise


class GuardedPipeline(redis.client.Pipeline):
    """A pipeline that tells the guard if Redis does not answer."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        try:
            return super().execute(raise_on_error)
        except _UNREACHABLE as error:
            _record(self.connection_pool, error)
            raise


class GuardedRedis(redis.Redis):
    """The client for our own keys and for Django's cache (``REDIS_CLIENT_CLASS``)."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except _UNREACHABLE as error:
            _record(self.connection_pool, error)
            raise

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> GuardedPipeline:
        return GuardedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )


def _record(pool: redis.ConnectionPool, error: Exception) -> None:
    if isinstance(pool, GuardedPool):
        pool.guard.record(error)


_clients: dict[str, GuardedRedis] = {}
_clients_lock = threading.Lock()


def redis_client() -> redis.Redis:
    """Return the process's client of ``REDIS_URL``; answers are ``str``. Thread-safe and fork-safe.

    Any command raises ``redis.exceptions.RedisError`` if Redis is down.
    """
    url = settings.REDIS_URL
    client = _clients.get(url)
    if client is None:
        with _clients_lock:
            client = _clients.get(url)
            if client is None:
                pool = GuardedPool.from_url(
                    url,
                    decode_responses=True,
                    socket_timeout=settings.REDIS_SOCKET_TIMEOUT,
                    socket_connect_timeout=settings.REDIS_SOCKET_TIMEOUT,
                    max_connections=settings.REDIS_MAX_CONNECTIONS,
                )
                client = _clients[url] = GuardedRedis(connection_pool=pool)
    return client


def reset_guards() -> None:
    """Ask Redis again at once, the cache's too: for a test that just restarted it."""
    for guard in tuple(_guards):
        guard.reset()
