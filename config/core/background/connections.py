"""Tasks keep their thread's database connection for as long as its settings say.

Celery closes it before and after every task, whatever they say: with SQLite each task would open
the file and read its schema again, a tenth of an idle worker's time.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.fixups.django import DjangoFixup, DjangoWorkerFixup
from django.db import close_old_connections


class _WorkerFixup(DjangoWorkerFixup):  # type: ignore[misc]
    def close_database(self, **_: Any) -> None:
        """As after a request: close what is too old or was broken, return what has a pool."""
        close_old_connections()


class _Fixup(DjangoFixup):  # type: ignore[misc]
    _worker_fixup: DjangoWorkerFixup | None

    @property
    def worker_fixup(self) -> DjangoWorkerFixup:
        if self._worker_fixup is None:
            self._worker_fixup = _WorkerFixup(self.app)
        return self._worker_fixup


def fixup(app: Celery) -> DjangoFixup:
    """Return Celery's own preparation for Django with this difference."""
    return _Fixup(app).install()
