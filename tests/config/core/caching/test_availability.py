"""Leaving a lost cache alone, and coming back to it gradually."""

from __future__ import annotations

from redis.exceptions import TimeoutError as RedisTimeoutError

from config.core.caching.availability import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    STEP_SECONDS,
    CacheAvailability,
)
from tests.config.core.caching.desk import Clock

LOST = RedisTimeoutError("lost")


def test_pause_doubles_up_to_a_limit_and_one_call_tries_at_its_end() -> None:
    clock = Clock()
    availability = CacheAvailability(clock)
    pauses = []
    for _ in range(9):
        assert availability.admits()
        availability.failed(LOST)
        before = clock.at
        while not availability.admits():
            clock.at += FIRST_PAUSE / 2
        pauses.append(clock.at - before)
        # The others wait for what the one finds.
        assert not availability.admits()
        clock.at += FIRST_PAUSE
    assert pauses[:5] == [FIRST_PAUSE * 2**n for n in range(5)]
    assert max(pauses) == pauses[-1] == LONGEST_PAUSE
    assert availability.down_seconds == clock.at - Clock().at


def test_after_it_is_back_twice_as_many_calls_are_let_through_every_half_second() -> None:
    clock = Clock()
    availability = CacheAvailability(clock)
    availability.failed(LOST)
    clock.at += FIRST_PAUSE
    assert availability.admits()
    availability.answered()
    assert availability.down_seconds == 0
    let_through = []
    for _ in range(4):
        let_through.append(sum(availability.admits() for _ in range(80)))
        clock.at += STEP_SECONDS
    assert let_through == [10, 20, 40, 80]
    assert all(availability.admits() for _ in range(10))


def test_failure_while_coming_back_starts_over() -> None:
    clock = Clock()
    availability = CacheAvailability(clock)
    availability.failed(LOST)
    clock.at += FIRST_PAUSE
    assert availability.admits()
    availability.answered()
    availability.failed(LOST)
    assert not availability.admits()
