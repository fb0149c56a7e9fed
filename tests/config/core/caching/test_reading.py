"""Reading through the cache: once for all who ask, the last good one on failure, never an error."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from django.db import DatabaseError
from django.test import override_settings

from config.core.caching.facts import recording_cache_facts
from config.core.caching.reading import key_of, known_answer, read_resource
from config.core.errors import InvalidInput, RetryableError
from tests.config.core.caching.desk import a_resource, asked, curve, declared
from tests.config.core.caching.test_manager import NOWHERE

GEX = a_resource(stale_seconds=600)
SPY = asked(GEX, symbol="SPY")
LOST = RetryableError("The market is out.", provider="scripted")


class Body(msgspec.Struct):
    net: float
    cached: bool = False
    cache_age_seconds: float | None = None
    stale: bool = False
    problem: str | None = None


def test_second_reader_gets_the_answer_without_the_source() -> None:
    with declared(GEX) as (_, clock, source), recording_cache_facts() as facts:
        first = read_resource(GEX, SPY)
        clock.at += 100
        second = read_resource(GEX, SPY)
        assert (source.readings, first.hit, second.hit) == (1, False, True)
        assert (second.data, second.age_seconds) == ("first", 100)
        assert (facts.misses, facts.hits) == (["gex"], ["gex"])


def test_failing_source_gives_the_last_good_answer_until_that_ends_too() -> None:
    with declared(GEX) as (manager, clock, source):
        read_resource(GEX, SPY)
        clock.at += 400
        for error in (LOST, DatabaseError("gone")):
            source.error = error
            answer = read_resource(GEX, SPY)
            assert (answer.data, answer.hit, answer.stale) == ("first", False, True)
            assert answer.age_seconds == 400
        assert not manager.look(key_of(GEX, SPY)).is_claimed
        source.error = InvalidInput("symbol: No such symbol.")
        with pytest.raises(InvalidInput):
            read_resource(GEX, SPY)
        source.error = None
        assert read_resource(GEX, SPY).stale is False


def test_error_is_raised_and_never_kept() -> None:
    with declared(GEX) as (_, _, source):
        source.error = LOST
        for _ in range(2):
            with pytest.raises(RetryableError):
                read_resource(GEX, SPY)
        assert source.readings == 2
        source.error = None
        assert read_resource(GEX, SPY).data == "first"


def test_invalidation_while_computing_is_not_overwritten() -> None:
    with declared(GEX) as (manager, _, source):

        def commit_and_invalidate() -> None:
            source.value = "second"
            source.meanwhile = lambda: None
            manager.invalidate("gex:*")

        source.meanwhile = commit_and_invalidate
        assert read_resource(GEX, SPY).data == "first"
        assert read_resource(GEX, SPY).data == "second"


def test_many_readers_at_once_read_the_source_once() -> None:
    with declared(GEX) as (_, _, source):
        source.meanwhile = lambda: threading.Event().wait(0.05)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: read_resource(GEX, SPY).data, range(8)))
        assert (answers, source.readings) == (["first"] * 8, 1)


def test_reader_does_not_wait_for_ever_for_a_process_that_died() -> None:
    impatient = a_resource(time_limit=0.1)
    with declared(impatient) as (manager, _, source):
        manager.claim(key_of(impatient, SPY), seconds=20)
        assert read_resource(impatient, SPY).data == "first"
        assert not manager.exists(key_of(impatient, SPY))
        assert source.readings == 1


def test_refresh_reads_the_source_and_replaces_the_answer() -> None:
    with declared(GEX) as (_, clock, source):
        read_resource(GEX, SPY)
        clock.at += 1
        source.value = "second"
        assert read_resource(GEX, SPY, refresh=True).data == "second"
        assert read_resource(GEX, SPY).data == "second"
        source.error = LOST
        failed = read_resource(GEX, SPY, refresh=True)
        assert (failed.data, failed.stale, failed.problem) == ("second", True, LOST.message)


def test_owners_do_not_see_each_other_s_answers() -> None:
    pnl = curve()
    with declared(pnl) as (_, _, source):
        assert read_resource(pnl, asked(pnl, "+U1+")).data == "first"
        source.value = "second"
        assert read_resource(pnl, asked(pnl, "+U2+")).data == "second"
        assert read_resource(pnl, asked(pnl, "+U1+")).data == "first"


def test_body_that_says_how_it_was_cached_says_so() -> None:
    told = a_resource(shape=f"{__name__}.Body", stale_seconds=600)
    with declared(told) as (_, clock, source):
        source.value = Body(1.5)
        answers: list[Any] = [read_resource(told, SPY).data, read_resource(told, SPY).data]
        clock.at += 301
        known = known_answer(told, SPY)
        source.error = LOST
        answers.append(read_resource(told, SPY).data)
    assert known is not None
    assert answers == [
        Body(1.5),
        Body(1.5, cached=True, cache_age_seconds=0),
        Body(1.5, cached=True, cache_age_seconds=301, stale=True, problem="The market is out."),
    ]
    assert known.data == Body(1.5, cached=True, cache_age_seconds=301)


@override_settings(CACHES=NOWHERE)
def test_without_a_cache_the_source_is_read_directly() -> None:
    with declared(GEX) as (_, _, source):
        for value in ("first", "second"):
            source.value = value
            answer = read_resource(GEX, SPY)
            assert (answer.data, answer.hit, answer.ttl_remaining) == (value, False, None)
