"""Import a file completely or not at all; importing it again adds nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum

from auth_tokens.models import User
from config.core.clock import now
from config.core.rows.pages import many_pages
from portfolio.accounts.access import accounts_syncable_by
from portfolio.models import Account
from trades.executions.rows import Recorded
from trades.executions.store import Tell, record_rows
from trades.importing.files import ReadFile, read_file
from trades.models import JournalRun, TradeLot


class _DryRun(Exception):
    """Ends the transaction of a dry run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a file held and what became of its rows. ``run_id`` is ``None`` for a dry run.

    ``realised`` is by how much the file changes what its accounts' closed lots brought after
    costs, by currency.
    """

    source: str
    recorded: Recorded
    run_id: str | None
    realised: dict[str, Decimal]

    def as_document(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "source": self.source, **self.recorded.counts()} | {
            "realised": {currency: float(net) for currency, net in self.realised.items()}
        }


def import_file(
    content: bytes,
    *,
    file_name: str,
    account: Account | None = None,
    user: User | None = None,
    dry_run: bool = False,
    clock_offset: timedelta = timedelta(),
    tell: Tell = lambda _: None,
) -> Imported:
    """Record a file's rows in one transaction. A dry run writes nothing and tells the same counts.

    A user's file is recorded in the accounts the user may sync, and in no other. ``tell`` hears of
    each step.

    Raises:
        InvalidInput: the file cannot be read; nothing is written.
    """
    started_at = now()
    tell(f"read {len(content):,} bytes")
    found = read_file(content, account=account, clock_offset=clock_offset)
    recorded, realised = Recorded(), dict[str, Decimal]()
    try:
        with many_pages(), transaction.atomic():
            before = _realised(found)
            recorded = record_rows(
                found.rows,
                broker=found.broker,
                source=found.source,
                accounts=None if user is None else accounts_syncable_by(user),
                tell=tell,
            )
            realised = _change(before, _realised(found))
            if dry_run:
                raise _DryRun
            run = JournalRun.objects.create(
                account=account,
                requested_by=user,
                source=found.source,
                file_name="".join(c for c in file_name if c.isprintable())[-255:],
                file_digest=hashlib.sha256(content).hexdigest(),
                started_at=started_at,
                finished_at=now(),
                outcome=JournalRun.Outcome.PARTIAL
                if recorded.quarantined
                else JournalRun.Outcome.SUCCEEDED,
                counts=recorded.counts(),
            )
    except _DryRun:
        return Imported(source=found.source, recorded=recorded, run_id=None, realised=realised)
    return Imported(source=found.source, recorded=recorded, run_id=str(run.pk), realised=realised)


def _realised(found: ReadFile) -> dict[str, Decimal]:
    """Return what the closed lots of the file's accounts brought, by currency. One query."""
    rows = found.rows
    numbers = {*rows.executions.account_numbers, *(row.account_number for row in rows.cancels)}
    lots = TradeLot.objects.filter(
        account__broker=found.broker.value,
        account__account_number__in=numbers,
        closed_at__isnull=False,
        awaiting=False,
    ).order_by()
    sums = lots.values_list("currency").annotate(net=Sum("net"))
    return {currency: net for currency, net in sums if net is not None}


def _change(before: dict[str, Decimal], after: dict[str, Decimal]) -> dict[str, Decimal]:
    nothing = Decimal(0)
    changes = {
        currency: after.get(currency, nothing) - before.get(currency, nothing)
        for currency in sorted({*before, *after})
    }
    return {currency: change for currency, change in changes.items() if change}
