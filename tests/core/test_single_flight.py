from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from config.core.errors import LockHeld
from config.core.locks import subject_lock
from config.core.single_flight import single_flight
from tests.core.servers import OwnValkey


def test_alone_it_runs_and_returns_the_result(own_valkey: OwnValkey) -> None:
    assert single_flight("greeks", lambda: 42, seconds=5) == 42


def test_of_many_callers_one_runs_and_the_others_get_none(own_valkey: OwnValkey) -> None:
    started, may_end, calls = threading.Event(), threading.Event(), []

    def work() -> str:
        calls.append(1)
        started.set()
        may_end.wait(5)
        return "done"

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(single_flight, "greeks", work, seconds=5)
        started.wait(5)
        others = [pool.submit(single_flight, "greeks", work, seconds=5) for _ in range(7)]
        assert [other.result(5) for other in others] == [None] * 7
        may_end.set()
        assert first.result(5) == "done"
    assert len(calls) == 1


def test_waiting_callers_return_when_the_runner_has_finished(own_valkey: OwnValkey) -> None:
    started, may_end, finished = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        may_end.wait(5)
        finished.set()

    with ThreadPoolExecutor(2) as pool:
        runner = pool.submit(single_flight, "greeks", work, seconds=5)
        started.wait(5)
        waiter = pool.submit(single_flight, "greeks", work, seconds=5, wait_up_to=5)
        assert not waiter.done()
        may_end.set()
        runner.result(5)
        assert waiter.result(5) is None
        assert finished.is_set()


def test_wait_is_bounded(own_valkey: OwnValkey) -> None:
    with subject_lock("flight:greeks", seconds=5):
        assert single_flight("greeks", lambda: 1, seconds=5, wait_up_to=0.05) is None


def test_error_of_the_call_reaches_its_caller_and_frees_the_flight(own_valkey: OwnValkey) -> None:
    with pytest.raises(ZeroDivisionError):
        single_flight("greeks", lambda: 1 // 0, seconds=5)
    assert single_flight("greeks", lambda: 2, seconds=5) == 2


def test_lock_wanted_by_the_call_itself_is_not_taken_for_the_flight(own_valkey: OwnValkey) -> None:
    def work() -> None:
        with subject_lock("account.U1", seconds=5):
            pass

    with subject_lock("account.U1", seconds=5), pytest.raises(LockHeld, match=r"account\.U1"):
        single_flight("greeks", work, seconds=5)


def test_without_redis_one_thread_of_the_process_runs(no_redis: None) -> None:
    inner: list[int | None] = []

    def work() -> int:
        inner.append(single_flight("greeks", lambda: 2, seconds=5))
        return 1

    assert single_flight("greeks", work, seconds=5) == 1
    assert inner == [None]
