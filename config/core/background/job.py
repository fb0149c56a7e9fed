"""A periodic task, as the settings list them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A periodic task. ``expires_seconds`` is below the interval, so runs never pile up.

    ``starts_at`` (UTC) is the first run; the interval keeps later ones in step. A run missed while
    the desk was off is made up, unlike a crontab's. ``daily_at`` with ``zone``: daily at that local
    time, across clock changes. A run missed by over ten minutes is not made up; another job must
    cover it. ``on_the_minute``: at the start of each clock minute.
    """

    name: str
    task: str
    every_seconds: int
    expires_seconds: int
    starts_at: time | None = None
    daily_at: time | None = None
    zone: str = "UTC"
    on_the_minute: bool = False
    enabled: bool = True
