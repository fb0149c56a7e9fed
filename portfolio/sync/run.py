"""Sync one account: fetch outside any transaction, then write the book in one."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction

from config.core.clock import now
from config.core.errors import NotFound, ProviderError
from config.core.redis.locks import HeldLock, subject_lock
from portfolio.brokers.registry import open_adapter
from portfolio.market_data.prices import store_prices
from portfolio.models import Account, SyncRun
from portfolio.sync.fetch import FetchedBook, fetch_book
from portfolio.sync.progress import SyncProgress, announce_change, announce_progress
from portfolio.sync.requests import LOCK_SECONDS
from portfolio.sync.store import Stored, store_book

logger = structlog.get_logger(__name__)


def sync_subject(account_id: str) -> str:
    """Return the lock name of an account's sync."""
    return f"sync:{account_id}"


def sync_account(
    *, account_id: str, trigger: SyncRun.Trigger, run_id: UUID | None = None
) -> SyncRun:
    """Sync one account and return its finished run.

    ``run_id`` names a queued run; without it, the account's waiting run is used or a new one made.
    A finished run is returned as is, so a redelivered task does nothing. Broker failures are
    recorded on the run and the account, and the last good book stays.

    Raises:
        NotFound: the account or the run does not exist, or the account is disabled.
        LockHeld: another worker is syncing this account.
    """
    account = Account.objects.filter(pk=account_id, enabled=True).first()
    if account is None:
        raise NotFound(f"There is no enabled account {account_id[:64]!r}.")
    with subject_lock(sync_subject(account_id), seconds=LOCK_SECONDS) as lock:
        run = _claim_run(account_id, trigger, run_id, sync_seconds=account.sync_seconds)
        if run.outcome != SyncRun.Outcome.RUNNING:
            return run
        try:
            _sync(account, run, lock)
        except Exception as error:
            # Our bug: mark the run failed and log the whole error.
            logger.exception("sync_failed_unexpectedly", account_id=account_id)
            _fail(account, run, code="internal_error", message=type(error).__name__)
    announce_progress(run)
    logger.info(
        "sync_finished",
        account_id=account_id,
        outcome=run.outcome,
        error_code=run.error_code,
        seconds=_seconds(run),
        **{name: value for name, value in run.counts.items() if isinstance(value, int)},
    )
    return run


def _claim_run(
    account_id: str, trigger: SyncRun.Trigger, run_id: UUID | None, *, sync_seconds: int
) -> SyncRun:
    """Start the run to work on and return it.

    We hold the lock, so any other unfinished run has lost its worker and is closed.
    """
    at = now()
    with transaction.atomic():
        open_runs = list(
            SyncRun.objects.select_for_update()
            .filter(account_id=account_id, outcome=SyncRun.Outcome.RUNNING)
            .order_by("requested_at")
        )
        run = next((r for r in open_runs if r.pk == run_id), None)
        if run is None and run_id is not None:
            run = SyncRun.objects.filter(pk=run_id, account_id=account_id).first()
            if run is None:
                raise NotFound(f"There is no run {run_id} of account {account_id}.")
            return run
        if run is None:
            run = next((r for r in open_runs if r.started_at is None), None)
        dead = [r.pk for r in open_runs if r.started_at is not None and r is not run]
        if dead:
            SyncRun.objects.filter(pk__in=dead).update(
                outcome=SyncRun.Outcome.FAILED,
                error_code="worker_lost",
                error="The worker stopped before the sync was finished.",
                finished_at=at,
            )
        if run is None:
            return SyncRun.objects.create(
                account_id=account_id, trigger=trigger, requested_at=at, started_at=at
            )
        # The request made the account due at once; that is now.
        account = Account.objects.filter(pk=account_id, next_sync_at__lte=at)
        account.update(next_sync_at=at + timedelta(seconds=sync_seconds))
        run.started_at = at
        run.step, run.progress = SyncRun.Step.QUEUED, 0
        run.save(update_fields=["started_at", "step", "progress"])
        return run


def _sync(account: Account, run: SyncRun, lock: HeldLock) -> None:
    progress = SyncProgress(run)

    def step(reached: SyncRun.Step) -> None:
        lock.keep(LOCK_SECONDS)
        progress.step(reached)

    seen = account.last_synced_at
    try:
        adapter = open_adapter(account.broker)
    except ProviderError as error:
        _fail(account, run, code=error.code, message=error.message)
        return
    try:
        book = fetch_book(account=account, adapter=adapter, step=step)
    finally:
        adapter.close()
    if book.positions is None:
        failed = book.failed[-1]
        _fail(account, run, code=failed.code, message=f"{failed.step.label}: {failed.message}")
        return
    step(SyncRun.Step.SAVING)
    store_prices(book.market.quotes.values())
    _write(account.pk, run, book, seen=seen)


def _write(account_id: str, run: SyncRun, book: FetchedBook, *, seen: datetime | None) -> None:
    with transaction.atomic():
        account = Account.objects.select_for_update().get(pk=account_id)
        if _is_superseded(account, book, seen):
            stored = Stored(
                outcome=SyncRun.Outcome.SUCCEEDED,
                changed=False,
                counts={"superseded": True},
                error_code="superseded",
                error="A sync that began later was faster; its book stays.",
            )
        else:
            stored = store_book(account=account, book=book)
            _update_account(account, book, stored)
        _finish(run, stored)
        if stored.changed:
            transaction.on_commit(partial(announce_change, account.pk, account.book_version))


def _is_superseded(account: Account, book: FetchedBook, seen: datetime | None) -> bool:
    """Return whether another sync committed meanwhile and started fetching no earlier than ours.

    Only a change since we began counts: a clock set back must not stop all syncs.
    """
    last = account.last_synced_at
    return last is not None and last != seen and last >= book.started_at


def _update_account(account: Account, book: FetchedBook, stored: Stored) -> None:
    if stored.changed:
        account.book_version += 1
        # The data is as old as the start of the fetch.
        account.last_synced_at = book.started_at
    # Use update(), not save(): nothing listens to the sync columns.
    Account.objects.filter(pk=account.pk).update(
        last_attempt_at=book.started_at,
        last_error_code=stored.error_code[:48],
        last_error=_one_line(stored.error),
        book_version=account.book_version,
        last_synced_at=account.last_synced_at,
        empty_book_since=account.empty_book_since,
    )


def _finish(run: SyncRun, stored: Stored) -> None:
    run.outcome = stored.outcome
    run.step = SyncRun.Step.DONE
    run.progress = 100
    run.counts = stored.counts
    run.error_code = stored.error_code[:48]
    run.error = _one_line(stored.error)
    run.finished_at = now()
    run.save(
        update_fields=[
            "outcome", "step", "progress", "counts", "error_code", "error", "finished_at",
        ]
    )  # fmt: skip


def _fail(account: Account, run: SyncRun, *, code: str, message: str) -> None:
    """Close the run as failed; on the account, write only the attempt and the error."""
    at = now()
    run.outcome = SyncRun.Outcome.FAILED
    run.error_code = code[:48]
    run.error = _one_line(message)
    run.finished_at = at
    with transaction.atomic():
        # Use update(): the account and its runs may have been deleted meanwhile.
        Account.objects.filter(pk=account.pk).update(
            last_attempt_at=run.started_at or at,
            last_error_code=run.error_code,
            last_error=run.error,
        )
        SyncRun.objects.filter(pk=run.pk).update(
            outcome=run.outcome,
            step=run.step,
            progress=run.progress,
            error_code=run.error_code,
            error=run.error,
            finished_at=run.finished_at,
        )


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:255]


def _seconds(run: SyncRun) -> float:
    if run.finished_at is None or run.started_at is None:
        return 0.0
    return round((run.finished_at - run.started_at) / timedelta(seconds=1), 3)
