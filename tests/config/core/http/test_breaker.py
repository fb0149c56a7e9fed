from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from config.core.errors import CircuitOpen
from config.core.http.breaker import BreakerState, CircuitBreaker
from tests.config.core.http.elapsing import elapse
from tests.config.core.servers import OwnValkey


def _fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.record_failure()


def _may_call(breaker: CircuitBreaker) -> bool:
    try:
        breaker.check()
    except CircuitOpen:
        return False
    return True


@pytest.fixture(params=["redis", "process"])
def place(request: pytest.FixtureRequest) -> str:
    """Where the state is: the rules are the same."""
    request.getfixturevalue("own_valkey" if request.param == "redis" else "no_redis")
    return str(request.param)


def test_closed_until_the_failures_in_a_row_are_reached(place: str) -> None:
    breaker = CircuitBreaker("ibkr", failures=3)
    _fail(breaker, 2)
    assert _may_call(breaker)
    assert breaker.state() == BreakerState.CLOSED
    _fail(breaker, 1)
    assert not _may_call(breaker)
    assert breaker.state() == BreakerState.OPEN


def test_success_between_failures_starts_the_count_anew(place: str) -> None:
    breaker = CircuitBreaker("ibkr", failures=3)
    _fail(breaker, 2)
    breaker.record_success()
    _fail(breaker, 2)
    assert _may_call(breaker)


def test_after_the_cool_down_exactly_one_of_many_probes(place: str) -> None:
    breaker = CircuitBreaker("ibkr", failures=1, cool_down=30, probe_seconds=300)
    _fail(breaker, 1)
    elapse(31)
    assert breaker.state() == BreakerState.HALF_OPEN
    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(lambda _: _may_call(breaker), range(16)))
    assert allowed.count(True) == 1


def test_successful_probe_closes(place: str) -> None:
    breaker = CircuitBreaker("ibkr", failures=1, cool_down=30)
    _fail(breaker, 1)
    elapse(31)
    breaker.check()
    breaker.record_success()
    assert breaker.state() == BreakerState.CLOSED
    assert _may_call(breaker)


def test_failed_probe_opens_again_at_once(place: str) -> None:
    breaker = CircuitBreaker("ibkr", failures=3, cool_down=30)
    _fail(breaker, 3)
    elapse(31)
    breaker.check()
    _fail(breaker, 1)
    assert breaker.state() == BreakerState.OPEN


def test_probe_that_never_reports_gives_way_to_another(place: str) -> None:
    breaker = CircuitBreaker("ibkr", failures=1, cool_down=30, probe_seconds=100)
    _fail(breaker, 1)
    elapse(31)
    assert _may_call(breaker)
    assert not _may_call(breaker)
    elapse(101)
    assert _may_call(breaker)


def test_late_failures_of_calls_under_way_do_not_prolong_the_cool_down(place: str) -> None:
    breaker = CircuitBreaker("ibkr", failures=1, cool_down=30)
    _fail(breaker, 1)
    elapse(20)
    _fail(breaker, 5)
    assert not _may_call(breaker)
    elapse(11)
    assert _may_call(breaker)


def test_two_clients_share_the_state(own_valkey: OwnValkey) -> None:
    one = CircuitBreaker("ibkr", failures=4, cool_down=30)
    other = CircuitBreaker("ibkr", failures=4, cool_down=30)
    _fail(one, 2)
    _fail(other, 2)
    assert not _may_call(one)
    assert not _may_call(other)
    elapse(31)
    assert [_may_call(one), _may_call(other)] == [True, False]
    one.record_success()
    assert _may_call(other)


def test_other_providers_are_not_affected(place: str) -> None:
    _fail(CircuitBreaker("ibkr", failures=1), 1)
    assert _may_call(CircuitBreaker("tastytrade", failures=1))


def test_open_breaker_stays_open_when_redis_vanishes(mortal_valkey: OwnValkey) -> None:
    breaker = CircuitBreaker("ibkr", failures=2)
    _fail(breaker, 2)
    mortal_valkey.kill()
    assert not _may_call(breaker)


def test_message_names_the_provider_and_the_wait(own_valkey: OwnValkey) -> None:
    breaker = CircuitBreaker("ibkr", failures=1, cool_down=30)
    _fail(breaker, 1)
    with pytest.raises(CircuitOpen, match=r"ibkr .* 30 s"):
        breaker.check()
