"""A worker that has grown ends by itself, once nothing runs, and not all the time."""

from __future__ import annotations

import pytest
from celery.worker import state

from config.core.background import renewing
from config.core.background.renewing import (
    GROWN_MEGABYTES,
    LOOK_SECONDS,
    SETTLED_MEGABYTES,
    YOUNGEST_SECONDS,
    Growth,
)
from config.core.processes.pulse import REPLACE


@pytest.fixture(autouse=True)
def _stopping_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "should_stop", None)


def ends(monkeypatch: pytest.MonkeyPatch, *looks: tuple[float, float, bool]) -> list[bool]:
    """Return at which looks a worker is asked to end: seconds after its start, megabytes it grew
    until then, whether it is idle."""
    sizes, moments = [30.0], [0.0]
    monkeypatch.setattr(renewing, "own_megabytes", lambda: sizes[-1])
    growth = Growth(lambda: moments[-1])
    answers = []
    for seconds, megabytes, idle in looks:
        state.should_stop = None
        moments.append(seconds)
        sizes.append(30.0 + megabytes)
        growth.renew_if_grown(idle=idle)
        answers.append(state.should_stop == REPLACE)
    return answers


LATE = YOUNGEST_SECONDS + LOOK_SECONDS
MUCH = GROWN_MEGABYTES + 1


def test_grown_worker_ends_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    settled = [(LATE + number * LOOK_SECONDS, MUCH, True) for number in range(3)]
    small = [(moment, GROWN_MEGABYTES - 1, idle) for moment, _, idle in settled]
    assert ends(monkeypatch, *small) == [False, False, False]
    assert ends(monkeypatch, (LATE, MUCH, True), (LATE + LOOK_SECONDS, MUCH, False)) == [False] * 2
    assert ends(monkeypatch, *settled) == [False, True, False]
    assert ends(monkeypatch, *settled) == [False, False, False]


def test_worker_between_two_waves_of_bulk_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    waves = (MUCH, MUCH + 10 * SETTLED_MEGABYTES, MUCH, MUCH)
    looks = [(LATE + number * LOOK_SECONDS, size, True) for number, size in enumerate(waves)]
    assert ends(monkeypatch, *looks) == [False, False, False, True]
    young = [(1 + number * LOOK_SECONDS, MUCH, True) for number in range(3)]
    assert not any(ends(monkeypatch, *young))
