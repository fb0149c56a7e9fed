"""A Redis that takes no more data: everything falls back to the process, nothing fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.core.errors import CircuitOpen, LockHeld
from config.core.health import heartbeat
from config.core.http.breaker import BreakerState, CircuitBreaker
from config.core.http.budget import CallBudget
from config.core.http.pause import SharedPause
from config.core.live.hub import announce
from config.core.redis.locks import subject_lock
from tests.config.core.servers import OwnValkey


@pytest.fixture(autouse=True)
def _full(own_valkey: OwnValkey) -> Iterator[None]:
    own_valkey.client().config_set("maxmemory", "1")
    yield
    own_valkey.client().config_set("maxmemory", "0")


def test_lock_is_the_process_s() -> None:
    with (
        subject_lock("account.U1", seconds=5),
        pytest.raises(LockHeld),
        subject_lock("account.U1", seconds=5),
    ):
        pass


def test_budget_is_never_exceeded() -> None:
    budget = CallBudget("greeks", limit=3, seconds=30)
    waits = [budget.try_acquire() for _ in range(6)]
    assert 1 <= waits.count(0.0) <= 3
    assert waits[-1] > 0


def test_breaker_still_opens() -> None:
    breaker = CircuitBreaker("broker", failures=2)
    breaker.record_failure()
    breaker.record_failure()
    assert breaker.state() == BreakerState.OPEN
    with pytest.raises(CircuitOpen):
        breaker.check()
    breaker.record_success()
    breaker.check()


def test_pause_still_holds() -> None:
    pause = SharedPause("broker")
    pause.start(30)
    assert 29 < pause.remaining() <= 30


def test_announcement_and_heartbeat_do_not_fail() -> None:
    announce("group", {"n": 1})
    heartbeat("worker")
