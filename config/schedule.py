"""The beat schedule as data. It is written to the database once: operators' edits survive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
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


def beat_schedule(
    *, sync_seconds: int, reconcile_seconds: int = 30, enabled: bool = True
) -> tuple[ScheduledJob, ...]:
    """Return all periodic jobs. Accounts are checked often and synced when due."""
    look = max(1, min(5, sync_seconds // 2))
    return (
        ScheduledJob(
            name="Sync accounts that are due",
            task="portfolio.sync_due_accounts",
            every_seconds=look,
            expires_seconds=look,
            enabled=enabled,
        ),
        ScheduledJob(
            name="Record executions",
            task="trades.reconcile_accounts",
            every_seconds=reconcile_seconds,
            expires_seconds=max(1, reconcile_seconds - 5),
        ),
        # Statements come once a day; a run without one due reads one row.
        ScheduledJob(
            name="Fetch IBKR's statement of the day",
            task="trades.sync_flex",
            every_seconds=900,
            expires_seconds=600,
        ),
        ScheduledJob(
            name="Follow trading signals",
            task="trades.follow_signals",
            every_seconds=60,
            expires_seconds=50,
        ),
        ScheduledJob(
            name="Fetch quotes of shadow positions",
            task="trades.quote_shadows",
            every_seconds=60,
            expires_seconds=50,
        ),
        # Each run hands out the slots of the next seconds: docs/market.md.
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
        ScheduledJob(
            name="Take snapshots of gamma exposure",
            task="greeks.snapshot_gex",
            every_seconds=300,
            expires_seconds=240,
        ),
        ScheduledJob(
            name="Sum up the portfolios' sessions",
            task="portfolio.summarise_days",
            every_seconds=300,
            expires_seconds=240,
        ),
        # A new book queues its own grid; this catches lost messages.
        ScheduledJob(
            name="Compute scenario grids that are behind",
            task="portfolio.sweep_scenario_grids",
            every_seconds=60,
            expires_seconds=50,
        ),
        # Alerts waiting for a retry, held by dead workers, or about silent chains.
        ScheduledJob(
            name="Send alerts that wait, look for silent chains",
            task="greeks.sweep_alerts",
            every_seconds=15,
            expires_seconds=10,
        ),
        # Renews expired and due tokens, including a missed morning run.
        ScheduledJob(
            name="See to it that tokens are valid",
            task="auth_tokens.ensure_tokens",
            every_seconds=300,
            expires_seconds=240,
        ),
        # Just before the exchange's pre-open; the job above covers a missed run.
        ScheduledJob(
            name="Renew the day's tokens",
            task="auth_tokens.ensure_tokens",
            every_seconds=_DAY,
            expires_seconds=240,
            daily_at=time(8, 55),
            zone="Asia/Kolkata",
        ),
        # Closes come once a day; with a small call budget a large book may need several runs.
        ScheduledJob(
            name="Update daily closes and betas",
            task="portfolio.update_betas",
            every_seconds=3600,
            expires_seconds=3000,
        ),
        # A look at executions writes those it brought; this catches imports and lost messages.
        ScheduledJob(
            name="Write what was known at new fills",
            task="trades.fill_contexts",
            every_seconds=60,
            expires_seconds=50,
        ),
        # After the day's closes; a backlog is worked off 200 trades at a time.
        ScheduledJob(
            name="Follow closed trades along their marks",
            task="trades.measure_marks",
            every_seconds=300,
            expires_seconds=240,
        ),
        # The statement tells how options ended; until then what is gone is closed provisionally.
        ScheduledJob(
            name="Close expired options provisionally",
            task="trades.close_expired",
            every_seconds=180,
            expires_seconds=150,
        ),
        # Once a day in effect: it asks only if yesterday's closes are missing, every six hours.
        ScheduledJob(
            name="Update the market's regimes",
            task="trades.sync_regimes",
            every_seconds=300,
            expires_seconds=240,
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
