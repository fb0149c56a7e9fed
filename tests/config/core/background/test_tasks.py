from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog
from celery import current_app
from celery.exceptions import NotRegistered
from celery.signals import beat_init, before_task_publish

from config.core.background.task import desk_task, enqueue
from config.core.errors import LockHeld
from config.core.health import heartbeat_age
from config.core.redis.locks import subject_lock
from tests.architecture.source import module_paths
from tests.config.core.servers import OwnValkey

ran: list[str] = []
bound: list[dict[str, object]] = []
started, may_end = threading.Event(), threading.Event()


@desk_task("tests.note_account", subject="account.{account_id}", seconds=10)
def note_account(account_id: str, trigger: str = "schedule") -> None:
    ran.append(account_id)
    bound.append(structlog.contextvars.get_contextvars())
    if trigger == "slow":
        started.set()
        may_end.wait(5)
    if trigger == "fail":
        raise ValueError(account_id)
    if trigger == "busy":
        raise LockHeld("the book is being written")


@pytest.fixture(autouse=True)
def _nothing_ran(own_valkey: OwnValkey) -> None:
    ran.clear()
    bound.clear()
    started.clear()
    may_end.clear()


def test_task_runs_with_its_arguments_and_binds_the_log() -> None:
    note_account("U1", trigger="request")
    assert ran == ["U1"]
    assert bound[0] == {"task": "tests.note_account", "subject": "account.U1"}
    assert "task" not in structlog.contextvars.get_contextvars()


def test_task_is_registered_under_its_name() -> None:
    assert note_account.name == "tests.note_account"


def test_every_task_enqueued_by_name_is_registered() -> None:
    called = re.compile(r"\benqueue\(\s*f?[\"']([^\"']*)")
    names = {name for _, path in module_paths() for name in called.findall(path.read_text())}
    assert "portfolio.sync_account" in names
    assert names - set(current_app.tasks) == set()


def test_name_that_is_not_registered_is_an_error() -> None:
    with pytest.raises(NotRegistered):
        enqueue("tests.no_such_task", {}, expires=1)


def test_task_is_enqueued_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, object]] = []
    monkeypatch.setattr(note_account, "apply_async", lambda **options: sent.append(options))
    for task in (note_account, "tests.note_account"):
        enqueue(task, {"account_id": "U1"}, expires=5, countdown=2)
    assert (
        sent == [{"kwargs": {"account_id": "U1"}, "expires": 5, "countdown": 2, "retry": False}] * 2
    )


def test_second_task_of_the_same_subject_is_skipped_quietly() -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(note_account, "U1", trigger="slow")
        started.wait(5)
        note_account("U1", trigger="schedule")
        assert ran == ["U1"]
        may_end.set()
        first.result(5)
    note_account("U1")
    assert ran == ["U1", "U1"]


def test_tasks_of_other_subjects_run_beside() -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(note_account, "U1", trigger="slow")
        started.wait(5)
        note_account("U2")
        may_end.set()
        first.result(5)
    assert ran == ["U1", "U2"]


def test_subject_that_the_service_finds_held_ends_quietly() -> None:
    note_account("U1", trigger="busy")
    assert ran == ["U1"]


def test_error_is_the_tasks_error_and_frees_the_subject() -> None:
    with pytest.raises(ValueError, match="U1"):
        note_account("U1", trigger="fail")
    note_account("U1")
    assert ran == ["U1", "U1"]


def test_each_run_is_a_heartbeat_of_the_worker_even_when_skipped() -> None:
    assert heartbeat_age("worker") is None
    with subject_lock("task:tests.note_account:account.U1", seconds=5):
        note_account("U1")
    assert ran == []
    assert heartbeat_age("worker") is not None


def test_beat_beats_when_it_sends_and_other_processes_do_not() -> None:
    before_task_publish.send(sender="portfolio.sync_due_accounts", body=None, headers={})
    assert heartbeat_age("beat") is None
    try:
        beat_init.send(sender=None)
        before_task_publish.send(sender="portfolio.sync_due_accounts", body=None, headers={})
        assert heartbeat_age("beat") is not None
    finally:
        before_task_publish.disconnect(dispatch_uid="desk.beat_heartbeat")
