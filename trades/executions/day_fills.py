"""Accounts' latest fills and splits, for the change of the day of its positions."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

from portfolio.book.day_fills import DayFill
from portfolio.domain import ExecutionKind, Side
from trades.models import TradeExecution

_SPLIT: Final = ExecutionKind.SPLIT.value
# What changes a position at a price. Transfers carry it without one.
_PRICED: Final = (
    ExecutionKind.TRADE.value,
    ExecutionKind.ASSIGNMENT.value,
    ExecutionKind.EXERCISE.value,
)


def read_day_fills(account_ids: Collection[str], since: datetime) -> Iterator[tuple[str, DayFill]]:
    """Yield the account and what was bought, sold and split in it since then. One query."""
    rows = TradeExecution.objects.filter(
        account__in=account_ids,
        execution_time__gte=since,
        kind__in=(*_PRICED, _SPLIT),
        superseded=False,
        cancelled_by="",
    )
    found = rows.order_by().values_list(
        "account_id", "instrument_id", "execution_time", "instrument__currency", "kind", "side",
        "quantity", "price",
    )  # fmt: skip
    for account_id, instrument_id, at, currency, kind, side, quantity, price in found:
        if kind == _SPLIT:
            yield account_id, DayFill(instrument_id, at, currency, is_split=True)
        elif side and price is not None:
            signed = -quantity if side == Side.SELL.value else quantity
            yield account_id, DayFill(instrument_id, at, currency, signed, price)
