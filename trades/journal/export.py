"""Fills as CSV lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from config.core.web.csv_export import csv_lines
from portfolio.models import Account
from trades.journal.reading import ExecutionFilter, executions_of
from trades.models import TradeExecution

_PAGE = 2000
_HEADER = (
    "id", "account_id", "broker_execution_id", "execution_time", "kind", "side", "quantity",
    "symbol", "underlying", "multiplier", "price", "currency", "commission", "fees", "value",
    "position_effect", "order_id", "source", "live",
)  # fmt: skip


def executions_csv(
    accounts: Sequence[Account], wanted: ExecutionFilter, *, page: int = _PAGE
) -> Iterator[str]:
    """Return one line for each fill that is asked for, newest first; one query for each page."""
    return csv_lines(_HEADER, map(_line, _all(accounts, wanted, page)))


def _all(
    accounts: Sequence[Account], wanted: ExecutionFilter, page: int
) -> Iterator[TradeExecution]:
    place = ""
    while True:
        rows, place = executions_of(accounts, wanted, before=place, most=page)
        yield from rows
        if not place:
            return


def _line(row: TradeExecution) -> tuple[object, ...]:
    paid = (row.commission, row.fees, row.value)
    amounts = (row.quantity, row.instrument.multiplier, row.price, *paid)
    # Without the database's zeros, and without an exponent.
    quantity, multiplier, price, commission, fees, value = (
        None if amount is None else Decimal(f"{amount.normalize():f}") for amount in amounts
    )
    return (
        row.pk, row.account_id, row.broker_execution_id, row.execution_time, row.kind, row.side,
        quantity, row.symbol, row.instrument.underlying, multiplier, price, row.currency,
        commission, fees, value, row.position_effect, row.order_id, row.source, row.is_live,
    )  # fmt: skip
