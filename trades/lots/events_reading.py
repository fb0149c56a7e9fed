"""The stored executions of an account, as the lot engine reads them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from portfolio.domain import CARRIES_LOTS, ExecutionKind, Side
from trades.lots.events import PositionEvent
from trades.lots.matching import LotMethod
from trades.models import JournalSettings, TradeExecution

ZERO = Decimal(0)
_CARRY = [kind.value for kind in CARRIES_LOTS]
_COLUMNS = (
    "id", "instrument_id", "instrument__multiplier", "kind", "side", "quantity", "price",
    "execution_time", "position_effect", "currency", "commission", "fees", "exec_root",
    "broker_execution_id", "superseded", "cancelled_by",
)  # fmt: skip


def position_events(executions: QuerySet[TradeExecution]) -> list[PositionEvent]:
    """Return the live executions as events; costs are summed over the revisions of a root.

    A rebooked trade has no commission of its own: its first row keeps it.
    """
    rows = list(executions.order_by("execution_time", "id").values_list(*_COLUMNS, named=True))
    costs = _costs_by_root(rows)
    return [_event(row, costs) for row in rows if not row.superseded and not row.cancelled_by]


def connected_instruments(accounts: Iterable[str], instruments: Iterable[int]) -> set[int]:
    """Return the instruments and those that corporate actions of the accounts connect to them."""
    carried = list(
        TradeExecution.objects.filter(account__in=list(accounts), kind__in=_CARRY).values_list(
            "account_id", "kind", "execution_time", "instrument_id"
        )
    )
    found = set(instruments)
    while True:
        moments = {tuple(row[:3]) for row in carried if row[3] in found}
        more = {row[3] for row in carried if tuple(row[:3]) in moments} - found
        if not more:
            return found
        found |= more


def methods_of(accounts: Iterable[str]) -> dict[str, LotMethod]:
    """Return how the accounts' lots are matched. One query."""
    ids = list(accounts)
    chosen = JournalSettings.objects.filter(account__in=ids).values_list("account", "lot_method")
    return dict.fromkeys(ids, LotMethod.FIFO) | {pk: LotMethod(name) for pk, name in chosen}


def _costs_by_root(rows: Iterable[Any]) -> dict[str, Decimal]:
    costs: dict[str, Decimal] = {}
    for row in rows:
        paid = (row.commission or ZERO) + (row.fees or ZERO)
        costs[row.exec_root] = costs.get(row.exec_root, ZERO) + paid
    return costs


def _event(row: Any, costs: dict[str, Decimal]) -> PositionEvent:
    return PositionEvent(
        id=row.id,
        instrument=row.instrument_id,
        multiplier=row.instrument__multiplier,
        kind=ExecutionKind(row.kind),
        quantity=-row.quantity if row.side == Side.SELL.value else row.quantity,
        at=row.execution_time,
        price=row.price,
        costs=costs[row.exec_root],
        position_effect=row.position_effect,
        is_side_known=bool(row.side),
        currency=row.currency,
        sequence=(_number(row.broker_execution_id), row.broker_execution_id),
    )


def _number(identifier: str) -> int:
    return int(identifier) if identifier.isdigit() else 0
