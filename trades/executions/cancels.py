"""Cancels: which fills are dead.

A cancel names its row by transaction, else by trade; what it cancels may be booked again under the
next revision. Where it is not, the fill is dead. A cancel that comes before its row waits in
quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from portfolio.domain import Broker, ExecutionCancel
from trades.models import QuarantinedExecution, TradeExecution


@dataclass(slots=True)
class Cancelled:
    """The result of a batch of cancels."""

    cancelled: int = 0
    existing: int = 0
    waiting: list[ExecutionCancel] = field(default_factory=list)
    #: Account and instrument of the rows that count no more.
    changed: set[tuple[str, int]] = field(default_factory=set)


def apply_cancels(
    rows: Sequence[ExecutionCancel], accounts: dict[str, str], *, broker: Broker, at: datetime
) -> Cancelled:
    """Cancel the rows that are stored; return the cancels that wait for theirs.

    Cancels of these accounts that waited in quarantine are tried again.
    """
    outcome = Cancelled()
    waiting = QuarantinedExecution.objects.filter(
        broker=broker.value, account_id__in=accounts.values(), kind="cancel", resolved_at=None
    )
    kept = [(row, cancel_names(row.payload)) for row in waiting if row.account_id]
    done = _done_cancels(accounts, [row.cancel_id for row in rows], [n[0] for _, n in kept if n])
    for row in rows:
        key = (accounts[row.account_number], row.cancel_id)
        if key in done:
            outcome.existing += 1
            continue
        ended = _cancel(row.cancel_id, row.transaction_id, row.trade_id, key[0], at)
        if ended is None:
            outcome.waiting.append(row)
            continue
        done.add(key)
        outcome.cancelled += 1
        outcome.changed.add((key[0], ended.instrument_id))
    for held, names in kept:
        account_id = held.account_id
        if names is None or account_id is None:
            continue
        # One that came again with its fill is done: to apply it twice would end the next
        # revision too.
        if (account_id, names[0]) not in done:
            ended = _cancel(*names, account_id, at)
            if ended is None:
                continue
            done.add((account_id, names[0]))
            outcome.changed.add((account_id, ended.instrument_id))
        held.resolved_at = at
        held.save(update_fields=["resolved_at"])
    return outcome


def _done_cancels(
    accounts: dict[str, str], told: Iterable[str], kept: Iterable[str]
) -> set[tuple[str, str]]:
    ids = {*told, *kept}
    rows = TradeExecution.objects.filter(account_id__in=accounts.values(), cancelled_by__in=ids)
    return set(rows.values_list("account_id", "cancelled_by")) if ids else set()


def cancel_names(payload: dict[str, str]) -> tuple[str, str, str] | None:
    """Return the cancel's own id, and the transaction and trade it cancels.

    Reads a row of Flex or a transaction of Tastytrade; None where it names neither.
    """
    if payload.get("reverses-id"):
        return str(payload.get("id") or ""), str(payload["reverses-id"]), ""
    own = str(payload.get("transactionID") or "")
    transaction, trade = (
        "" if value in ("", "0", "-") else str(value)
        for value in (payload.get("origTransactionID", ""), payload.get("origTradeID", ""))
    )
    return (own, transaction, trade) if own and (transaction or trade) else None


def _cancel(
    cancel_id: str, transaction_id: str, trade_id: str, account_id: str, at: datetime
) -> TradeExecution | None:
    found = TradeExecution.objects.filter(account_id=account_id, cancelled_by="")
    row = None
    if transaction_id:
        # Tastytrade's transaction is the execution's own id.
        named = Q(transaction_id=transaction_id) | Q(broker_execution_id=transaction_id)
        row = found.filter(named).order_by("revision").first()
    if row is None and trade_id:
        row = found.filter(trade_id=trade_id).order_by("revision").first()
    if row is None:
        return None
    row.cancelled_by, row.updated_at = cancel_id, at
    row.save(update_fields=["cancelled_by", "updated_at"])
    return row
