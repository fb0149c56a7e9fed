"""The cache's address and lifetimes, from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """``host`` is the socket's path if there is no port; ``ttl`` overrides the declared seconds, by
    kind of key."""

    host: str
    port: int | None
    ttl: Mapping[str, int]


def cache_config() -> CacheConfig:
    """Return the configuration without the password in its URL."""
    address = urlsplit(settings.CACHES["default"]["LOCATION"])
    return CacheConfig(address.hostname or address.path, address.port, settings.CACHE_TTLS)
