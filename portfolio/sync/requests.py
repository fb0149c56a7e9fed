"""Queue syncs for users, stale pages and the schedule: at most one waiting run per account."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from config.core.background.task import enqueue
from config.core.clock import now
from config.core.errors import NotFound
from portfolio.models import Account, SyncRun
from portfolio.sync.progress import announce_progress

logger = structlog.get_logger(__name__)

# Lifetime of a sync's lock, renewed at each step. A killed worker blocks the next one this long.
LOCK_SECONDS = 40
# No sync takes this long: a run started earlier has lost its worker.
SYNC_DEADLINE_SECONDS = 120
# A run no worker takes within this time is closed; the schedule syncs the account anyway.
QUEUE_DEADLINE_SECONDS = 600


def request_sync(*, account_ids: Iterable[str], trigger: SyncRun.Trigger) -> list[SyncRun]:
    """Queue a sync for each account and return the runs, in the order of ``account_ids``.

    An account that is already syncing or queued keeps its run. The worker is notified after commit;
    if that is lost, the account is picked up as due.

    Raises:
        NotFound: an account does not exist or is disabled.
    """
    wanted = list(dict.fromkeys(account_ids))
    at = now()
    with transaction.atomic():
        accounts = Account.objects.select_for_update().filter(pk__in=wanted, enabled=True)
        known = set(accounts.order_by("pk").values_list("pk", flat=True))
        for account_id in wanted:
            if account_id not in known:
                raise NotFound("No such account.", fields={"account_id": "unknown"})
        runs = {run.account_id: run for run in _waiting_or_running(wanted, at)}
        new = [
            SyncRun(account_id=account_id, trigger=trigger, requested_at=at)
            for account_id in wanted
            if account_id not in runs
        ]
        SyncRun.objects.bulk_create(new)
        if new:
            due = Account.objects.filter(pk__in=[run.account_id for run in new])
            due.filter(Q(next_sync_at__isnull=True) | Q(next_sync_at__gt=at)).update(
                next_sync_at=at
            )
        for run in new:
            runs[run.account_id] = run
            transaction.on_commit(partial(_ask_worker, run))
    return [runs[account_id] for account_id in wanted]


def _waiting_or_running(account_ids: list[str], at: datetime) -> Iterable[SyncRun]:
    alive = Q(started_at__gte=at - timedelta(seconds=SYNC_DEADLINE_SECONDS)) | Q(
        started_at__isnull=True,
        requested_at__gte=at - timedelta(seconds=QUEUE_DEADLINE_SECONDS),
    )
    return SyncRun.objects.filter(
        alive, account__in=account_ids, outcome=SyncRun.Outcome.RUNNING
    ).order_by("requested_at")


def _ask_worker(run: SyncRun) -> None:
    announce_progress(run)
    enqueue(
        "portfolio.sync_account",
        {"account_id": run.account_id, "run_id": str(run.pk)},
        expires=QUEUE_DEADLINE_SECONDS,
    )


def claim_due_accounts() -> list[str]:
    """Claim the accounts that are due, each for exactly one caller, and write their next slot.

    The update requires the slot to be unchanged, so two schedulers looking at once cannot both
    claim an account. A slot more than two intervals ahead was written before the clock was set
    back; it counts as due.
    """
    if not settings.USE_PERSISTENT_CACHE:
        return []
    at = now()
    claimed = []
    for account_id, slot, seconds in Account.objects.filter(enabled=True).values_list(
        "pk", "next_sync_at", "sync_seconds"
    ):
        interval = timedelta(seconds=seconds)
        if slot is not None and at < slot <= at + 2 * interval:
            continue
        following = slot + interval if slot is not None and slot <= at < slot + interval else None
        updated = Account.objects.filter(pk=account_id, next_sync_at=slot).update(
            next_sync_at=following or at + interval
        )
        if updated:
            claimed.append(account_id)
    return claimed


def close_abandoned_runs() -> int:
    """Close runs whose worker died or that no worker took; return how many."""
    at = now()
    running = SyncRun.objects.filter(outcome=SyncRun.Outcome.RUNNING)
    lost = running.filter(started_at__lt=at - timedelta(seconds=SYNC_DEADLINE_SECONDS))
    untaken = running.filter(
        started_at__isnull=True, requested_at__lt=at - timedelta(seconds=QUEUE_DEADLINE_SECONDS)
    )
    closed = 0
    for runs, code, message in (
        (lost, "worker_lost", "The worker stopped before the sync was finished."),
        (untaken, "no_worker", "No worker took the sync in time."),
    ):
        closed += runs.update(
            outcome=SyncRun.Outcome.FAILED, error_code=code, error=message, finished_at=at
        )
    if closed:
        logger.warning("abandoned_syncs_closed", runs=closed)
    return closed
