"""Differences between the journal and the brokers, and what statements have yet to report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Min, Q, QuerySet, Sum

from greeks.models import Instrument
from portfolio.models import Account, Position
from trades.models import TradeExecution, TradeLot

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A contract of which the journal and the broker hold different quantities."""

    account_id: str
    symbol: str
    journal: Decimal
    broker: Decimal
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaiting:
    """An option that ended at its instant, before the broker said how. ``net`` is provisional."""

    account_id: str
    symbol: str
    quantity: Decimal
    ended_at: datetime | None
    net: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Σ lots against the broker's positions, contract by contract."""

    agreed: int
    differences: list[Difference]
    awaiting: list[Awaiting]


def reconcile_positions(accounts: Sequence[Account]) -> Reconciliation:
    """Compare open lots with the positions of the last sync. Five queries.

    A difference names its likely cause and what mends it.
    """
    ids = [account.pk for account in accounts]
    journal = _by_contract(TradeLot.objects.filter(account__in=ids, closed_at__isnull=True))
    broker = _by_contract(Position.objects.filter(account__in=ids))
    names = dict(
        Instrument.objects.filter(
            pk__in={pk for _, pk in journal.keys() | broker.keys()}
        ).values_list("pk", "symbol")
    )
    began = dict(
        TradeExecution.objects.filter(account__in=ids)
        .order_by()
        .values_list("account_id")
        .annotate(Min("execution_time"))
    )
    differences = []
    agreed = 0
    for account_id, instrument_id in sorted(journal.keys() | broker.keys()):
        ours = journal.get((account_id, instrument_id), ZERO)
        theirs = broker.get((account_id, instrument_id), ZERO)
        if ours == theirs:
            agreed += bool(ours)
            continue
        differences.append(
            Difference(
                account_id=account_id,
                symbol=names[instrument_id],
                journal=ours,
                broker=theirs,
                cause=_cause(ours, theirs, began.get(account_id)),
            )
        )
    return Reconciliation(agreed=agreed, differences=differences, awaiting=_awaiting(ids))


def _awaiting(accounts: Sequence[str]) -> list[Awaiting]:
    rows = (
        TradeLot.objects.filter(account__in=accounts, awaiting=True)
        .values("account_id", "instrument__symbol", "closed_at", "currency")
        .annotate(held=Sum("quantity"), sum_net=Sum("net"), unknown=Count("id", filter=Q(net=None)))
        .order_by("account_id", "closed_at", "instrument__symbol")
    )
    return [
        Awaiting(
            account_id=row["account_id"],
            symbol=row["instrument__symbol"],
            quantity=row["held"],
            ended_at=row["closed_at"],
            net=None if row["unknown"] else row["sum_net"],
            currency=row["currency"],
        )
        for row in rows
    ]


def _by_contract(
    rows: QuerySet[TradeLot] | QuerySet[Position],
) -> dict[tuple[str, int], Decimal]:
    found = rows.order_by().values_list("account_id", "instrument_id").annotate(Sum("quantity"))
    return {(account_id, pk): quantity for account_id, pk, quantity in found}


def _cause(ours: Decimal, theirs: Decimal, began: datetime | None) -> str:
    if began is None:
        return "The journal of this account is empty. Import its statements."
    if not ours:
        return f"Opened before {began:%Y-%m-%d}, where the journal begins. Import older statements."
    if not theirs:
        return (
            "The broker holds it no more: expired, assigned, exercised or transferred. Such rows "
            "come with the statement."
        )
    return "A fill, a split or a transfer is missing. Import the statements since it was opened."
