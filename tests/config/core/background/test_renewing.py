"""A worker that has grown ends by itself, once nothing runs, and not all the time."""

from __future__ import annotations

import pytest
from celery.worker import state

from config.core.background import renewing
from config.core.background.renewing import GROWN_MEGABYTES, YOUNGEST_SECONDS, Growth
from config.core.processes.pulse import REPLACE


@pytest.fixture(autouse=True)
def _stopping_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "should_stop", None)


def grown(
    monkeypatch: pytest.MonkeyPatch, *, megabytes: float, seconds: float, idle: bool = True
) -> object:
    """Return with what code a worker is asked to end that grew so much in so many seconds."""
    state.should_stop = None
    sizes, moments = iter([30.0, 30.0 + megabytes]), iter([0.0, seconds])
    monkeypatch.setattr(renewing, "own_megabytes", lambda: next(sizes))
    Growth(lambda: next(moments)).renew_if_grown(idle=idle)
    return state.should_stop


def test_grown_worker_ends_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    much, late = GROWN_MEGABYTES + 1, YOUNGEST_SECONDS + 1
    assert grown(monkeypatch, megabytes=GROWN_MEGABYTES - 1, seconds=late) is None
    assert grown(monkeypatch, megabytes=much, seconds=YOUNGEST_SECONDS - 1) is None
    assert grown(monkeypatch, megabytes=much, seconds=late, idle=False) is None
    assert grown(monkeypatch, megabytes=much, seconds=late) == REPLACE
    assert grown(monkeypatch, megabytes=much, seconds=late) is None
