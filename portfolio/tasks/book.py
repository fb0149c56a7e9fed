"""Background tasks of the book: each holds its subject's lock and calls one function."""

from __future__ import annotations

from uuid import UUID

import structlog

from auth_tokens.log_in.forgetting import forget_old_log_ins
from config.core.background.task import desk_task, enqueue
from config.core.errors import NotFound, RateLimitedError
from portfolio.history.retention import SECONDS, delete_expired
from portfolio.models import SyncRun
from portfolio.refresh.run import REFRESH_DEADLINE_SECONDS, refresh_greeks
from portfolio.sync.requests import (
    LOCK_SECONDS,
    QUEUE_DEADLINE_SECONDS,
    claim_due_accounts,
    close_abandoned_runs,
)
from portfolio.sync.run import sync_account
from portfolio.updates.summaries import summarise_days

logger = structlog.get_logger(__name__)

# A scheduled sync that waited this long is replaced by the next slot's.
_SLOT_EXPIRES_SECONDS = 30
# Retry a queued run this soon while another sync holds the lock: someone is waiting.
_HELD_AGAIN_SECONDS = 2
_PAUSE_SECONDS = 15


@desk_task("portfolio.sync_due_accounts", subject="portfolio.due_accounts", seconds=20)
def sync_due_accounts_task() -> None:
    """Queue every account that is due; close runs of dead workers."""
    close_abandoned_runs()
    for account_id in claim_due_accounts():
        enqueue(sync_account_task, {"account_id": account_id}, expires=_SLOT_EXPIRES_SECONDS)


def _sync_again(account_id: str, run_id: str | None = None) -> None:
    """Queue again a run someone waits for; a scheduled slot is left to the holder.

    Stops when the holder has taken the run, or its lock has expired.
    """
    if run_id is not None:
        enqueue(
            sync_account_task,
            {"account_id": account_id, "run_id": run_id},
            expires=QUEUE_DEADLINE_SECONDS,
            countdown=_HELD_AGAIN_SECONDS,
        )


@desk_task(
    "portfolio.sync_account",
    subject="account.{account_id}",
    seconds=LOCK_SECONDS,
    held=_sync_again,
)
def sync_account_task(account_id: str, run_id: str | None = None) -> None:
    """Sync one account, on schedule or for a queued run."""
    try:
        sync_account(
            account_id=account_id,
            trigger=SyncRun.Trigger.SCHEDULE,
            run_id=UUID(run_id) if run_id else None,
        )
    except NotFound as error:
        logger.info("sync_of_removed_account", account_id=account_id, reason=error.message)


@desk_task(
    "portfolio.refresh_greeks", subject="greeks.{account_id}", seconds=REFRESH_DEADLINE_SECONDS
)
def refresh_greeks_task(account_id: str) -> None:
    """Refresh the Greeks of one account."""
    try:
        refresh_greeks(account_ids=[account_id])
    except RateLimitedError as error:
        logger.info("greeks_refresh_put_off", account_id=account_id, retry_after=error.retry_after)


@desk_task("portfolio.summarise_days", subject="portfolio.summaries", seconds=60)
def summarise_days_task() -> None:
    """Tell owners what their portfolios' sessions brought."""
    summarise_days()


@desk_task("portfolio.delete_expired", subject="portfolio.retention", seconds=2 * SECONDS)
def delete_expired_task() -> None:
    """Delete expired data. What the time did not suffice for goes on after a pause."""
    if not delete_expired().finished:
        enqueue(delete_expired_task, {}, expires=_PAUSE_SECONDS * 10, countdown=_PAUSE_SECONDS)
    forget_old_log_ins()
