"""The beat schedule as data. It is written to the database once: operators' edits survive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJob:
    """A periodic task. ``expires_seconds`` is below the interval, so that runs never pile up.

    ``starts_at`` (UTC) is when the first run is made; the interval keeps the others there. A run
    that was missed, because the desk was off, is made up, which a crontab's would not be.

    ``daily_at`` with ``zone``: at that time there each day, whatever its clocks do. A run that was
    missed by more than ten minutes is not made later: another job has to make up for it.
    ``on_the_minute``: at the beginning of each minute of the clock.
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


def beat_schedule(*, sync_seconds: int, enabled: bool = True) -> tuple[ScheduledJob, ...]:
    """All periodic jobs. Accounts are looked at often and synced when each is due."""
    look = max(1, min(5, sync_seconds // 2))
    return (
        ScheduledJob(
            name="Sync accounts that are due",
            task="portfolio.sync_due_accounts",
            every_seconds=look,
            expires_seconds=look,
            enabled=enabled,
        ),
        # Each look hands out the slots that begin in the next seconds: docs/market.md.
        ScheduledJob(
            name="Poll option chains",
            task="greeks.poll_chains",
            every_seconds=5,
            expires_seconds=5,
        ),
        ScheduledJob(
            name="Roll up the market's minutes",
            task="greeks.roll_up_minutes",
            every_seconds=60,
            expires_seconds=50,
            on_the_minute=True,
        ),
        # Grids follow their books by themselves: this finds what a lost message left behind.
        ScheduledJob(
            name="Compute scenario grids that are behind",
            task="portfolio.sweep_scenario_grids",
            every_seconds=60,
            expires_seconds=50,
        ),
        # What waits to be sent again, what dead workers held, chains that fell silent.
        ScheduledJob(
            name="Send alerts that wait, look for silent chains",
            task="greeks.sweep_alerts",
            every_seconds=15,
            expires_seconds=10,
        ),
        # Renews what has ended or is due, the missed run of the morning included.
        ScheduledJob(
            name="See to it that tokens are valid",
            task="auth_tokens.ensure_tokens",
            every_seconds=300,
            expires_seconds=240,
        ),
        # To the minute before the exchange's pre-open; the job above makes up for a missed run.
        ScheduledJob(
            name="Renew the day's tokens",
            task="auth_tokens.ensure_tokens",
            every_seconds=_DAY,
            expires_seconds=240,
            daily_at=time(8, 55),
            zone="Asia/Kolkata",
        ),
        # Closes come once a day; a small call budget may need several runs for a large book.
        ScheduledJob(
            name="Update daily closes and betas",
            task="portfolio.update_betas",
            every_seconds=3600,
            expires_seconds=3000,
        ),
        # Both exchanges are closed then.
        ScheduledJob(
            name="Delete what was kept for long enough",
            task="portfolio.delete_expired",
            every_seconds=_DAY,
            expires_seconds=3600,
            starts_at=time(3, 15),
        ),
    )
