"""Beat's schedule from the database, with a pulse."""

from __future__ import annotations

from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from config.core.processes.pulse import send_pulse


class DeskScheduler(DatabaseScheduler):  # type: ignore[misc]
    """Says that beat gets on with its work each time it has sent what is due."""

    def tick(self, *arguments: Any, **named: Any) -> float:
        seconds: float = super().tick(*arguments, **named)
        send_pulse()
        return seconds
