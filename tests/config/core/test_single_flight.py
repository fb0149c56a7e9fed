"""Work requested many times at once is done once and shared, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from config.core.single_flight import SingleFlight


class Waited(threading.Event):
    """An event that knows how many wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Semaphore(0)

    def wait(self, timeout: float | None = None) -> bool:
        self.waiting.release()
        return super().wait(timeout)


def ask_at_once(
    flights: SingleFlight[str], work: Callable[[], str], *, others: int
) -> list[Future[str]]:
    """Run one worker, and callers that arrive meanwhile; it ends once all of them wait."""
    entered, may_end = threading.Event(), threading.Event()
    landed = Waited()

    def first() -> str:
        flights._flights["key"].landed = landed
        entered.set()
        may_end.wait(5)
        return work()

    with ThreadPoolExecutor(others + 1) as pool:
        asked = [pool.submit(flights, "key", first)]
        entered.wait(5)
        asked += [pool.submit(flights, "key", work) for _ in range(others)]
        for _ in range(others):
            assert landed.waiting.acquire(timeout=5)
        may_end.set()
    return asked


def test_all_who_ask_at_once_share_one_result() -> None:
    flights: SingleFlight[str] = SingleFlight()
    made: list[int] = []

    def work() -> str:
        made.append(1)
        return f"result {len(made)}"

    asked = ask_at_once(flights, work, others=6)
    assert {each.result(5) for each in asked} == {"result 1"}
    assert flights("key", work) == "result 2"


def test_all_who_ask_at_once_share_one_failure_and_the_next_starts_anew() -> None:
    flights: SingleFlight[str] = SingleFlight()

    def fail() -> str:
        raise ValueError("no")

    for each in ask_at_once(flights, fail, others=3):
        with pytest.raises(ValueError, match="no"):
            each.result(5)
    assert flights("key", lambda: "later") == "later"


def test_other_keys_do_not_wait() -> None:
    flights: SingleFlight[str] = SingleFlight()
    assert flights("a", lambda: flights("b", lambda: "inner")) == "inner"
