"""Ask a broker for an account's recent history, and record what is new.

The questions overlap: a broker reports commissions late, corrects fills and books settlements at
night. Recording again adds nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from config.core.clock import now
from config.core.errors import NotFound, ProviderError
from config.core.redis.locks import subject_lock
from greeks.domain import Fetched
from portfolio.brokers.base import BrokerAdapter
from portfolio.brokers.registry import open_adapter
from portfolio.domain import AccountEvent, Broker, CashMovement, ExecutionCancel
from portfolio.models import Account
from trades.executions.rows import JournalRows
from trades.executions.store import record_rows
from trades.models import JournalRun

logger = structlog.get_logger(__name__)

LOCK_SECONDS = 300
#: The first look goes back to the account's opening, as far as the broker tells.
FIRST_LOOK = datetime(2000, 1, 1, tzinfo=UTC)
#: Settlements are booked over a weekend.
_OVERLAP = timedelta(days=4)


def reconcile_account(*, account_id: str, since: datetime | None = None) -> JournalRun:
    """Record what the broker tells since an instant; return the finished run.

    Without ``since`` it looks back to four days before the last look that succeeded, or to the
    account's opening. The broker's failures are recorded on the run.

    Raises:
        NotFound: the account does not exist or is disabled.
        LockHeld: another worker is looking.
    """
    account = Account.objects.filter(pk=account_id, enabled=True).first()
    if account is None:
        raise NotFound(f"There is no enabled account {account_id[:64]!r}.")
    with subject_lock(f"executions:{account_id}", seconds=LOCK_SECONDS):
        run = JournalRun(account=account, source=account.broker.lower(), started_at=now())
        try:
            fetched = _fetch(account, since or _last_look(account))
            recorded = record_rows(
                journal_rows(fetched, account_number=account.account_number),
                broker=Broker(account.broker),
                source=fetched.source,
            )
        except ProviderError as error:
            run.outcome = JournalRun.Outcome.FAILED
            run.error_code, run.error = error.code, error.message[:255]
        else:
            run.counts = recorded.counts()
            run.outcome = (
                JournalRun.Outcome.PARTIAL if recorded.quarantined else JournalRun.Outcome.SUCCEEDED
            )
        run.finished_at = now()
        _keep(run)
    logger.info("executions_reconciled", account_id=account_id, outcome=run.outcome, **_facts(run))
    return run


def journal_rows(fetched: Fetched[AccountEvent], *, account_number: str = "") -> JournalRows:
    """Sort a broker's events by what they are."""
    rows = JournalRows(rejected=list(fetched.rejected), account_number=account_number)
    for event in fetched.items:
        if isinstance(event, CashMovement):
            rows.movements.append(event)
        elif isinstance(event, ExecutionCancel):
            rows.cancels.append(event)
        else:
            rows.executions.append(event)
    return rows


def _fetch(account: Account, since: datetime) -> Fetched[AccountEvent]:
    adapter: BrokerAdapter = open_adapter(account.broker)
    try:
        return adapter.fetch_executions(account.account_number, since=since)
    finally:
        adapter.close()


def _last_look(account: Account) -> datetime:
    looked = (
        JournalRun.objects.filter(account=account, source=account.broker.lower())
        .exclude(outcome=JournalRun.Outcome.FAILED)
        .order_by("-started_at")
        .first()
    )
    return FIRST_LOOK if looked is None else looked.started_at - _OVERLAP


def _keep(run: JournalRun) -> None:
    """Store the run; of looks that found nothing, only the last is kept."""
    before = (
        JournalRun.objects.filter(account=run.account, source=run.source)
        .order_by("-started_at")
        .first()
    )
    run.save(force_insert=True)
    if before is not None and _found_nothing(before) and _found_nothing(run):
        before.delete()


def _found_nothing(run: JournalRun) -> bool:
    counts = run.counts
    return run.outcome == JournalRun.Outcome.SUCCEEDED and not any(
        counts.get(name) for name in ("inserted", "completed", "cancelled")
    )


def _facts(run: JournalRun) -> dict[str, object]:
    facts = {name: value for name, value in run.counts.items() if isinstance(value, int)}
    return facts | ({"error_code": run.error_code} if run.error_code else {})
