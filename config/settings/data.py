"""Where data lives: the database, Redis for queue, locks and messages, and the cache."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.core.processes.role import database_options, exchange_seconds, pool_seconds
from config.settings.environment import VAR_DIR, env

DATABASE_URL = env.str("DATABASE_URL", default="")
# The web process gives up on a locked database at once; jobs wait (config/core/processes/role.py).
PROCESS_ROLE = env.str("PROCESS_ROLE", default="job")
if DATABASE_URL:
    if urlsplit(DATABASE_URL).scheme not in env.DB_SCHEMES:
        raise ImproperlyConfigured(
            "DATABASE_URL is not a database address like "
            "postgresql://USER:PASSWORD@HOST/NAME."  # pragma: allowlist secret
        )
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
    if DATABASES["default"]["ENGINE"].endswith("postgresql"):
        from config.core.postgres import NETWORK_OPTIONS, ImpatientConnection

        ImpatientConnection.seconds = exchange_seconds(PROCESS_ROLE)
        DATABASES["default"] |= {
            "CONN_MAX_AGE": 0,
            "CONN_HEALTH_CHECKS": True,
            # Keep options from the URL, such as sslmode.
            "OPTIONS": NETWORK_OPTIONS
            | DATABASES["default"].get("OPTIONS", {})
            | {
                "pool": {
                    "min_size": 1,
                    "max_size": env.int("DATABASE_POOL_SIZE", default=12),
                    "timeout": pool_seconds(PROCESS_ROLE),
                    "connection_class": ImpatientConnection,
                },
                **database_options("postgresql", PROCESS_ROLE),
            },
        }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": VAR_DIR / "greekdesk.sqlite3",
        }
    }
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"] |= {
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            **database_options("sqlite3", PROCESS_ROLE),
            # Kilobytes of pages per connection, and each of a desk's twenty threads keeps one: the
            # system's cache holds the file once for all.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            " PRAGMA foreign_keys=ON; PRAGMA cache_size=-1000;",
        },
    }


def embedded_redis_url() -> str:
    """Return the embedded Valkey's address, written by the supervisor; empty if it never ran."""
    try:
        return (VAR_DIR / "redis_url").read_text().strip()
    except OSError:
        return ""


REDIS_URL = env.str("REDIS_URL", default="") or embedded_redis_url() or "redis://127.0.0.1:6379/0"
CACHE_URL = env.str("CACHE_URL", default="") or REDIS_URL
REDIS_SOCKET_TIMEOUT = 0.3
REDIS_MAX_CONNECTIONS = 200
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "greekdesk",
        "TIMEOUT": 300,
        "OPTIONS": {
            # Without Redis pages get slower, but do not break.
            "IGNORE_EXCEPTIONS": True,
            # After one failed command Redis is skipped for a second, so a hanging Redis is not
            # asked each time.
            "REDIS_CLIENT_CLASS": "config.core.redis.client.GuardedRedis",
            "CONNECTION_POOL_CLASS": "config.core.redis.client.GuardedPool",
            "SOCKET_TIMEOUT": REDIS_SOCKET_TIMEOUT,
            "SOCKET_CONNECT_TIMEOUT": REDIS_SOCKET_TIMEOUT,
            "CONNECTION_POOL_KWARGS": {"max_connections": REDIS_MAX_CONNECTIONS},
        },
    }
}
# Seconds for which answers stay fresh, by kind: gex=300,analytics=900,performance=600.
CACHE_TTLS: dict[str, int] = env.dict("CACHE_TTLS", cast={"value": int}, default={})
# Answers kept ready before they are asked, for these symbols; empty: all that are followed.
CACHE_WARMING = env.bool("CACHE_WARMING", default=True)
CACHE_WARM_SYMBOLS: list[str] = env.list("CACHE_WARM_SYMBOLS", default=[])
# Seconds before their end at which they are made anew.
CACHE_WARM_THRESHOLD = env.int("CACHE_WARM_THRESHOLD", default=45)
# The guard and /health report it; a log line per failed read would fill the disk.
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = False
SESSION_ENGINE = "auth_tokens.sessions.store"
