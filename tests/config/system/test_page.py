"""/system: for staff, without a secret, whole without a script, and live for one."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import time_machine
from django.test import Client
from pytest_django.fixtures import Settings

from auth_tokens.broker_tokens.crypto import encrypt
from auth_tokens.broker_tokens.sources import token_source
from auth_tokens.models import BrokerToken, TokenEvent
from config.core.caching.invalidation import clear_cache
from config.core.caching.reading import manager
from config.core.caching.warming import note_warming
from config.core.caching.watching import CacheState
from config.core.clock import now
from config.core.errors import ApplicationError, ProviderError, Unavailable
from config.core.http.breaker import CircuitBreaker
from config.core.http.budget import CallBudget
from config.core.http.servers import server_name, server_states
from config.core.monitoring.counting import Kind, count
from config.core.monitoring.recording import record_provider_call, record_section
from config.core.redis.client import redis_client, reset_guards
from config.system.outcomes import outcome_words
from greeks.polling.states import PollRecord, record_key
from portfolio.updates.statistics import get_queue_stats
from tests.factories import UserFactory
from tests.greeks.alerts.rows import EXPIRY, minute, nifty

pytestmark = [pytest.mark.django_db, pytest.mark.database, pytest.mark.any_database]

PAGE = "/system"
PARTS = "processes,responses,calls,tokens,chains,servers,calendars,checks"
CANARY = "canary-of-the-token"


def client_of(*, staff: bool) -> Client:
    client = Client()
    client.force_login(UserFactory.create(is_staff=staff))
    return client


@pytest.fixture
def staff() -> Client:
    return client_of(staff=True)


@pytest.fixture
def upstox(settings: Settings) -> BrokerToken:
    """A token that was obtained by logging in, and whose renewals fail."""
    settings.UPSTOX_ANALYTICS_TOKEN = ""
    for name in ("API_KEY", "API_SECRET", "MOBILE", "TOTP_SECRET", "PIN"):
        setattr(settings, f"UPSTOX_{name}", f"{CANARY}-{name}")
    return BrokerToken.objects.create(
        provider="upstox",
        ciphertext=encrypt(CANARY, provider="upstox"),
        status=BrokerToken.Status.STOPPED,
        credentials=token_source("upstox").credentials(),
        source="browser",
        obtained_at=now() - timedelta(hours=3),
        expires_at=now() + timedelta(hours=3),
        last_error="The PIN was refused.",
        last_error_code="wrong_pin",
    )


def test_others_than_staff_are_refused() -> None:
    assert Client().get(PAGE)["Location"].startswith("/accounts/login")
    others = client_of(staff=False)
    assert others.get(PAGE).status_code == 403
    assert others.post("/system/tokens/upstox/reset").status_code == 403
    assert 'href="/system"' not in others.get("/market/alerts").content.decode()


def test_counts_of_the_queue_have_no_decimals(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = get_queue_stats() | {"pending_updates": 3, "finished": 12_345, "deferred": None}
    monkeypatch.setattr("config.system.page.get_queue_stats", lambda: told)
    body = staff.get(PAGE).content.decode()
    shown = [
        re.search(rf"<dt>{label}</dt>\s*<dd>\s*([^<\s]+)", body)
        for label in ("Portfolios waiting", "Calculations")
    ]
    assert [found and found[1] for found in shown] == ["3", "12.3k"]


def test_page_says_how_everything_is(staff: Client, upstox: BrokerToken) -> None:
    body = staff.get(PAGE).content.decode()
    for text in ("worker", "beat", "Upstox", "Stopped", "The PIN was refused.", "NSE", "NYSE"):
        assert text in body, text
    assert "Reset Upstox" in body
    assert 'href="/system" aria-current="page"' in body


def test_no_secret_is_on_the_page(staff: Client, upstox: BrokerToken) -> None:
    for headers in ({}, {"X-Parts": PARTS}):
        body = staff.get(PAGE, headers=headers).content.decode()
        assert CANARY not in body
        assert upstox.ciphertext not in body


def test_parts_are_answered_alone(staff: Client) -> None:
    body = staff.get(PAGE, headers={"X-Parts": "tokens,chains,other"}).content.decode()
    assert body.count("<section") == 2
    assert "<html" not in body


def test_reset_forgets_failures_and_has_the_token_renewed_by_a_worker(
    staff: Client, upstox: BrokerToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    TokenEvent.objects.create(
        at=now() - timedelta(minutes=1),
        provider="upstox",
        event=TokenEvent.Event.LOG_IN_STARTED,
        credentials=upstox.credentials,
    )
    limits = token_source("upstox").limits
    first = staff.get(PAGE).content.decode()
    assert f"{limits[0].tries - 1} of {limits[0].tries}" in first
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("config.system.views.enqueue", lambda *given, **_: asked.append(given[1]))
    answer = staff.post("/system/tokens/upstox/reset", follow=True)
    assert "is being renewed" in answer.content.decode()
    assert f"{limits[0].tries} of {limits[0].tries}" in answer.content.decode()
    assert asked == [{"provider": "upstox"}]
    upstox.refresh_from_db()
    assert (upstox.status, upstox.last_error) == (BrokerToken.Status.VALID, "")
    event = TokenEvent.objects.filter(event=TokenEvent.Event.TOKEN_RESET).get()
    assert event.actor is not None
    assert staff.post("/system/tokens/nobody/reset").status_code == 404


def test_chains_show_their_polls(staff: Client) -> None:
    nifty()
    with time_machine.travel(minute(10), tick=False):
        body = staff.get(PAGE).content.decode()
        assert "NIFTY 50, 1 Dec 26" in body
        assert "Not polled yet" in body
        assert "0 of 12" in body
        record = PollRecord(
            polled_at=now(),
            slot=now(),
            outcome="provider_unreachable",
            error="upstox did not answer",
            consecutive_failures=4,
        )
        redis_client().set(record_key("nifty", EXPIRY), msgspec.json.encode(record))
        body = staff.get(PAGE).content.decode()
    assert "Failing" in body
    assert "upstox did not answer" in body


def test_providers_show_budget_and_breaker(
    staff: Client, upstox: BrokerToken, settings: Settings
) -> None:
    name = server_name("upstox", settings.UPSTOX_URL)
    CallBudget(f"{name}.60s", limit=500, seconds=60).acquire(wait_up_to=0)
    breaker = CircuitBreaker(name)
    for _ in range(breaker.failures):
        breaker.record_failure()
    state = {each.provider: each for each in server_states()}["upstox"]
    assert [budget.used for budget in state.budgets] == [0, 1, 0]
    body = staff.get(PAGE, headers={"X-Parts": "servers"}).content.decode()
    assert "Calls are paused" in body
    assert "1 of 500" in body


def test_page_answers_without_redis(staff: Client, settings: Settings) -> None:
    nifty()
    settings.REDIS_URL = "unix:///nonexistent/greekdesk.sock?db=0"
    reset_guards()
    body = staff.get(PAGE).content.decode()
    assert "Redis does not answer" in body
    assert "Exchange calendars" in body


def test_page_says_what_answers_cost_and_which_calls_failed(staff: Client) -> None:
    for seconds in (0.002, 0.004, 1.5):
        count(Kind.REQUEST, "GET api/portfolio/accounts", "200", seconds, hits=1)
    record_provider_call("upstox", "ok", 0.1)
    record_provider_call("upstox", "provider_rate_limited", 0.1)
    record_section("gex", "time_limit", 2.0)
    record_section("analytics:monthly_returns", "ok", 0.1)
    body = staff.get(PAGE, headers={"X-Parts": "responses,calls"}).content.decode()
    texts = " ".join(re.sub(r"<[^>]*>", " ", body).split())
    assert "Requests 3" in texts
    assert "Slow, over a second 1" in texts
    assert "GET api/portfolio/accounts 3 502.0" in texts
    assert "Upstox 2 50.0% 100.0" in texts
    assert "too many calls 1×" in texts
    assert "Gamma exposure 1 100.0%" in texts
    assert "took too long 1×" in texts
    assert "Analytics monthly returns 1 0.0%" in texts


def test_every_failure_of_a_call_has_words() -> None:
    errors: set[type[ApplicationError]] = {Unavailable, ProviderError}
    while more := {each for error in errors for each in error.__subclasses__()} - errors:
        errors |= more
    shared = {each.code for each in errors if each.__module__.startswith("config.core")}
    assert [code for code in shared if outcome_words(code) == code.replace("_", " ")] == []


def test_page_says_that_redis_cannot_tell(staff: Client, settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nonexistent/greekdesk.sock?db=0"
    body = staff.get(PAGE, headers={"X-Parts": "responses,calls"}).content.decode()
    assert body.count("Redis does not answer") == 2
    answer = staff.get("/api/monitoring")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "unavailable"


def test_page_says_what_was_removed_from_the_cache_when_and_by_whom(staff: Client) -> None:
    for key in ("gex:SPY:2026-11-06", "gex:QQQ:2026-11-06", "analytics:pnl:U1"):
        manager.set(key, {}, 300)
    clear_cache("gex:*", triggered_by="operator")
    clear_cache("analytics:*", triggered_by="clear_cache")
    for outcome in ("succeeded", "succeeded", "succeeded", "skipped"):
        note_warming(outcome)
    count(Kind.REQUEST, "GET api/dashboard", "200", 0.01, hits=3)
    body = staff.get(PAGE, headers={"X-Parts": "cache"}).content.decode()
    texts = " ".join(re.sub(r"<[^>]*>", " ", body).split())
    assert "Made ready today 75.0% Answers made ready 3" in texts
    assert "Hits, last hour 100%" in texts
    assert re.search(r"Memory in use [\d.]+ MB", texts)
    newest, before = re.findall(r"Manual clear (\d+) (\w+)", texts)
    assert (newest, before) == (("1", "clear_cache"), ("2", "operator"))
    assert body.count('datetime="') == 2


def test_page_without_the_cache_says_so(
    staff: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "unix:///nonexistent/greekdesk.sock?db=0"
    monkeypatch.setattr("config.system.page.cache_state", lambda: CacheState(answers=False))
    body = staff.get(PAGE, headers={"X-Parts": "cache"}).content.decode()
    assert "The cache does not answer" in body
    assert "Redis does not answer" in body


def test_figures_are_for_staff(staff: Client) -> None:
    assert Client().get("/api/monitoring").status_code == 401
    assert client_of(staff=False).get("/api/monitoring").status_code == 403
    body = staff.get("/api/monitoring").json()
    names = {"avg_response_time", "p95_response_time", "p99_response_time", "cache_hit_rate"}
    assert names | {"slow_requests"} <= body.keys()
