"""The cache's address and times, as the settings say."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from config.core.caching.config import CacheConfig, cache_config
from tests.config.core.caching.desk import a_resource, curve


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("redis://:secret@cache:6380/0", "cache", 6380),
        ("unix:///run/valkey.sock?db=1", "/run/valkey.sock", None),
    ],
)
def test_address_is_told_without_its_password(
    settings: Settings, address: str, host: str, port: int | None
) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": address}}
    assert cache_config() == CacheConfig(host, port, {})


def test_time_of_a_kind_can_be_set(settings: Settings) -> None:
    settings.CACHE_TTLS = {"analytics": 60}
    assert (curve().fresh_seconds, a_resource().fresh_seconds) == (60, 300)
