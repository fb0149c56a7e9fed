"""The manager against a real Valkey: what is stored, and what an invalidation leaves."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.test import override_settings
from django_redis import get_redis_connection

from config.core.caching.availability import cache_availability
from config.core.caching.manager import CacheManager
from config.core.errors import InvalidInput, Unavailable
from tests.config.core.caching.desk import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager(clock: Clock) -> CacheManager:
    return CacheManager(clock)


def test_answer_ends_with_its_time_and_says_its_age(manager: CacheManager, clock: Clock) -> None:
    assert manager.set("gex:SPY", {"net": 1.5}, 300)
    clock.at += 100
    found = manager.get_cached("gex:SPY")
    assert (found.data, found.hit) == ({"net": 1.5}, True)
    assert (found.age_seconds, found.ttl_remaining) == (100, 200)
    assert (manager.exists("gex:SPY"), manager.get_ttl("gex:SPY")) == (True, 200)
    clock.at += 200
    assert manager.get("gex:SPY") is None
    assert (manager.exists("gex:SPY"), manager.get_ttl("gex:SPY")) == (False, None)


def test_every_key_ends_by_itself(manager: CacheManager) -> None:
    manager.set("a", 1, 300, stale_seconds=60)
    manager.claim("b", seconds=20)
    connection = get_redis_connection("default")
    left = sorted(connection.ttl(name) for name in connection.scan_iter("greekdesk:cache*"))
    assert left == [20, 360]


def test_pattern_removes_what_matches_and_nothing_beside_the_cache(manager: CacheManager) -> None:
    for key in ("gex:SPY:1", "gex:QQQ:1", "analytics:pnl:U1:1"):
        manager.set(key, 1, 300)
    connection = get_redis_connection("default")
    connection.set("greekdesk:session:gex:SPY:1", "mine")
    assert manager.invalidate("gex:*") == 2
    assert manager.invalidated("*:U1:?", "nothing") == ["analytics:pnl:U1:1"]
    assert connection.get("greekdesk:session:gex:SPY:1") == b"mine"
    assert manager.invalidate("*") == 0


def test_thousands_of_answers_are_removed_by_scan(manager: CacheManager) -> None:
    pipeline = get_redis_connection("default").pipeline()
    for n in range(2_500):
        pipeline.set(f"greekdesk:cache:a:{n}", b"", ex=60)
    pipeline.execute()
    assert manager.invalidate("a:*") == 2_500


@pytest.mark.parametrize("pattern", ["", "x" * 513, "a\x00b", "a\nb"])
def test_impossible_pattern_is_refused_by_name(manager: CacheManager, pattern: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        manager.invalidate(pattern)
    assert list(refused.value.fields) == ["pattern"]


def test_value_computed_before_an_invalidation_is_never_stored(manager: CacheManager) -> None:
    claim = manager.claim("a:1", seconds=20)
    assert claim is not None
    manager.invalidate("a:*")
    assert manager.store(claim, "old", 300, lasts=300) is None
    assert not manager.exists("a:1")
    later = manager.claim("a:1", seconds=20)
    assert later is not None
    assert manager.store(claim, "old", 300, lasts=300) is None
    assert manager.store(later, "new", 300, lasts=300) is not None
    assert manager.get("a:1") == "new"


def test_stored_value_overrides_whoever_is_computing(manager: CacheManager) -> None:
    claim = manager.claim("a", seconds=20)
    assert claim is not None
    manager.set("a", "told", 300)
    assert manager.store(claim, "computed", 300, lasts=300) is None
    assert manager.get("a") == "told"


def test_claim_is_one_at_a_time_and_given_back_only_by_its_holder(manager: CacheManager) -> None:
    claim = manager.claim("a", seconds=20)
    assert claim is not None
    assert manager.claim("a", seconds=20) is None
    manager.invalidate("a")
    later = manager.claim("a", seconds=20)
    assert later is not None
    manager.release(claim)
    assert manager.look("a").is_claimed
    manager.release(later)
    assert not manager.look("a").is_claimed


def test_stores_and_invalidations_at_once_leave_no_value_from_before(
    manager: CacheManager,
) -> None:
    """Writers raise the version, then invalidate; readers compute from the version they see."""
    version, stop = [0], threading.Event()
    wrong: list[Any] = []

    def read() -> None:
        while not stop.is_set():
            if (claim := manager.claim("a:1", seconds=20)) is not None:
                manager.store(claim, version[0], 300, lasts=300)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for n in range(1, 150):
        version[0] = n
        manager.invalidate("a:*")
        found = manager.get("a:1")
        if found is not None and found < n:
            wrong.append((n, found))
    stop.set()
    for thread in readers:
        thread.join()
    assert wrong == []


def test_entry_of_another_form_counts_as_absent(manager: CacheManager) -> None:
    connection = get_redis_connection("default")
    for stored in (b"", b"\xc1", b"{}", b"\x93\x01\x02\x03"):
        connection.set("greekdesk:cache:a", stored)
        assert manager.get_cached("a").hit is False
    manager.set("a", "text", 300)
    assert manager.get("a", int) is None
    assert manager.get("a", str) == "text"


def test_full_server_still_serves_what_it_holds(manager: CacheManager) -> None:
    manager.set("a", 1, 300)
    connection = get_redis_connection("default")
    connection.config_set("maxmemory", "1")
    try:
        assert manager.get("a") == 1
        assert not manager.set("b", 2, 300)
        assert manager.claim("b", seconds=20) is None
        assert manager.get("a") == 1
        assert cache_availability().down_seconds == 0
        assert manager.invalidate("a") == 1
    finally:
        connection.config_set("maxmemory", "0")


NOWHERE = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "unix:///nonexistent/greekdesk.sock",
        "OPTIONS": {
            "REDIS_CLIENT_CLASS": "config.core.redis.client.GuardedRedis",
            "CONNECTION_POOL_CLASS": "config.core.redis.client.GuardedPool",
        },
    }
}


@override_settings(CACHES=NOWHERE)
def test_without_a_server_nothing_is_found_or_stored_and_clearing_says_so(
    manager: CacheManager,
) -> None:
    assert manager.get("a") is None
    assert not manager.set("a", 1, 300)
    assert manager.claim("a", seconds=20) is None
    assert cache_availability().down_seconds > 0
    with pytest.raises(Unavailable, match="answers end with their time"):
        manager.invalidate("a")
