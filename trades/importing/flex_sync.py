"""Fetch IBKR's statements from the Flex Web Service and record them.

A statement holds what neither socket nor portal tells: expirations, assignments, exercises, cash
settlements, corporate actions, cash. It is made each morning for the days before.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from django.db import transaction

from auth_tokens.broker_tokens.sources import token_source
from config.core.clock import market_now, now
from config.core.errors import ApplicationError, InvalidInput, ProviderError
from config.core.redis.locks import subject_lock
from portfolio.brokers.ibkr_flex.client import MAXIMUM_DAYS, PROVIDER, FlexClient, open_flex
from portfolio.domain import Broker
from portfolio.models import Account
from trades.executions.rows import Executions, JournalRows
from trades.executions.store import record_rows
from trades.importing.flex_xml import read_flex
from trades.models import JournalRun

logger = structlog.get_logger(__name__)

#: A task waits this long for a statement, and the next run asks again; a person waits longer.
TASK_PATIENCE: Final = 45.0
PATIENCE: Final = 300.0
LOCK_SECONDS: Final = 600
_NEW_YORK: Final = ZoneInfo("America/New_York")
#: IBKR makes the day's statements in the night; this is after it.
_DUE_AT: Final = time(6, 30)
#: Costs and corporate actions are corrected for weeks.
_OVERLAP: Final = timedelta(days=30)


def is_flex_due() -> bool:
    """Whether the service is set up and this morning's statement is not recorded yet."""
    if not token_source(PROVIDER).is_configured():
        return False
    if not Account.objects.filter(broker=Broker.IBKR.value, enabled=True).exists():
        return False
    last = _last_success()
    local = now().astimezone(_NEW_YORK)
    day = local.date() if local.time() >= _DUE_AT else local.date() - timedelta(days=1)
    return last is None or last.started_at < datetime.combine(day, _DUE_AT, _NEW_YORK)


def sync_flex(
    *,
    account_ids: Sequence[str] = (),
    since: date | None = None,
    patience: float = PATIENCE,
) -> list[JournalRun]:
    """Record the statements since a day; return one finished run for each of at most 365 days.

    Without ``since``: from 30 days before the last success, or of the last 365 days. With
    ``account_ids`` other accounts' rows are left out. A failure ends it and is on the last run.

    Raises:
        InvalidInput: ``since`` is not before today.
        LockHeld: another worker is at it.
    """
    last_day = market_now().astimezone(_NEW_YORK).date() - timedelta(days=1)
    first_day = since or _first_day(last_day)
    if first_day > last_day:
        raise InvalidInput(f"since: the last statement is of {last_day}.")
    runs: list[JournalRun] = []
    with subject_lock("flex", seconds=LOCK_SECONDS):
        for start, end in _pieces(first_day, last_day):
            runs.append(_sync_days(start, end, account_ids, patience))
            if runs[-1].outcome == JournalRun.Outcome.FAILED:
                break
    return runs


def _sync_days(start: date, end: date, account_ids: Sequence[str], patience: float) -> JournalRun:
    run = JournalRun(source=PROVIDER, file_name=f"{start} to {end}", started_at=now())
    try:
        content = _fetch(start, end, patience)
        rows = read_flex(io.BytesIO(content))
        if account_ids:
            rows = _of_accounts(rows, account_ids)
        run.file_digest = hashlib.sha256(content).hexdigest()
        with transaction.atomic():
            recorded = record_rows(rows, broker=Broker.IBKR, source=PROVIDER)
            run.counts = recorded.counts()
            run.outcome = (
                JournalRun.Outcome.PARTIAL if recorded.quarantined else JournalRun.Outcome.SUCCEEDED
            )
            run.finished_at = now()
            run.save(force_insert=True)
    except (ProviderError, InvalidInput) as error:
        _fail(run, error)
    logger.info("flex_synced", outcome=run.outcome, start=str(start), end=str(end))
    return run


def _fail(run: JournalRun, error: ApplicationError) -> None:
    """Keep a failed run in place of the failed one before it."""
    before = JournalRun.objects.filter(source=PROVIDER).order_by("-started_at").first()
    if before is not None and before.outcome == JournalRun.Outcome.FAILED:
        before.delete()
    run.outcome = JournalRun.Outcome.FAILED
    run.error_code, run.error, run.finished_at = error.code, error.message[:255], now()
    run.save(force_insert=True)


def _fetch(start: date, end: date, patience: float) -> bytes:
    client: FlexClient = open_flex()
    try:
        return client.fetch_statement(start, end, patience=patience)
    finally:
        client.close()


def _first_day(last_day: date) -> date:
    last = _last_success()
    if last is None:
        return last_day - timedelta(days=MAXIMUM_DAYS - 1)
    return min(last_day, last.started_at.astimezone(_NEW_YORK).date() - _OVERLAP)


def _last_success() -> JournalRun | None:
    runs = JournalRun.objects.filter(source=PROVIDER).exclude(outcome=JournalRun.Outcome.FAILED)
    return runs.order_by("-started_at").first()


def _pieces(start: date, end: date) -> list[tuple[date, date]]:
    """Cut a span into statements, oldest first."""
    found = []
    while start <= end:
        last = min(end, start + timedelta(days=MAXIMUM_DAYS - 1))
        found.append((start, last))
        start = last + timedelta(days=1)
    return found


def _of_accounts(rows: JournalRows, account_ids: Sequence[str]) -> JournalRows:
    """Leave out the rows of other accounts, and say how many."""
    wanted = Account.objects.filter(broker=Broker.IBKR.value, pk__in=account_ids)
    numbers = set(wanted.values_list("account_number", flat=True))
    kept = JournalRows(ignored=dict(rows.ignored))
    wanted_rows = (row for row in rows.executions if row.account_number in numbers)
    kept.executions = Executions(wanted_rows)
    kept.cancels = [row for row in rows.cancels if row.account_number in numbers]
    kept.movements = [row for row in rows.movements if row.account_number in numbers]
    kept.rejected = [row for row in rows.rejected if row.payload.get("accountId") in numbers]
    for _ in range(rows.received - kept.received):
        kept.ignore("of an account that was not asked for")
    return kept
