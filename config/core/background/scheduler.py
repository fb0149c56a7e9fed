"""Beat's schedule from the database, with a pulse, at little cost for each message sent."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from config.core.processes.pulse import send_pulse

#: Seconds until an operator's change of the schedule is noticed.
CHANGES_SECONDS: Final = 5.0


class DeskEntry(ModelEntry):  # type: ignore[misc]
    """A job whose last run is written by one statement.

    The library reads the row again, checks it and saves all of it: half of beat's time.
    """

    def save(self) -> None:
        type(self.model)._default_manager.filter(pk=self.model.pk).update(
            last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count
        )


class DeskScheduler(DatabaseScheduler):  # type: ignore[misc]
    """Says that beat gets on with its work each time it has sent what is due."""

    Entry = DeskEntry

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._looked_at = float("-inf")
        super().__init__(*arguments, **named)

    def schedule_changed(self) -> bool:
        """Whether an operator changed it; looks every few seconds, not at each message."""
        moment = monotonic()
        if moment - self._looked_at < CHANGES_SECONDS:
            return False
        self._looked_at = moment
        return bool(super().schedule_changed())

    def tick(self, *arguments: Any, **named: Any) -> float:
        seconds: float = super().tick(*arguments, **named)
        send_pulse()
        return seconds
