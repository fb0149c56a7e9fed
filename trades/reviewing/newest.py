"""The newest fills of some accounts, for open pages."""

from __future__ import annotations

from collections.abc import Sequence

from portfolio.amounts import as_float
from trades.models import TradeExecution
from trades.reviewing.shapes import NewestFill, NewestFills

SHOWN = 10


def newest_fills(account_ids: Sequence[str]) -> NewestFills:
    """Return the last fills and other events that count, newest first. One query."""
    rows = TradeExecution.objects.filter(
        account__in=list(account_ids), superseded=False, cancelled_by=""
    ).order_by("-execution_time", "-id")[:SHOWN]
    return NewestFills(fills=[_shape(row) for row in rows])


def _shape(row: TradeExecution) -> NewestFill:
    return NewestFill(
        id=str(row.pk),
        account_id=row.account_id,
        symbol=row.symbol,
        kind=row.kind,
        side=row.side or None,
        quantity=float(row.signed_quantity),
        price=as_float(row.price),
        commission=as_float(row.commission),
        currency=row.currency,
        execution_time=row.execution_time,
    )
