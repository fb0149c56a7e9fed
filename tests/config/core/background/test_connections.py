from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.fixups.django import DjangoWorkerFixup
from django.db import connections
from django.db.backends.sqlite3.base import DatabaseWrapper

from config.celery import app

# Only its own file; the mark lets it open one.
pytestmark = pytest.mark.django_db


class Task:
    class request:  # noqa: N801 - Celery's name
        is_eager = False


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseWrapper]:
    """A file of its own, as if it were this thread's only connection."""
    described: dict[str, Any] = {
        "NAME": str(tmp_path / "kept.sqlite3"), "OPTIONS": {}, "TIME_ZONE": None,
        "AUTOCOMMIT": True, "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False,
    }  # fmt: skip
    opened = DatabaseWrapper(described, "kept")
    opened.connect()
    monkeypatch.setattr(connections, "all", lambda **_: [opened])
    yield opened
    opened.close()


@pytest.fixture
def fixup() -> DjangoWorkerFixup:
    [found] = app._fixups
    return found.worker_fixup


def test_thread_keeps_its_connection_from_task_to_task(
    fixup: DjangoWorkerFixup, connection: DatabaseWrapper
) -> None:
    before = connection.connection

    fixup.on_task_postrun(Task)
    fixup.on_task_prerun(Task)

    assert connection.connection is before is not None


def test_connection_past_its_age_is_closed_after_a_task(
    fixup: DjangoWorkerFixup, connection: DatabaseWrapper
) -> None:
    connection.close_at = 0.0

    fixup.on_task_postrun(Task)

    assert connection.connection is None
