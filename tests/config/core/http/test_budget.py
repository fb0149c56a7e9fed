from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from config.core.errors import RateLimitedError
from config.core.http.budget import CallBudget
from tests.config.core.servers import OwnValkey


def _take_many(answers: multiprocessing.Queue[int]) -> None:
    budget = CallBudget("shared", limit=10, seconds=30)
    answers.put(sum(budget.try_acquire() == 0.0 for _ in range(8)))


def test_limit_is_granted_and_the_next_call_has_to_wait(own_valkey: OwnValkey) -> None:
    budget = CallBudget("greeks", limit=3, seconds=30)
    assert [budget.try_acquire() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert 29 < budget.try_acquire() <= 30


def test_window_slides_with_each_call_and_not_by_the_clock(own_valkey: OwnValkey) -> None:
    budget = CallBudget("greeks", limit=2, seconds=0.3)
    assert budget.try_acquire() == 0.0
    time.sleep(0.2)
    assert budget.try_acquire() == 0.0
    # Only the first call leaves the window now, so one slot is free and not two.
    time.sleep(0.12)
    assert budget.try_acquire() == 0.0
    assert 0 < budget.try_acquire() < 0.3


def test_acquire_waits_for_the_next_slot(own_valkey: OwnValkey) -> None:
    budget = CallBudget("greeks", limit=1, seconds=0.1)
    started = time.monotonic()
    for _ in range(3):
        budget.acquire(wait_up_to=5)
    assert time.monotonic() - started >= 0.19


def test_wait_that_is_too_long_is_refused_with_its_length(own_valkey: OwnValkey) -> None:
    budget = CallBudget("greeks", limit=1, seconds=30)
    budget.acquire(wait_up_to=0)
    with pytest.raises(RateLimitedError) as refused:
        budget.acquire(wait_up_to=1)
    assert refused.value.retry_after is not None
    assert 29 < refused.value.retry_after <= 30


def test_two_budgets_do_not_share_their_calls(own_valkey: OwnValkey) -> None:
    assert CallBudget("one", limit=1, seconds=30).try_acquire() == 0.0
    assert CallBudget("two", limit=1, seconds=30).try_acquire() == 0.0


def test_processes_share_one_budget(own_valkey: OwnValkey) -> None:
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=_take_many, args=(answers,)) for _ in range(3)]
    for process in processes:
        process.start()
    granted = sum(answers.get(timeout=10) for _ in processes)
    for process in processes:
        process.join(10)
    assert granted == 10


def test_threads_never_exceed_the_limit(own_valkey: OwnValkey) -> None:
    budget = CallBudget("greeks", limit=25, seconds=30)
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: budget.try_acquire(), range(60)))
    assert waits.count(0.0) == 25


def test_without_redis_a_process_keeps_to_half(no_redis: None) -> None:
    budget = CallBudget("greeks", limit=6, seconds=30)
    waits = [budget.try_acquire() for _ in range(4)]
    assert waits[:3] == [0.0, 0.0, 0.0]
    assert 29 < waits[3] <= 30


def test_calls_before_redis_vanished_still_count(mortal_valkey: OwnValkey) -> None:
    budget = CallBudget("greeks", limit=4, seconds=30)
    assert [budget.try_acquire() for _ in range(3)] == [0.0] * 3
    mortal_valkey.kill()
    assert budget.try_acquire() > 0


@pytest.mark.parametrize(("limit", "seconds"), [(0, 1.0), (-1, 1.0), (1, 0.0)])
def test_impossible_budget_is_refused_when_written(limit: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="greeks"):
        CallBudget("greeks", limit=limit, seconds=seconds)
