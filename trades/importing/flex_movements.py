"""Transfers and cash of a Flex statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from greeks.providers.decoding import BadRow, parse_decimal, parse_text
from portfolio.domain import Broker, BrokerExecution, CashKind, CashMovement, ExecutionKind, Side
from trades.importing.flex_values import (
    SOURCE,
    Attributes,
    flex_account,
    flex_contract,
    flex_id,
    flex_moment,
)

_CASH: Final[Mapping[str, CashKind]] = {
    "Deposits/Withdrawals": CashKind.EXTERNAL_FLOW,
    "Deposits & Withdrawals": CashKind.EXTERNAL_FLOW,
    "Dividends": CashKind.DIVIDEND,
    "Payment In Lieu Of Dividends": CashKind.DIVIDEND,
    "Withholding Tax": CashKind.TAX,
    "871(m) Withholding": CashKind.TAX,
    "Broker Interest Received": CashKind.INTEREST,
    "Broker Interest Paid": CashKind.INTEREST,
    "Bond Interest Received": CashKind.INTEREST,
    "Bond Interest Paid": CashKind.INTEREST,
    "Other Fees": CashKind.FEE,
    "Advisor Fees": CashKind.FEE,
    "Broker Fees": CashKind.FEE,
    "Commission Adjustments": CashKind.ADJUSTMENT,
    "Price Adjustments": CashKind.ADJUSTMENT,
    "Other Income": CashKind.ADJUSTMENT,
}


def read_transfer(row: Attributes) -> BrokerExecution | CashMovement:
    """Read a position, or cash, that came from or went to another account."""
    at = flex_moment(row, "dateTime", "date", "reportDate")
    cash = parse_decimal(row.get("cashTransfer"), "cashTransfer")
    if cash and not parse_decimal(row.get("quantity"), "quantity"):
        return cash_movement(row, CashKind.EXTERNAL_FLOW, cash, at)
    direction = row.get("direction", "").upper()
    if direction == "OUT":
        row = {**row, "quantity": f"-{row.get('quantity', '').lstrip('-')}"}
    moved = carried(row, ExecutionKind.TRANSFER, at=at)
    return replace(moved, position_effect={"IN": "OPEN", "OUT": "CLOSE"}.get(direction, ""))


def carried(row: Attributes, kind: ExecutionKind, *, at: datetime) -> BrokerExecution:
    """Return a row that moves lots. Raises BadRow if it moves nothing."""
    signed = parse_decimal(row.get("quantity"), "quantity", required=True)
    if not signed:
        raise BadRow("quantity: nothing moves")
    return BrokerExecution(
        broker=Broker.IBKR,
        account_number=flex_account(row),
        kind=kind,
        contract=flex_contract(row),
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=abs(signed),
        price=parse_decimal(row.get("transferPrice"), "transferPrice") or None,
        execution_time=at,
        source=SOURCE,
        transaction_id=flex_id(row, "transactionID"),
        value=parse_decimal(row.get("proceeds"), "proceeds"),
        raw=row,
    )


def read_cash_transaction(row: Attributes) -> CashMovement:
    """Read a deposit, a dividend, interest or a fee."""
    name = parse_text(row.get("type"), "type", required=True)
    kind = _CASH.get(name)
    if kind is None:
        raise BadRow(f"type: cash transaction {name[:40]!r} is not one that is known")
    amount = parse_decimal(row.get("amount"), "amount", required=True)
    return cash_movement(
        row, kind, amount, flex_moment(row, "dateTime", "settleDate", "reportDate")
    )


def cash_movement(row: Attributes, kind: CashKind, amount: Decimal, at: datetime) -> CashMovement:
    """Return cash that moved, as the row names it."""
    identifier = flex_id(row, "transactionID")
    return CashMovement(
        broker=Broker.IBKR,
        account_number=flex_account(row),
        kind=kind,
        amount=amount,
        currency=parse_text(row.get("currency"), "currency", required=True, maximum=8),
        moved_at=at,
        source=SOURCE,
        movement_id=f"T:{row.get('accountId', '')}:{identifier}" if identifier else "",
        symbol=parse_text(row.get("symbol"), "symbol", maximum=64),
        description=parse_text(row.get("description"), "description"),
        raw=row,
    )
