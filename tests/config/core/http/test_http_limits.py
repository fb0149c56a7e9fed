"""Pauses that a provider asks for, budgets, and the breaker."""

from __future__ import annotations

import time
from datetime import timedelta
from email.utils import format_datetime

import pytest

from config.core.clock import now
from config.core.errors import (
    CircuitOpen,
    PermanentError,
    RateLimitedError,
    RetryableError,
    UnauthorisedError,
)
from config.core.http.breaker import BreakerState, CircuitBreaker
from config.core.http.budget import CallBudget
from config.core.http.caller import HttpCaller
from tests.config.core.http.conftest import MakeCaller
from tests.config.core.http.elapsing import elapse
from tests.config.core.servers import OwnValkey, Reply, ScriptedProvider

pytestmark = pytest.mark.usefixtures("own_valkey")


def test_too_many_requests_waits_as_told_and_repeats(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(429, headers={"Retry-After": "0.2"}), Reply.of({"ok": True})]
    started = time.monotonic()
    assert make_caller().request_json("GET", "/book") == {"ok": True}
    assert time.monotonic() - started >= 0.2


def test_wait_longer_than_the_calls_deadline_is_handed_on(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(429, headers={"Retry-After": "120"})]
    with pytest.raises(RateLimitedError) as limited:
        make_caller().request_json("GET", "/book")
    assert limited.value.retry_after == 120
    assert len(provider.seen) == 1


def test_retry_after_as_a_date_is_understood(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    moment = format_datetime(now() + timedelta(seconds=90), usegmt=True)
    provider.replies = [Reply(429, headers={"Retry-After": moment})]
    with pytest.raises(RateLimitedError) as limited:
        make_caller().request_json("GET", "/book")
    assert limited.value.retry_after is not None
    assert 85 < limited.value.retry_after <= 90


@pytest.mark.parametrize("text", ["soon", "", "-5", "Mon, 99 Foo 2026"])
def test_unreadable_retry_after_is_no_wait_we_know(
    provider: ScriptedProvider, make_caller: MakeCaller, text: str
) -> None:
    provider.replies = [Reply(429, headers={"Retry-After": text})]
    with pytest.raises(RateLimitedError) as limited:
        make_caller(attempts=1).request_json("GET", "/book")
    assert limited.value.retry_after is None


def test_after_429_no_other_caller_of_the_provider_calls(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(429)]
    with pytest.raises(RateLimitedError):
        make_caller(attempts=1, penalty_seconds=900).request_json("GET", "/book")
    with pytest.raises(RateLimitedError) as limited:
        make_caller(attempts=1).request_json("GET", "/other")
    assert limited.value.retry_after is not None
    assert 890 < limited.value.retry_after <= 900
    assert len(provider.seen) == 1


def test_pause_holds_in_this_process_when_redis_vanishes(
    provider: ScriptedProvider, make_caller: MakeCaller, own_valkey: OwnValkey
) -> None:
    provider.replies = [Reply(429, headers={"Retry-After": "60"})]
    caller = make_caller(attempts=1)
    with pytest.raises(RateLimitedError):
        caller.request_json("GET", "/book")
    own_valkey.pause()
    with pytest.raises(RateLimitedError):
        caller.request_json("GET", "/book")
    assert len(provider.seen) == 1


def test_budget_of_a_path_limits_only_that_path(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    budgets = {"/orders": CallBudget("orders", limit=1, seconds=60)}
    caller = make_caller(budgets=budgets)
    caller.request_json("GET", "/orders")
    with pytest.raises(RateLimitedError, match="orders"):
        caller.request_json("GET", "/orders/live")
    caller.request_json("GET", "/positions")
    assert [seen.path for seen in provider.seen] == ["/orders", "/positions"]


def test_budget_of_everything_counts_retries_too(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(500))
    caller = make_caller(budgets={"": CallBudget("all", limit=2, seconds=60)})
    with pytest.raises((RetryableError, RateLimitedError)):
        caller.request_json("GET", "/book")
    assert len(provider.seen) == 2


def test_breaker_opens_after_failures_and_spares_the_provider(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.always(Reply(500))
    first = make_caller()
    first.breaker.failures = 2
    with pytest.raises(CircuitOpen):
        first.request_json("GET", "/book")
    with pytest.raises(CircuitOpen):
        make_caller().request_json("GET", "/book")
    assert len(provider.seen) == 2


def test_breaker_and_pause_of_one_server_do_not_hold_for_another(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(429, headers={"Retry-After": "60"})]
    with pytest.raises(RateLimitedError):
        make_caller().request_json("GET", "/book")
    with pytest.raises(RateLimitedError):
        make_caller().request_json("GET", "/book")
    assert len(provider.seen) == 1
    elsewhere = HttpCaller("broker", provider.url.replace("127.0.0.1", "localhost"), timeout=1)
    assert elsewhere.request_json("GET", "/book") is not None
    elsewhere.close()


def test_half_open_breaker_lets_one_call_probe_and_closes(
    provider: ScriptedProvider, make_caller: MakeCaller
) -> None:
    provider.replies = [Reply(500)]
    breaker = CircuitBreaker("broker", failures=1, cool_down=30)
    caller = make_caller(breaker=breaker, attempts=1)
    with pytest.raises(RetryableError):
        caller.request_json("GET", "/book")
    assert breaker.state() == BreakerState.OPEN
    elapse(31, "broker")
    caller.request_json("GET", "/book")
    assert breaker.state() == BreakerState.CLOSED


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusals_do_not_open_the_breaker(
    provider: ScriptedProvider, make_caller: MakeCaller, status: int
) -> None:
    provider.always(Reply(status))
    breaker = CircuitBreaker("broker", failures=1)
    with pytest.raises((PermanentError, UnauthorisedError)):
        make_caller(breaker=breaker).request_json("GET", "/book")
    assert breaker.state() == BreakerState.CLOSED
