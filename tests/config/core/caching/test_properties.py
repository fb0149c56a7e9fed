"""Properties of document 002 about the cache, on a real Valkey with a clock of its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from fnmatch import fnmatchcase
from typing import Any
from unittest.mock import patch

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from config.core.caching import invalidation
from config.core.caching import warmer as warmer_module
from config.core.caching.availability import cache_availability
from config.core.caching.changes import Change
from config.core.caching.invalidation import invalidate_changed
from config.core.caching.keys import encode
from config.core.caching.manager import CacheManager
from config.core.caching.reading import JITTER, key_of, read_resource
from config.core.caching.resources import Question, Resource
from config.core.caching.warmer import CacheWarmer
from config.core.caching.warming import RetryConfig, WarmingConfig
from config.core.errors import RetryableError
from config.core.redis.client import reset_guards
from tests.config.core.caching.desk import (
    Clock,
    a_resource,
    asked,
    curve,
    declared,
    inline,
    performance,
)
from tests.config.core.caching.test_manager import NOWHERE

GEX, PNL, SOURCES = a_resource(), curve(), performance()
RETURNS = curve("analytics:returns")
DOCUMENTED = {
    "gex": 300,
    "analytics:pnl": 900,
    "analytics:returns": 900,
    "performance:sources": 600,
}
#: As JSON keeps it: what a body may hold.
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False,
    allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(
        st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
OWNERS = st.sampled_from(["+U1+", "+U2+", "+U1+U2+"])
RANGES = st.lists(st.dates(), min_size=2, max_size=2).map(sorted)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Resource, Question]:
    """Any question to any of the four cached resources."""
    resource = draw(st.sampled_from([GEX, PNL, RETURNS, SOURCES]))
    if resource is GEX:
        return resource, Question(None, {"symbol": draw(NAMES), "date": draw(st.dates())})
    start, end = draw(RANGES)
    values: dict[str, Any] = {"start": start, "end": end}
    if resource is not SOURCES:
        values["account_id"] = draw(st.none() | NAMES)
    return resource, Question(draw(OWNERS), values)


@given(asked_for=questions(), body=BODIES, age=st.floats(0, 1_000))
def test_stored_answer_is_found_until_its_time_is_over(
    asked_for: tuple[Resource, Question], body: Any, age: float
) -> None:
    """Feature: dashboard-performance-optimization, Property 1: For any expensive query result, when
    stored in cache, the result should be retrievable before TTL expiration and should include the
    correct TTL value based on data type (GEX: 5 min, analytics: 15 min, performance: 10 min)."""
    resource, question = asked_for
    with declared(GEX, PNL, RETURNS, SOURCES) as (manager, clock, _):
        ttl = DOCUMENTED[resource.name]
        assert resource.fresh_seconds == ttl
        key = key_of(resource, question)
        assert manager.set(key, body, resource.fresh_seconds)
        assert manager.get_ttl(key) == ttl
        entry = manager.look(key).entry
        assert entry is not None
        assert (entry.key, entry.ttl, entry.expires_at) == (key, ttl, clock.at + ttl)
        clock.at += age
        found = manager.get_cached(key)
        assert found.hit is manager.exists(key) is (age < ttl)
        assert found.data == (body if age < ttl else None)


@given(asked_for=questions(), body=BODIES, ages=st.lists(st.floats(0, 200), max_size=4))
def test_fresh_answer_is_given_without_asking_the_source(
    asked_for: tuple[Resource, Question], body: Any, ages: list[float]
) -> None:
    """Feature: dashboard-performance-optimization, Property 2: For any cached data that has not
    expired, requesting that data should return the cached value without hitting the underlying data
    source (database or external API)."""
    resource, question = asked_for
    with declared(resource) as (manager, clock, source):
        manager.set(key_of(resource, question), body, 1_000)
        source.value = "newer"
        for age in ages:
            clock.at += age
            answer = read_resource(resource, question)
            assert (answer.data, answer.hit) == (body, True)
        assert source.readings == 0


@given(asked_for=questions(), bodies=st.tuples(BODIES, BODIES), is_expired=st.booleans())
def test_missing_or_expired_answer_is_fetched_and_kept(
    asked_for: tuple[Resource, Question], bodies: tuple[Any, Any], is_expired: bool
) -> None:
    """Feature: dashboard-performance-optimization, Property 3: For any cache key that is expired or
    missing, requesting that data should trigger a fresh fetch from the underlying source and update
    the cache with the new value."""
    resource, question = asked_for
    before, after = bodies
    with declared(resource) as (manager, clock, source):
        key = key_of(resource, question)
        manager.invalidate("*")
        if is_expired:
            manager.set(key, before, 100, stale_seconds=1_000)
            clock.at += 100
        source.value = after
        answer = read_resource(resource, question)
        assert (answer.data, answer.hit, answer.stale, source.readings) == (after, False, False, 1)
        assert manager.get(key) == after
        ttl = manager.get_ttl(key)
        assert ttl is not None
        assert (1 - JITTER) * resource.fresh_seconds <= ttl <= resource.fresh_seconds


@given(asked_for=questions(), age=st.floats(0, 5_000), is_failing=st.booleans())
def test_every_cached_answer_says_when_it_was_made_and_how_long_it_stays(
    asked_for: tuple[Resource, Question], age: float, is_failing: bool
) -> None:
    """Feature: dashboard-performance-optimization, Property 10: For any cached data response (GEX,
    analytics, performance), the response should include cache metadata fields: timestamp, TTL
    remaining, and cache hit/miss status."""
    resource, question = asked_for
    with declared(resource) as (manager, clock, source):
        made_at = clock.at
        manager.set(key_of(resource, question), "kept", resource.fresh_seconds, stale_seconds=5_000)
        clock.at += age
        source.error = RetryableError("out", provider="x") if is_failing else None
        answer = read_resource(resource, question)
        is_fresh = age < resource.fresh_seconds
        assert (answer.hit, answer.stale) == (is_fresh, not is_fresh and is_failing)
        assert answer.timestamp is not None
        assert answer.ttl_remaining is not None
        assert answer.age_seconds is not None
        if is_fresh or is_failing:
            assert answer.timestamp.timestamp() == pytest.approx(made_at, abs=1e-3)
            assert answer.age_seconds == pytest.approx(age, abs=1e-3)
            assert answer.ttl_remaining == pytest.approx(
                max(0.0, resource.fresh_seconds - age), abs=1e-3
            )
        else:
            assert answer.timestamp.timestamp() == pytest.approx(clock.at, abs=1e-3)


@given(
    symbols=st.lists(st.sampled_from(["SPY", "QQQ", "IWM"]), min_size=1, max_size=3),
    age=st.floats(0, 299),
)
def test_warming_holds_up_no_reader(symbols: list[str], age: float) -> None:
    """Feature: dashboard-performance-optimization, Property 12: For any cache warming operation,
    concurrent user requests should not be blocked or delayed by the warming process."""
    with declared(GEX) as (manager, clock, source), ThreadPoolExecutor(1) as pool:
        for symbol in symbols:
            manager.set(key_of(GEX, asked(GEX, symbol=symbol, date=None)), "kept", 300)
        clock.at += age
        begun, may_end = threading.Event(), threading.Event()

        def hold() -> None:
            begun.set()
            assert may_end.wait(60)

        source.value, source.meanwhile = "warmed", hold
        question = asked(GEX, symbol=symbols[0], date=None)
        warming = pool.submit(read_resource, GEX, question, refresh=True)
        assert begun.wait(60)
        # The barrier: the warming cannot end before these readers have their answers.
        answers = [read_resource(GEX, asked(GEX, symbol=symbol, date=None)) for symbol in symbols]
        assert not warming.done()
        may_end.set()
        assert [(each.data, each.hit) for each in answers] == [("kept", True)] * len(symbols)
        assert warming.result(60).data == "warmed"
        assert read_resource(GEX, question).data == "warmed"


@given(failures=st.integers(0, 8), retries=st.integers(0, 5), backoff_ms=st.integers(100, 5_000))
def test_failed_warming_is_tried_again_after_waits_that_double(
    failures: int, retries: int, backoff_ms: int
) -> None:
    """Feature: dashboard-performance-optimization, Property 13: For any cache warming operation
    that fails, the system should retry with exponentially increasing delays (e.g., 1s, 2s, 4s, 8s)
    up to a maximum number of retries."""
    waits: list[float] = []
    warmed = a_resource(warm=f"{__name__}.spy_to_warm")
    with declared(warmed) as (manager, clock, source), pytest.MonkeyPatch.context() as patch:
        patch.setattr(warmer_module, "manager", manager)
        manager.invalidate("*")

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            clock.at += seconds
            fail()

        def fail() -> None:
            is_failing = len(waits) < failures
            source.error = RetryableError("out", provider="x") if is_failing else None

        async def look() -> None:
            await warmer.look()
            await warmer.settle()

        config = WarmingConfig(retry_config=RetryConfig(retries, backoff_ms))
        warmer = CacheWarmer(config, in_thread=inline, clock=clock, sleep=sleep)
        fail()
        asyncio.run(look())
        tries = min(failures, retries)
        assert waits == [backoff_ms / 1000 * 2**n for n in range(tries)]
        assert source.readings == tries + 1
        assert manager.exists(key_of(warmed, spy_to_warm()[0])) is (failures <= retries)


def spy_to_warm() -> list[Question]:
    return [Question(None, {"symbol": "SPY", "date": date(2026, 5, 4)})]


WORDS = st.sampled_from(["gex", "analytics", "pnl", "returns", "U1", "U12", "SPY", "*", "a b"])
KEYS = st.lists(
    st.lists(WORDS, min_size=1, max_size=4).map(lambda parts: ":".join(map(encode, parts))),
    max_size=8,
    unique=True,
)
PATTERNS = st.lists(
    st.sampled_from(["gex", "analytics", "pnl", "U1", "U1?", "*", "[gu]ex", "*2", "SPY"]),
    min_size=1,
    max_size=4,
).map(":".join)


@given(keys=KEYS, pattern=PATTERNS)
def test_invalidation_removes_just_what_matches(keys: list[str], pattern: str) -> None:
    """Feature: dashboard-performance-optimization, Property 19: For any cache invalidation
    operation, only the specific keys matching the invalidation pattern should be removed, leaving
    unrelated cached data intact."""
    manager = CacheManager(Clock())
    manager.invalidate("*")
    for key in keys:
        manager.set(key, key, 300)
    matching = {key for key in keys if fnmatchcase(key, pattern)}
    assert manager.invalidate(pattern) == len(matching)
    assert {key for key in keys if manager.get(key) == key} == set(keys) - matching


@given(
    account_id=NAMES,
    owner=OWNERS,
    body=BODIES,
    change=st.sampled_from([Change.POSITION_UPDATE, Change.EXECUTION_UPDATE]),
    later=st.floats(0, 2_000),
)
def test_failed_invalidation_is_logged_and_left_to_the_time(
    account_id: str, owner: str, body: Any, change: Change, later: float
) -> None:
    """Feature: dashboard-performance-optimization, Property 20: For any cache invalidation
    operation that fails, the system should log the error and rely on TTL-based expiration to
    eventually clear stale data."""
    with declared(PNL) as (manager, clock, source):
        question = asked(PNL, owner, account_id=account_id)
        manager.set(key_of(PNL, question), body, PNL.fresh_seconds)
        with override_settings(CACHES=NOWHERE), patch.object(invalidation, "logger") as log:
            failed = invalidate_changed(change, triggered_by="x", account_ids=[account_id])
        _be_back()
        assert failed is None
        (told,) = log.error.call_args_list
        assert (told.args, told.kwargs["change"]) == (("cache.not_invalidated",), change.value)
        clock.at += later
        source.value = "newer"
        expected = body if later < PNL.fresh_seconds else "newer"
        assert read_resource(PNL, question).data == expected


def _be_back() -> None:
    """Forget the outage: the server was never away, only its address."""
    reset_guards()
    cache_availability().reset()
