"""Where the cache is and how long kinds of answers stay fresh, as the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """``host`` is the socket's path where there is no port; ``ttl`` is in seconds, by kind of key,
    where it differs from the declaration."""

    host: str
    port: int | None
    ttl: Mapping[str, int]


def cache_config() -> CacheConfig:
    """Return it, without the password that an address may hold."""
    address = urlsplit(settings.CACHES["default"]["LOCATION"])
    return CacheConfig(address.hostname or address.path, address.port, settings.CACHE_TTLS)
