"""Delete expired rows in small batches, so that no sync waits for it.

====================  ==============================  ======================================
rows                  kept for                        never deleted
====================  ==============================  ======================================
sync runs             ``KEEP_SYNC_RUNS_DAYS``         each account's last, and its last good
quarantined rows      ``KEEP_QUARANTINE_DAYS``        rows sent again within that time
minutes of contracts  ``KEEP_CONTRACT_MINUTES_DAYS``  the latest Greeks and quotes
minutes of accounts   ``KEEP_ACCOUNT_MINUTES_DAYS``   the days' closing rows
alerts                ``KEEP_ALERTS_DAYS``
minutes of chains     ``KEEP_GREEK_SNAPSHOTS_DAYS``
kept chains           ``KEEP_CHAIN_SNAPSHOTS_DAYS``
gamma exposure        ``KEEP_GEX_SNAPSHOTS_DAYS``
tokens' audit trail   ``KEEP_TOKEN_EVENTS_DAYS``
daily closes, betas   ``KEEP_DAILY_CLOSES_DAYS``      betas set by hand
====================  ==============================  ======================================

Minutes of contracts are Greeks and price bars.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Model, QuerySet

from auth_tokens.models import TokenEvent
from config.core.clock import market_now, now
from greeks.models import (
    AlertDelivery,
    AlertEvent,
    ChainSnapshot,
    ContractGreekHistory,
    GexSnapshot,
    GreekSnapshot,
    StoredDay,
)
from portfolio.models import (
    Account,
    AccountHistory,
    Beta,
    DailyClose,
    PriceBar,
    QuarantinedRow,
    SyncRun,
)

logger = structlog.get_logger(__name__)
Clock = Callable[[], datetime]

# Rows per transaction: about ten milliseconds, during which SQLite's other writers wait.
BATCH = 1000
# Time limit of one run: a worker's thread is held no longer. The task goes on after a pause.
SECONDS = 45.0
_LONGEST_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """Rows deleted by table; ``finished`` is false if time ran out first."""

    deleted: dict[str, int]
    finished: bool


def delete_expired(*, seconds: float = SECONDS) -> Cleared:
    """Delete what is older than the settings allow. Safe to repeat and to interrupt.

    Each statement deletes at most ``BATCH`` rows in its own transaction.
    """
    deadline = time.monotonic() + seconds
    deleted: dict[str, int] = {}
    finished = True
    for rows in _expired():
        table = rows.model._meta.db_table
        batch = rows.order_by().values("pk")[:BATCH]
        count = BATCH
        while count == BATCH and finished:
            finished = time.monotonic() < deadline
            if finished:
                count, _ = rows.model._base_manager.filter(pk__in=batch).delete()
                deleted[table] = deleted.get(table, 0) + count
        if not finished:
            break
    logger.info("expired_rows_deleted", finished=finished, **deleted)
    return Cleared(deleted=deleted, finished=finished)


#: What is deleted by age alone: its time, the clock it is by, and the setting.
_AGEING: tuple[tuple[type[Model], str, Clock, str], ...] = (
    (ContractGreekHistory, "minute", market_now, "KEEP_CONTRACT_MINUTES_DAYS"),
    (PriceBar, "minute", market_now, "KEEP_CONTRACT_MINUTES_DAYS"),
    (GreekSnapshot, "minute", market_now, "KEEP_GREEK_SNAPSHOTS_DAYS"),
    (StoredDay, "session_date", market_now, "KEEP_GREEK_SNAPSHOTS_DAYS"),
    (ChainSnapshot, "minute", market_now, "KEEP_CHAIN_SNAPSHOTS_DAYS"),
    (GexSnapshot, "slot", market_now, "KEEP_GEX_SNAPSHOTS_DAYS"),
    (AlertDelivery, "event__created_at", now, "KEEP_ALERTS_DAYS"),
    (AlertEvent, "created_at", now, "KEEP_ALERTS_DAYS"),
    (TokenEvent, "at", now, "KEEP_TOKEN_EVENTS_DAYS"),
    (QuarantinedRow, "last_seen_at", now, "KEEP_QUARANTINE_DAYS"),
    (DailyClose, "session_date", market_now, "KEEP_DAILY_CLOSES_DAYS"),
    (Beta, "as_of", market_now, "KEEP_DAILY_CLOSES_DAYS"),
)


def _expired() -> Iterator[QuerySet[Any]]:
    """Yield what may be deleted; by account where the index starts with it."""
    for model, column, clock, setting in _AGEING:
        before = _before(clock, setting)
        if before is not None:
            limit = before.date() if column == "session_date" else before
            rows = model._base_manager.filter(**{f"{column}__lt": limit})
            # Betas from history: only of underlyings no longer held, the others are new each day.
            yield rows.filter(source=Beta.Source.HISTORY) if model is Beta else rows
    accounts_before = _before(market_now, "KEEP_ACCOUNT_MINUTES_DAYS")
    runs_before = _before(now, "KEEP_SYNC_RUNS_DAYS")
    for account_id in Account.objects.order_by("pk").values_list("pk", flat=True):
        if accounts_before is not None:
            yield AccountHistory.objects.filter(account=account_id, minute__lt=accounts_before)
        if runs_before is not None:
            yield _runs_that_may_go(account_id, runs_before)


def _runs_that_may_go(account_id: str, before: datetime) -> QuerySet[SyncRun]:
    """Return runs except the last and the last that did not fail, which the page and the empty-book
    check need."""
    runs = SyncRun.objects.filter(account=account_id)
    last = runs.order_by("-requested_at")[:1]
    last_good = (
        runs.filter(finished_at__isnull=False)
        .exclude(outcome=SyncRun.Outcome.FAILED)
        .order_by("-finished_at")[:1]
    )
    kept = [*last.values_list("pk", flat=True), *last_good.values_list("pk", flat=True)]
    return runs.filter(requested_at__lt=before).exclude(pk__in=kept)


def _before(clock: Clock, setting: str) -> datetime | None:
    days: int = getattr(settings, setting)
    return clock() - timedelta(days=min(days, _LONGEST_DAYS)) if days > 0 else None
