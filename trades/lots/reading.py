"""The stored executions of an account, as the lot engine reads them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django.db.models import QuerySet

from portfolio.domain import Side
from trades.domain import ExecutionKind
from trades.lots.events import PositionEvent
from trades.lots.matching import LotMethod, Lots, match_lots
from trades.models import TradeExecution

ZERO = Decimal(0)
_COLUMNS = (
    "id", "instrument_id", "instrument__multiplier", "kind", "side", "quantity", "price",
    "execution_time", "position_effect", "currency", "commission", "fees", "exec_root",
    "broker_execution_id", "superseded", "cancelled_by",
)  # fmt: skip


def lots_of_account(account_id: str, method: LotMethod = LotMethod.FIFO) -> Lots:
    """Return open and closed lots of an account, from all its executions. One query."""
    return match_lots(position_events(TradeExecution.objects.filter(account=account_id)), method)


def position_events(executions: QuerySet[TradeExecution]) -> list[PositionEvent]:
    """Return the live executions as events; costs are summed over the revisions of a root.

    A rebooked trade has no commission of its own: its first row keeps it.
    """
    rows = list(executions.order_by("execution_time", "id").values_list(*_COLUMNS))
    costs = _costs_by_root(rows)
    return [_event(row, costs) for row in rows if not row[14] and not row[15]]


def _costs_by_root(rows: Iterable[tuple[object, ...]]) -> dict[str, Decimal]:
    costs: dict[str, Decimal] = {}
    for row in rows:
        commission, fees, root = row[10] or ZERO, row[11] or ZERO, str(row[12])
        costs[root] = costs.get(root, ZERO) + commission + fees  # type: ignore[operator]
    return costs


def _event(row: tuple[object, ...], costs: dict[str, Decimal]) -> PositionEvent:
    (
        pk, instrument, multiplier, kind, side, quantity, price, at, effect, currency,
        _, _, root, identifier, _, _,
    ) = row  # type: ignore[misc]  # fmt: skip
    return PositionEvent(
        id=pk,
        instrument=instrument,
        multiplier=multiplier,
        kind=ExecutionKind(kind),
        quantity=-quantity if side == Side.SELL.value else quantity,
        at=at,
        price=price,
        costs=costs[root],
        position_effect=effect,
        is_side_known=bool(side),
        currency=currency,
        sequence=(_number(identifier), identifier),
    )


def _number(identifier: str) -> int:
    return int(identifier) if identifier.isdigit() else 0
