"""Worker and beat start without Celery's command line, which loads an interactive prompt."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock, patch

import pytest
from celery import Celery

from config.celery import app
from config.core.processes.targets import load_tasks, run_beat, run_worker

CELERY = "config.celery.app"


@pytest.fixture(autouse=True)
def command_line() -> Any:
    refused = AssertionError("Celery's command line")
    with (
        patch.object(Celery, "start", side_effect=refused),
        patch.object(Celery, "worker_main", side_effect=refused),
    ):
        yield


def test_tasks_of_every_app_are_loaded() -> None:
    assert load_tasks(CELERY) is app
    assert {name.split(".")[0] for name in app.tasks} >= {"greeks", "portfolio", "trades"}


def test_worker_runs_alone_and_ends_with_its_code() -> None:
    worker = Mock(exitcode=70)
    with (
        patch.object(Celery, "Worker", return_value=worker) as made,
        pytest.raises(SystemExit) as ended,
    ):
        run_worker(celery=CELERY)
    assert ended.value.code == 70
    worker.start.assert_called_once_with()
    assert {name for name, value in made.call_args.kwargs.items() if value is True} == {
        "quiet", "without_gossip", "without_mingle", "without_heartbeat",
    }  # fmt: skip


def test_beat_runs_until_it_is_ended() -> None:
    with patch.object(Celery, "Beat") as made:
        run_beat(celery=CELERY)
    made.return_value.run.assert_called_once_with()
