"""The beat schedule as data. It is written to the database once: operators' edits survive."""

from __future__ import annotations

from datetime import time

from config.core.background.job import ScheduledJob

_DAY = 86_400


def beat_schedule(
    *, sync_seconds: int, reconcile_seconds: int = 30, enabled: bool = True
) -> tuple[ScheduledJob, ...]:
    """Return all periodic jobs. Accounts are checked often and synced when due."""
    look = max(1, min(5, sync_seconds // 2))
    return (
        ScheduledJob(
            "Sync accounts that are due", "portfolio.sync_due_accounts", look, look, enabled=enabled
        ),
        ScheduledJob(
            "Record executions",
            "trades.reconcile_accounts",
            reconcile_seconds,
            max(1, reconcile_seconds - 5),
        ),
        # Statements come once a day; a run without one due reads one row.
        ScheduledJob("Fetch IBKR's statement of the day", "trades.sync_flex", 900, 600),
        ScheduledJob("Follow trading signals", "trades.follow_signals", 60, 50),
        ScheduledJob("Fetch quotes of shadow positions", "trades.quote_shadows", 60, 50),
        # Each run hands out the slots of the next seconds: docs/market.md.
        ScheduledJob("Poll option chains", "greeks.poll_chains", 5, 5),
        ScheduledJob(
            "Roll up the market's minutes", "greeks.roll_up_minutes", 60, 50, on_the_minute=True
        ),
        ScheduledJob("Take snapshots of gamma exposure", "greeks.snapshot_gex", 300, 240),
        ScheduledJob("Sum up the portfolios' sessions", "portfolio.summarise_days", 300, 240),
        # A new book queues its own grid; this catches lost messages.
        ScheduledJob(
            "Compute scenario grids that are behind", "portfolio.sweep_scenario_grids", 60, 50
        ),
        # Alerts waiting for a retry, held by dead workers, or about silent chains.
        ScheduledJob(
            "Send alerts that wait, look for silent chains", "greeks.sweep_alerts", 15, 10
        ),
        # Renews expired and due tokens, including a missed morning run.
        ScheduledJob("See to it that tokens are valid", "auth_tokens.ensure_tokens", 300, 240),
        # Just before the exchange's pre-open; the job above covers a missed run.
        ScheduledJob(
            "Renew the day's tokens",
            "auth_tokens.ensure_tokens",
            _DAY,
            240,
            daily_at=time(8, 55),
            zone="Asia/Kolkata",
        ),
        # Closes come once a day; with a small call budget a large book may need several runs.
        ScheduledJob("Update daily closes and betas", "portfolio.update_betas", 3600, 3000),
        # A look at executions writes those it brought; this catches imports and lost messages.
        ScheduledJob("Write what was known at new fills", "trades.fill_contexts", 60, 50),
        # After the day's closes; a backlog is worked off 200 trades at a time.
        ScheduledJob("Follow closed trades along their marks", "trades.measure_marks", 300, 240),
        # The statement tells how options ended; until then what is gone is closed provisionally.
        ScheduledJob("Close expired options provisionally", "trades.close_expired", 180, 150),
        # Once a day in effect: it asks only if yesterday's closes are missing, every six hours.
        ScheduledJob("Update the market's regimes", "trades.sync_regimes", 300, 240),
        # Both exchanges are closed then.
        ScheduledJob(
            "Delete what was kept for long enough",
            "portfolio.delete_expired",
            _DAY,
            3600,
            starts_at=time(3, 15),
        ),
    )
