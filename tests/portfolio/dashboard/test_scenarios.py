"""Document 002's end-to-end scenarios, and what the dashboard says while something is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.db import connection
from django.db.utils import OperationalError
from django.test import override_settings
from pytest_django.fixtures import Settings
from redis.connection import AbstractConnection

from auth_tokens.models import User
from config.core.caching import availability
from config.core.caching.changes import Change
from config.core.caching.invalidation import invalidate_changed
from config.core.caching.reading import read_resource
from config.core.clock import now
from config.core.errors import RetryableError
from config.core.limited_calls import LimitedCalls, Work
from config.core.redis import client
from config.core.redis.process_copies import forget_process_copies
from config.settings import data
from portfolio.dashboard import reading
from portfolio.dashboard.reading import Asked, Dashboard, read_dashboard
from portfolio.dashboard.sections import dashboard_resources, section_named
from tests.config.core.caching.test_manager import NOWHERE
from tests.config.core.servers import OwnValkey
from tests.config.core.test_limited_calls import endless_query
from tests.portfolio.dashboard.bodies import (
    Sources,
    as_json,
    cached_sections,
    plain_bodies,
    scripted,
)
from tests.portfolio.reading import synced_account
from tests.servers.valkey import RunningValkey

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
    pytest.mark.any_database,
]

LOST = RetryableError("The provider does not answer.", provider="scripted")
REAL_TIME = {str(each.section) for each in dashboard_resources() if not each.is_cached}


@pytest.fixture(autouse=True)
def _followed_symbol(settings: Settings) -> None:
    settings.GEX_SYMBOLS = ["SPY"]


@pytest.fixture
def sources(trader: User) -> Iterator[Sources]:
    synced_account(trader)
    with scripted(plain_bodies()) as sources:
        yield sources


def ask(trader: User) -> Dashboard:
    return read_dashboard(Asked(trader))


def hits(dashboard: Dashboard) -> set[str]:
    return {name for name, each in dashboard.sections.items() if each.cache.hit}


def test_what_was_prepared_at_the_start_answers_the_first_request(
    trader: User, sources: Sources
) -> None:
    # The desk prepares what recent readers ask.
    trader.last_login = now()
    trader.save()
    prepared = set()
    for resource in dashboard_resources():
        for question in resource.questions_to_warm():
            read_resource(resource, question)
            prepared.add(str(resource.section))
    assert {"pnl_curve", "daily_returns"} <= prepared
    sources.asked.clear()
    first = ask(trader)
    assert hits(first) == prepared
    assert prepared.isdisjoint(sources.asked)


def test_second_request_is_answered_by_the_cache(trader: User, sources: Sources) -> None:
    assert hits(ask(trader)) == set()
    assert hits(ask(trader)) == set(cached_sections())


def test_expired_answers_are_read_anew_and_kept_again(trader: User, sources: Sources) -> None:
    ask(trader)
    sources.clock.at += 901
    sources.asked.clear()
    assert hits(ask(trader)) == set()
    assert set(cached_sections()) < set(sources.asked)
    assert hits(ask(trader)) == set(cached_sections())


def test_change_of_positions_takes_away_what_it_makes_wrong(trader: User, sources: Sources) -> None:
    ask(trader)
    account = trader.owned_accounts.get()
    invalidate_changed(Change.POSITION_UPDATE, triggered_by="test", account_ids=[account.pk])
    wrong = {
        str(each.section)
        for each in dashboard_resources()
        if Change.POSITION_UPDATE in each.changed_by
    }
    assert "pnl_curve" in wrong
    assert hits(ask(trader)) == set(cached_sections()) - wrong
    assert hits(ask(trader)) == set(cached_sections())


def test_last_good_gamma_exposure_stands_in_for_a_lost_provider(
    trader: User, sources: Sources
) -> None:
    ask(trader)
    sources.clock.at += 400
    sources.errors["gex"] = LOST
    gex = ask(trader).sections["gex"]
    assert (gex.cache.hit, gex.cache.stale, gex.cache.age_seconds) == (False, True, 400)
    assert (gex.body.stale, gex.body.problem) == (True, LOST.message)
    # Nothing good is known of it: then only this section fails.
    sources.manager.invalidate("gex:*")
    answer = ask(trader)
    assert dict(answer.errors) == {"gex": LOST.message}
    del sources.errors["gex"]
    assert ask(trader).sections["gex"].cache.stale is False


def test_without_redis_all_is_read_from_its_source_until_it_is_back(
    trader: User, sources: Sources
) -> None:
    ask(trader)
    with override_settings(CACHES=NOWHERE):
        for _ in range(2):
            sources.asked.clear()
            answer = ask(trader)
            assert answer.errors == {}
            assert hits(answer) == set()
            assert set(sources.asked) == REAL_TIME | set(cached_sections())
    # As when the pause after the failures has passed.
    forget_process_copies()
    assert hits(ask(trader)) == set(cached_sections())


@pytest.fixture
def silent(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnValkey]:
    """A Valkey with the shipped time-outs, for the desk's own keys and for the cache."""
    server = OwnValkey()
    server.start()
    settings.REDIS_URL = server.url
    settings.REDIS_SOCKET_TIMEOUT = seconds = data.REDIS_SOCKET_TIMEOUT
    default = settings.CACHES["default"]
    options = default["OPTIONS"] | {"SOCKET_TIMEOUT": seconds, "SOCKET_CONNECT_TIMEOUT": seconds}
    # However slow the machine: the second reading comes before the pauses after a failure end.
    monkeypatch.setattr(client, "PAUSE_AFTER_FAILURE", 3600.0)
    monkeypatch.setattr(availability, "FIRST_PAUSE", 3600.0)
    monkeypatch.setattr(availability, "LONGEST_PAUSE", 3600.0)
    with override_settings(
        CACHES={"default": default | {"LOCATION": server.url, "OPTIONS": options}}
    ):
        yield server
    server.resume()
    server.remove()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Collect each time-out of Redis that somebody waited for."""
    found: list[object] = []
    read = AbstractConnection.read_response

    def counted(self: AbstractConnection, *arguments: Any, **options: Any) -> Any:
        try:
            return read(self, *arguments, **options)
        except redis.TimeoutError:
            found.append(self)
            raise

    monkeypatch.setattr(AbstractConnection, "read_response", counted)
    return found


def test_silent_redis_is_waited_for_once_and_the_second_answer_comes_at_once(
    trader: User, silent: OwnValkey, waits: list[object], sources: Sources
) -> None:
    ask(trader)
    silent.pause()
    sources.asked.clear()
    first = ask(trader)
    assert first.errors == {}
    assert hits(first) == set()
    assert set(sources.asked) == REAL_TIME | set(cached_sections())
    # One for the cache, one for the desk's own keys.
    assert 1 <= len(waits) <= 2
    assert len(waits) * data.REDIS_SOCKET_TIMEOUT < min(
        each.time_limit for each in dashboard_resources()
    )
    waits.clear()
    second = ask(trader)
    assert (second.errors, waits) == ({}, [])
    silent.resume()
    forget_process_copies()
    client.reset_guards()
    assert hits(ask(trader)) == set(cached_sections())


def test_full_redis_answers_what_it_holds_and_stores_no_more(
    trader: User, sources: Sources, valkey: RunningValkey
) -> None:
    sources.keep(section_named("gex"), trader)
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory", "1")
        try:
            for _ in range(2):
                answer = ask(trader)
                assert answer.errors == {}
                assert hits(answer) <= {"gex"}
        finally:
            client.config_set("maxmemory", "0")


def test_lost_database_fails_its_sections_in_words(trader: User, sources: Sources) -> None:
    for name in REAL_TIME:
        sources.errors[name] = OperationalError("connection refused")
    answer = ask(trader)
    # Others may be refused as well, once it is known to be gone.
    assert answer.errors.keys() >= REAL_TIME
    assert all("not reachable" in text for text in answer.errors.values())
    assert len(answer.errors) + len(answer.sections) == len(dashboard_resources())


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the named section little time, and threads of its own to get stuck."""
    monkeypatch.setattr(reading, "_limited", LimitedCalls("tests", most=2))

    def work(call: Any, seconds: float) -> Work:
        # Only the real limit of gamma exposure is 5 s.
        return Work(call, 0.4 if seconds == 5.0 else 60.0)

    monkeypatch.setattr(reading, "Work", work)


def test_slow_provider_costs_its_limit_and_the_last_good_answer_is_given(
    trader: User, sources: Sources, hurry: None
) -> None:
    over = threading.Event()
    sources.keep(section_named("gex"), trader)
    sources.clock.at += 400
    sources.meanwhile = lambda section: over.wait(60) if section == "gex" else None
    try:
        for _ in range(4):
            answer = ask(trader)
            assert answer.errors == {}
            assert answer.sections["gex"].cache.stale
            assert as_json(answer.sections["gex"].body) == as_json(sources.bodies["gex"])
            assert answer.late == {"gex"}
    finally:
        over.set()


def test_slow_query_is_cancelled_and_named(trader: User, sources: Sources, hurry: None) -> None:
    has_ended = threading.Event()

    def slowly(section: str) -> None:
        if section == "gex":
            try:
                endless_query()
            finally:
                connection.close()
                has_ended.set()

    sources.meanwhile = slowly
    answer = ask(trader)
    assert dict(answer.errors) == {"gex": "Not answered within 0.4 s."}
    assert has_ended.wait(60)
