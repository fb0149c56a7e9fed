"""The warmer: what is due, what is not, and what follows a failure or a lost cache."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import override_settings
from django_redis import get_redis_connection
from redis.exceptions import TimeoutError as RedisTimeoutError

from auth_tokens.models import User
from config.core.caching import warmer as warmer_module
from config.core.caching import watching
from config.core.caching.availability import cache_availability
from config.core.caching.warmer import CacheWarmer
from config.core.caching.warming import (
    RetryConfig,
    WarmingConfig,
    answers_to_warm,
    warming_config,
    warming_counts,
)
from config.core.caching.watching import ALERT_AFTER_SECONDS, cache_state, watch_cache
from config.core.errors import RetryableError
from greeks.models import AlertEvent
from tests.config.core.caching import desk
from tests.config.core.caching.desk import Clock, Source, a_resource, curve, declared, inline
from tests.config.core.caching.test_manager import NOWHERE

HERE = desk.__name__
GEX = a_resource(warm=f"{HERE}.symbols_to_warm", is_critical=True)
PNL = curve(warm=f"{HERE}.accounts_to_warm")
CONFIG = WarmingConfig(refresh_threshold=30)


@pytest.fixture
def warmed() -> Iterator[tuple[CacheWarmer, Clock, Source]]:
    with declared(PNL, GEX) as (manager, clock, source), pytest.MonkeyPatch.context() as patch:
        patch.setattr(warmer_module, "manager", manager)
        warmer = CacheWarmer(CONFIG, in_thread=inline, clock=clock, sleep=asyncio.sleep)
        yield warmer, clock, source


async def look(warmer: CacheWarmer) -> None:
    await warmer.look()
    await warmer.settle()


def test_critical_answers_come_first_and_a_silent_resource_stops_nobody() -> None:
    silent = a_resource(name="s", path="/s", key="s", warm=f"{HERE}.nothing_to_say")
    with declared(PNL, silent, GEX):
        assert [each.resource.name for each in answers_to_warm()] == ["gex", "gex", "analytics:pnl"]
        assert [each.key for each in answers_to_warm(critical=True)] == [
            "gex:SPY:~all",
            "gex:QQQ:~all",
        ]


def test_answers_are_made_anew_shortly_before_they_end(
    warmed: tuple[CacheWarmer, Clock, Source],
) -> None:
    warmer, clock, source = warmed

    async def run() -> None:
        await look(warmer)
        assert source.readings == 3
        clock.at += 230
        await look(warmer)
        assert source.readings == 3
        # Past 300 s less jitter and the threshold: both symbols, but not the curve.
        clock.at += 45
        await look(warmer)
        assert source.readings == 5

    asyncio.run(run())
    assert warming_counts() == {"succeeded": 5, "skipped": 0}


def test_what_a_reader_made_is_left_alone(warmed: tuple[CacheWarmer, Clock, Source]) -> None:
    warmer, clock, source = warmed
    for each in answers_to_warm():
        each.warm()
    asyncio.run(look(warmer))
    assert source.readings == 3
    warmer.schedule_refresh("gex:SPY:~all", 20)
    clock.at += 285
    asyncio.run(look(warmer))
    assert source.readings == 5


def test_failure_is_tried_again_then_skipped_until_the_next_cycle() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with declared(curve(warm=f"{HERE}.accounts_to_warm")) as (_, clock, source):
        warmer = CacheWarmer(CONFIG, in_thread=inline, clock=clock, sleep=sleep)
        source.error = RetryableError("out", provider="x")
        asyncio.run(look(warmer))
        assert waits == [1, 2, 4, 8]
        assert source.readings == 5
        asyncio.run(look(warmer))
        assert source.readings == 5
        clock.at += 900
        source.error = None
        asyncio.run(look(warmer))
        assert source.readings == 6
    assert warming_counts() == {"succeeded": 1, "skipped": 1}


def run_looks(warmer: CacheWarmer, looks: int, before: Callable[[int], object]) -> None:
    """Start a warmer and stop it after so many looks."""
    done = 0

    async def sleep(_: float) -> None:
        nonlocal done
        await warmer.settle()
        done += 1
        before(done)
        if done == looks:
            await warmer.stop()

    warmer._sleep = sleep
    asyncio.run(warmer.start())


def test_started_warmer_begins_with_critical_answers_and_ends_when_stopped(
    warmed: tuple[CacheWarmer, Clock, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    warmer, _, source = warmed
    read: list[int] = []

    def watched() -> bool:
        read.append(source.readings)
        return False

    monkeypatch.setattr(warmer_module, "watch_cache", watched)
    run_looks(warmer, 2, lambda _: None)
    assert read == [2, 3]
    assert source.readings == 3


def test_cache_that_was_lost_is_filled_again(
    warmed: tuple[CacheWarmer, Clock, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    warmer, _, source = warmed
    looks = iter([False, True, False])
    monkeypatch.setattr(warmer_module, "watch_cache", lambda: next(looks))

    def lose(done: int) -> None:
        if done == 1:
            assert source.readings == 3
            get_redis_connection("default").flushall()

    run_looks(warmer, 3, lose)
    assert source.readings == 6


def test_watcher_notices_that_the_cache_is_back() -> None:
    cache_availability().failed(RedisTimeoutError("lost"))
    assert watch_cache()
    assert not watch_cache()


def test_switched_off_it_makes_nothing_ready() -> None:
    with declared(GEX) as (_, _, source):
        warmer = CacheWarmer(WarmingConfig(enabled=False), in_thread=inline)
        run_looks(warmer, 2, lambda _: None)
        assert source.readings == 0


def test_settings_make_the_config(settings: Any) -> None:
    settings.CACHE_WARM_SYMBOLS, settings.CACHE_WARM_THRESHOLD = ["SPY"], 20
    assert warming_config() == WarmingConfig(True, ("SPY",), 20, RetryConfig(4, 1_000))


# --- Watching ---------------------------------------------------------------------------------
@pytest.mark.django_db
@override_settings(CACHES=NOWHERE)
def test_staff_are_alerted_once_when_the_cache_is_lost_for_five_minutes() -> None:
    User.objects.create_user("operator", is_staff=True)
    assert not watch_cache()
    assert not AlertEvent.objects.exists()
    availability = cache_availability()
    assert availability._down_since is not None
    availability._down_since -= ALERT_AFTER_SECONDS
    for _ in range(2):
        watch_cache()
    assert AlertEvent.objects.get().title == "The cache does not answer"
    assert watching._check().status == "degraded"


@pytest.mark.django_db
def test_staff_are_alerted_when_the_cache_is_almost_full() -> None:
    User.objects.create_user("operator", is_staff=True)
    connection = get_redis_connection("default")
    assert cache_state().memory is None
    assert watching._check().status == "ok"
    used = connection.info("memory")["used_memory"]
    try:
        connection.config_set("maxmemory", str(int(used * 1.1)))
        assert not watch_cache()
        assert "of its memory in use" in watching._check().detail
        assert watching._check().status == "degraded"
    finally:
        connection.config_set("maxmemory", "0")
    assert AlertEvent.objects.get().subject == "cache:full"
