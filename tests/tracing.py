"""Trace only what can cover a line for the first time: on Python 3.11 tracing doubles the time.

Without ``--cov`` nothing is traced, and nothing here changes that.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# Tests that ran in this worker, without the parameters.
_ran: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import the modules untraced in all workers but one: all import the same."""
    with _untraced(os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0"):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Leave the second and later cases of a test untraced: they run the same lines."""
    test = item.nodeid.partition("[")[0]
    is_repeat = test in _ran
    _ran.add(test)
    with _untraced(is_repeat):
        return (yield)


@contextmanager
def _untraced(wanted: bool) -> Iterator[None]:
    """Stop tracing in this thread and in those that start, if wanted."""
    if not wanted:
        yield
        return
    trace, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)
        threading.settrace(of_threads)
