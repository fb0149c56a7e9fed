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
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import QuerySet

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


def _expired() -> Iterator[QuerySet[Any]]:
    """Yield what may be deleted; by account where the index starts with it."""
    runs_before = _days_before(now(), settings.KEEP_SYNC_RUNS_DAYS)
    seen_before = _days_before(now(), settings.KEEP_QUARANTINE_DAYS)
    # Minutes are labelled by market time.
    contracts_before = _days_before(market_now(), settings.KEEP_CONTRACT_MINUTES_DAYS)
    accounts_before = _days_before(market_now(), settings.KEEP_ACCOUNT_MINUTES_DAYS)
    events_before = _days_before(now(), settings.KEEP_TOKEN_EVENTS_DAYS)
    raised_before = _days_before(now(), settings.KEEP_ALERTS_DAYS)
    chains_before = _days_before(market_now(), settings.KEEP_GREEK_SNAPSHOTS_DAYS)
    kept_before = _days_before(market_now(), settings.KEEP_CHAIN_SNAPSHOTS_DAYS)
    exposures_before = _days_before(market_now(), settings.KEEP_GEX_SNAPSHOTS_DAYS)
    closes_before = _days_before(market_now(), settings.KEEP_DAILY_CLOSES_DAYS)
    if contracts_before is not None:
        yield ContractGreekHistory.objects.filter(minute__lt=contracts_before)
        yield PriceBar.objects.filter(minute__lt=contracts_before)
    if chains_before is not None:
        yield GreekSnapshot.objects.filter(minute__lt=chains_before)
        yield StoredDay.objects.filter(session_date__lt=chains_before.date())
    if kept_before is not None:
        yield ChainSnapshot.objects.filter(minute__lt=kept_before)
    if exposures_before is not None:
        yield GexSnapshot.objects.filter(slot__lt=exposures_before)
    if raised_before is not None:
        yield AlertDelivery.objects.filter(event__created_at__lt=raised_before)
        yield AlertEvent.objects.filter(created_at__lt=raised_before)
    if events_before is not None:
        yield TokenEvent.objects.filter(at__lt=events_before)
    if seen_before is not None:
        yield QuarantinedRow.objects.filter(last_seen_at__lt=seen_before)
    if closes_before is not None:
        yield DailyClose.objects.filter(session_date__lt=closes_before.date())
        # Only underlyings no longer held: the others are recomputed daily.
        yield Beta.objects.filter(source=Beta.Source.HISTORY, as_of__lt=closes_before)
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


def _days_before(at: datetime, days: int) -> datetime | None:
    return at - timedelta(days=min(days, _LONGEST_DAYS)) if days > 0 else None
