"""Trace only what can cover a line for the first time: on Python 3.11 tracing doubles the time.

Without ``--cov`` nothing is traced, and nothing here changes that.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from unittest.mock import patch

import pytest
from coverage import Coverage
from django.conf import settings

# CPU seconds of a test that are traced. What it does later it has mostly done before.
TRACED_SECONDS = 0.25
# By this variable a process learns that it is to trace itself.
PROCESSES = "COVERAGE_PROCESS_CONFIG"
# Tests that ran in this worker, without the parameters.
_ran: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import the modules untraced in all workers but one: all import the same."""
    is_later_worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0"
    is_traced = Coverage.current() is not None
    with traced(0 if is_later_worker else None):
        collected = yield
        if is_traced:
            # Else the first test that asks for a page would spend its moments on this.
            import_module(settings.ROOT_URLCONF)
        return collected


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Trace the first moments of a test, and not its later cases: they run the same lines."""
    test = item.nodeid.partition("[")[0]
    is_repeat = test in _ran
    _ran.add(test)
    with traced(0 if is_repeat else TRACED_SECONDS):
        return (yield)


@contextmanager
def traced(seconds: float | None) -> Iterator[None]:
    """Trace at most so many CPU seconds of the block, and the processes that start in them."""
    if seconds is None or Coverage.current() is None:
        yield
        return
    stopped: list[Coverage] = []
    processes = os.environ[PROCESSES]
    own = os.getpid()

    def stop(_number: int = 0, _frame: FrameType | None = None) -> None:
        # A child may take the signal between its fork and its program, where locks stay held.
        if os.getpid() != own:
            return
        # A worker has two: its own, and one as a process that a traced one started.
        while running := Coverage.current():
            running.stop()
            stopped.append(running)
        os.environ.pop(PROCESSES, None)

    before = signal.signal(signal.SIGPROF, stop)
    if seconds:
        signal.setitimer(signal.ITIMER_PROF, seconds)
    else:
        stop()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        # The patches are in place: each start would register one more hook for every later fork.
        with patch("coverage.control.apply_patches"):
            for coverage in reversed(stopped):
                coverage.start()
        os.environ[PROCESSES] = processes
