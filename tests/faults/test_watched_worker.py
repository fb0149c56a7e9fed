"""A worker that does no work is replaced, whatever the cause.

``FAULT_PAUSES=20`` pauses Valkey twenty times, for 5 to 60 seconds, instead of twice.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from config.celery import app
from config.core.background import progress as progress_module
from config.core.background.progress import STALLED_SECONDS, Progress, _FinalMessage
from config.core.processes.pulse import REPLACE
from tests.architecture.source import ROOT
from tests.faults.recovery import note_recovery
from tests.faults.watched_worker import HERE, TASK
from tests.servers.valkey import RunningValkey

PAUSES = int(os.environ.get("FAULT_PAUSES", "2"))
# The bar is 30; what a busy machine adds says nothing about the worker.
SECONDS = 40


class Clock:
    def __init__(self) -> None:
        self.moment = 0.0

    def __call__(self) -> float:
        return self.moment


def test_free_thread_beside_waiting_messages_is_a_stall() -> None:
    clock = Clock()
    progress = Progress(clock)
    with progress.working(600):
        clock.moment = STALLED_SECONDS - 1
        assert not progress.look(waiting=3, slots=2)
        clock.moment = STALLED_SECONDS
        assert progress.look(waiting=3, slots=2)
    assert not progress.look(waiting=3, slots=2)


@pytest.mark.parametrize(("waiting", "slots"), [(0, 4), (None, 4), (3, 1)])
def test_empty_or_unknown_queue_and_busy_threads_are_no_stall(
    waiting: int | None, slots: int
) -> None:
    clock = Clock()
    progress = Progress(clock)
    with progress.working(600):
        for _ in range(5):
            clock.moment += STALLED_SECONDS - 1
            assert not progress.look(waiting=waiting, slots=slots)


def test_threads_past_their_time_are_stuck_not_busy() -> None:
    clock = Clock()
    progress = Progress(clock)
    with progress.working(10):
        clock.moment = 9
        assert not progress.look(waiting=1, slots=1)
        clock.moment = 9 + STALLED_SECONDS
        assert progress.look(waiting=1, slots=1)


@pytest.mark.parametrize("method", ["ack_log_error", "reject_log_error"])
def test_failed_acknowledgement_ends_the_process(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    ending = SimpleNamespace(_exit=codes.append)
    monkeypatch.setattr(progress_module, "os", ending)
    monkeypatch.setattr("logging.shutdown", lambda: None)

    def fails(*_arguments: Any, **_named: Any) -> None:
        raise TimeoutError

    channel = SimpleNamespace(basic_ack=fails, basic_reject=fails, prepare_payload=None)
    message = _FinalMessage(
        {"body": "", "properties": {"delivery_tag": "1", "delivery_info": {}}},
        channel=SimpleNamespace(**vars(channel), decode_body=lambda body, _encoding: body),
    )
    getattr(message, method)(None, (TimeoutError,))
    assert codes == [REPLACE]


@contextmanager
def started(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", HERE, str(folder), *options],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def lines(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def wait_until(holds: Callable[[], bool], *, seconds: float = SECONDS) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)


def ask(number: int) -> None:
    app.send_task(TASK, kwargs={"number": number})


@pytest.mark.processes
def test_worker_that_fetches_nothing_ends_itself(tmp_path: Path, valkey: RunningValkey) -> None:
    with started(tmp_path, "--deaf") as process:
        ask(1)
        assert process.wait(SECONDS) == REPLACE


@pytest.mark.processes
def test_frozen_worker_is_replaced(tmp_path: Path, valkey: RunningValkey) -> None:
    pids, marks = tmp_path / "pids", tmp_path / "marks"
    with started(tmp_path):
        ask(1)
        wait_until(lambda: lines(marks) == [1])
        [frozen] = lines(pids)
        os.kill(frozen, signal.SIGSTOP)
        wait_until(lambda: len(lines(pids)) > 1)
        assert not psutil.pid_exists(frozen)
        # Messages that the server handed to the frozen one are gone, as with any killed worker.
        ask(2)
        wait_until(lambda: 2 in lines(marks))


@pytest.mark.processes
@pytest.mark.timeout(120 + 150 * PAUSES)
def test_work_goes_on_after_each_pause_of_valkey(tmp_path: Path, valkey: RunningValkey) -> None:
    """A message may be lost with a connection; the desk finds such work again in its database."""
    marks = tmp_path / "marks"
    numbers = itertools.count()

    def works() -> float:
        """Return the seconds until work is done that is asked for now."""
        first = next(numbers)
        began = time.monotonic()
        while max(lines(marks), default=-1) < first:
            assert time.monotonic() < began + SECONDS, "no work was done"
            ask(next(numbers))
            time.sleep(0.5)
        return time.monotonic() - began

    with started(tmp_path):
        works()
        for turn in range(PAUSES):
            for _ in range(20):
                ask(next(numbers))
            valkey.process.send_signal(signal.SIGSTOP)
            # Longer than the broker's time-out of five seconds.
            time.sleep(6 if PAUSES < 5 else 5 + 55 * turn / (PAUSES - 1))
            valkey.process.send_signal(signal.SIGCONT)
            note_recovery("Valkey paused for 5 to 60 s", [works()])
