"""The stored executions of an account, as the lot engine reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from greeks.domain import InstrumentKind
from portfolio.domain import CARRIES_LOTS, ExecutionKind, Side
from trades.lots.events import PositionEvent
from trades.lots.matching import LotMethod
from trades.models import JournalSettings, TradeExecution

ZERO = Decimal(0)
_CARRY = [kind.value for kind in CARRIES_LOTS]
_OPTIONS = [
    kind.value
    for kind in (InstrumentKind.OPTION, InstrumentKind.FUTURE_OPTION, InstrumentKind.EVENT)
]
#: "XYZ(US0000000001) SPLIT 3 FOR 2".
_RATIO = re.compile(r"\bsplit (\d+(?:\.\d+)?) for (\d+(?:\.\d+)?)\b", re.IGNORECASE)
_COLUMNS = (
    "id", "instrument_id", "instrument__multiplier", "kind", "side", "quantity", "price",
    "execution_time", "position_effect", "currency", "commission", "fees", "exec_root",
    "broker_execution_id", "superseded", "cancelled_by", "value", "order_id", "instrument__kind",
    "instrument__underlying",
)  # fmt: skip


def position_events(executions: QuerySet[TradeExecution]) -> list[PositionEvent]:
    """Return the live executions as events; costs are summed over the revisions of a root.

    A rebooked trade has no commission of its own: its first row keeps it.
    """
    rows = list(executions.order_by("execution_time", "id").values_list(*_COLUMNS, named=True))
    costs = _costs_by_root(rows)
    ratios = (
        _ratios(executions) if any(row.kind == ExecutionKind.SPLIT.value for row in rows) else {}
    )
    return [
        _event(row, costs, ratios) for row in rows if not row.superseded and not row.cancelled_by
    ]


def _ratios(executions: QuerySet[TradeExecution]) -> dict[int, Decimal]:
    """Return what the splits say they give for one share. One query."""
    splits = executions.filter(kind=ExecutionKind.SPLIT.value).order_by()
    ratios = {}
    for pk, payload in splits.values_list("id", "raw_payload"):
        told = _RATIO.search(str(payload.get("description", "")))
        if told is not None and Decimal(told[1]) and Decimal(told[2]):
            ratios[pk] = Decimal(told[1]) / Decimal(told[2])
    return ratios


def connected_instruments(accounts: Iterable[str], instruments: Iterable[int]) -> set[int]:
    """Return the instruments and those that corporate actions of the accounts connect to them."""
    rows = TradeExecution.objects.filter(account__in=list(accounts), kind__in=_CARRY).values_list(
        "account_id", "kind", "execution_time", "instrument_id"
    )
    carried = [(row[0], row[1], row[2].replace(microsecond=0), row[3]) for row in rows]
    found = set(instruments)
    while True:
        moments = {row[:3] for row in carried if row[3] in found}
        more = {row[3] for row in carried if row[:3] in moments} - found
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


def _event(row: Any, costs: dict[str, Decimal], ratios: dict[int, Decimal]) -> PositionEvent:
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
        value=row.value,
        action=row.order_id,
        is_option=row.instrument__kind in _OPTIONS,
        underlying=row.instrument__underlying,
        ratio=ratios.get(row.id),
        sequence=(_number(row.broker_execution_id), row.broker_execution_id),
    )


def _number(identifier: str) -> int:
    return int(identifier) if identifier.isdigit() else 0
