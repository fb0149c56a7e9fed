"""Background tasks of the journal: each holds its subject's lock and calls one function."""

from __future__ import annotations

from typing import Any

import structlog
from celery.signals import worker_ready
from django.conf import settings

from config.core.background.task import desk_task, enqueue
from config.core.errors import NotFound
from greeks.alerts.system_events import report_ending_tokens
from portfolio.models import Account
from trades.contexts.store import complete_regimes, fill_contexts
from trades.executions.reconcile import LOCK_SECONDS, reconcile_account
from trades.expiry.closing import close_expired
from trades.importing.flex_sync import TASK_PATIENCE, is_flex_due, sync_flex
from trades.regimes.sync import sync_regimes_if_due
from trades.statistics.marks.store import measure_marks
from trades.trade_signals.demo import seed_demo_signals
from trades.trade_signals.following import follow_signals
from trades.trade_signals.shadows.quoting import quote_shadows

logger = structlog.get_logger(__name__)


@desk_task("trades.reconcile_accounts", subject="trades.accounts", seconds=20)
def reconcile_accounts_task() -> None:
    """Queue a look at the executions of every enabled account."""
    accounts = Account.objects.filter(enabled=True).order_by("pk")
    for account_id in accounts.values_list("pk", flat=True):
        enqueue(
            reconcile_account_task,
            {"account_id": account_id},
            expires=settings.EXECUTION_RECONCILE_SECONDS,
        )


@desk_task("trades.reconcile_account", subject="executions.{account_id}", seconds=LOCK_SECONDS)
def reconcile_account_task(account_id: str) -> None:
    """Record what one account's broker tells."""
    try:
        reconcile_account(account_id=account_id)
    except NotFound as error:
        logger.info("reconcile_of_removed_account", account_id=account_id, reason=error.message)
        return
    fill_contexts()


@desk_task("trades.sync_regimes", subject="regimes", seconds=240)
def sync_regimes_task() -> None:
    """Bring the regimes up to date, and with them the fills that waited for theirs."""
    if sync_regimes_if_due() is not None:
        complete_regimes()


@desk_task("trades.fill_contexts", subject="contexts", seconds=120)
def fill_contexts_task() -> None:
    """Write what was known at the fills that came since."""
    fill_contexts()


@desk_task("trades.measure_marks", subject="marks", seconds=240)
def measure_marks_task() -> None:
    """Follow the trades that have closed along their marks."""
    measure_marks()


@desk_task("trades.close_expired", subject="trades.expiry", seconds=120)
def close_expired_task() -> None:
    """Close options past their instant that the brokers hold no more."""
    close_expired()


@desk_task("trades.follow_signals", subject="trades.signals", seconds=50)
def follow_signals_task() -> None:
    """Tie, mark and expire signals."""
    if settings.DEMO:
        seed_demo_signals()
    follow_signals()


@desk_task("trades.quote_shadows", subject="trades.shadows", seconds=120)
def quote_shadows_task() -> None:
    """Fetch the quotes of what is held on paper."""
    quote_shadows()


@desk_task("trades.sync_flex", subject="trades.flex", seconds=LOCK_SECONDS, expires=600)
def sync_flex_task() -> None:
    """Record IBKR's statement of the day once it is due."""
    report_ending_tokens("ibkr_flex")
    if is_flex_due():
        sync_flex(patience=TASK_PATIENCE)


def sync_at_start(**_: Any) -> None:
    """Look when a worker starts: the desk may have been off this morning."""
    sync_flex_task.apply_async(retry=False)
    sync_regimes_task.apply_async(retry=False)


worker_ready.connect(sync_at_start, dispatch_uid="trades.sync_at_start")
