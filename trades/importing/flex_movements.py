"""Corporate actions, transfers and cash of a Flex statement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from greeks.providers.decoding import BadRow, parse_decimal, parse_identifier, parse_text
from portfolio.domain import Broker, BrokerExecution, CashKind, CashMovement, ExecutionKind, Side
from trades.importing.flex_values import SOURCE, Attributes, flex_contract, flex_id, flex_moment

#: Corporate actions by type. Source: IBKR, Flex Queries, "Corporate Actions".
_ACTIONS: Final[Mapping[str, ExecutionKind]] = {
    "FS": ExecutionKind.SPLIT,
    "RS": ExecutionKind.SPLIT,
    "SD": ExecutionKind.SPLIT,
    "IC": ExecutionKind.SYMBOL_CHANGE,
    "NC": ExecutionKind.SYMBOL_CHANGE,
    "TC": ExecutionKind.MERGER,
    "TO": ExecutionKind.MERGER,
    "CA": ExecutionKind.MERGER,
    "SO": ExecutionKind.MERGER,
    "DI": ExecutionKind.DIVIDEND_REINVESTMENT,
}
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


def read_corporate_action(row: Attributes) -> BrokerExecution:
    """Read a split, a renamed contract, a merger: it moves lots."""
    code = row.get("type", "")
    kind = _ACTIONS.get(code)
    if kind is None:
        raise BadRow(f"type: corporate action {code[:16]!r} is not one that is known")
    return _carried(row, kind, at=flex_moment(row, "dateTime", "reportDate"))


def read_transfer(row: Attributes) -> BrokerExecution:
    """Read a position that came from or went to another account."""
    if row.get("direction", "").upper() == "OUT":
        row = {**row, "quantity": f"-{row.get('quantity', '').lstrip('-')}"}
    return _carried(row, ExecutionKind.TRANSFER, at=flex_moment(row, "dateTime", "date"))


def _carried(row: Attributes, kind: ExecutionKind, *, at: datetime) -> BrokerExecution:
    signed = parse_decimal(row.get("quantity"), "quantity", required=True)
    if not signed:
        raise BadRow("quantity: nothing moves")
    return BrokerExecution(
        broker=Broker.IBKR,
        account_number=parse_identifier(row.get("accountId"), "accountId", maximum=48),
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
    identifier = flex_id(row, "transactionID")
    return CashMovement(
        broker=Broker.IBKR,
        account_number=parse_identifier(row.get("accountId"), "accountId", maximum=48),
        kind=kind,
        amount=parse_decimal(row.get("amount"), "amount", required=True),
        currency=parse_text(row.get("currency"), "currency", required=True, maximum=8),
        moved_at=flex_moment(row, "dateTime", "settleDate", "reportDate"),
        source=SOURCE,
        movement_id=f"T:{row.get('accountId', '')}:{identifier}" if identifier else "",
        symbol=parse_text(row.get("symbol"), "symbol", maximum=64),
        description=parse_text(row.get("description"), "description"),
        raw=row,
    )
