"""Decode transactions of Tastytrade, of the REST history and of its exports alike.

A row has the fields of ``GET /accounts/{number}/transactions``. Amounts carry their sign or an
``-effect`` (Credit, Debit). A row is identified by its ``id``: removals lack ``exec-id``, exports
lack both. Assignments, exercises and expirations are of type *Receive Deliver*: one row removes the
option, another moves the stock. A removal names no action: an assignment removes a short option, an
exercise a long one, an expiration either, which the open lots tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from greeks.domain import Contract, InstrumentKind
from greeks.instruments.fractions import price_of_fractions
from greeks.providers.decoding import (
    BadRow,
    Row,
    parse_decimal,
    parse_identifier,
    parse_text,
    parse_time,
)
from portfolio.brokers.tastytrade.contracts import (
    CURRENCY,
    SOURCE,
    check_account,
    decode_contract,
    parse_action,
    parse_signed,
    unit_of,
)
from portfolio.brokers.tastytrade.future_symbols import Futures
from portfolio.brokers.tastytrade.transaction_kinds import cash_kind, execution_kind
from portfolio.brokers.units import in_currency
from portfolio.domain import (
    CARRIES_LOTS,
    AccountEvent,
    Broker,
    BrokerExecution,
    CashMovement,
    ExecutionCancel,
    ExecutionKind,
    Side,
)

_FEES: Final = (
    "regulatory-fees",
    "clearing-fees",
    "proprietary-index-option-fees",
    "currency-conversion-fees",
    "other-charge",
    # The one column of an export.
    "fees",
)
#: Sub-type of a removal without action → side of the closing fill.
_REMOVALS: Final[Mapping[str, Side]] = {
    "Assignment": Side.BUY,
    "Cash Settled Assignment": Side.BUY,
    "Exercise": Side.SELL,
    "Cash Settled Exercise": Side.SELL,
}
#: What names a contract, and the contracts so far.
_CONTRACT: Final = ("symbol", "instrument-type", "underlying-symbol", "multiplier", "expires-at")
Contracts = dict[tuple[str | None, ...], Contract]
#: More are told by few files, whose rows of one contract mostly are near each other.
_MOST_CONTRACTS: Final = 5_000
# A number is matched as a whole: trying its parts takes the square of its length.
_PRICE: Final = re.compile(
    r"(?:@|\bat) \$?(-?(?>\d+'\d{1,3}(?:\.\d+)?|[\d,]*\.\d+|[\d,]*\d))\s*$", re.ASCII
)
_EFFECT: Final = re.compile(r"\b(Removal|Open|Close)\b")
#: Without an effect a removal closes what is open; its side stands in no field.
_NO_SIDE: Final = frozenset({ExecutionKind.EXPIRATION, ExecutionKind.CASH_SETTLEMENT})


def decode_transaction(
    row: Row,
    *,
    account_number: str,
    source: str,
    futures: Futures,
    contracts: Contracts | None = None,
) -> AccountEvent:
    """Decode one transaction. Raises BadRow for what no rule takes, naming the field.

    Only rows of exports may lack an id. ``contracts`` keeps those of a file's rows, all texts.
    """
    check_account(row, account_number)
    type_name = parse_text(row.get("transaction-type"), "transaction-type", required=True)
    sub_type = parse_text(row.get("transaction-sub-type"), "transaction-sub-type")
    identifier = parse_identifier(row.get("id"), "id", required=source == SOURCE)
    reversed_id = parse_identifier(row.get("reverses-id"), "reverses-id", required=False)
    at = parse_time(row.get("executed-at"), "executed-at")
    if at is None:
        raise BadRow("executed-at: missing")
    if reversed_id:
        return ExecutionCancel(
            broker=Broker.TASTY,
            account_number=account_number,
            cancel_id=identifier,
            cancelled_at=at,
            source=source,
            transaction_id=reversed_id,
            raw=row,
        )
    kind = execution_kind(type_name, sub_type)
    description = parse_text(row.get("description"), "description")
    if kind is None or not parse_text(row.get("symbol"), "symbol"):
        return CashMovement(
            broker=Broker.TASTY,
            account_number=account_number,
            kind=cash_kind(sub_type, description),
            amount=_net(row),
            currency=parse_text(row.get("currency"), "currency", maximum=8) or CURRENCY,
            moved_at=at,
            source=source,
            movement_id=identifier,
            symbol=parse_text(row.get("symbol"), "symbol", maximum=64),
            description=description,
            raw=row,
        )
    contract = _contract(row, futures, contracts)
    # Some rows sign the quantity; the side already tells it.
    quantity = abs(parse_decimal(row.get("quantity"), "quantity", required=True))
    if not quantity:
        raise BadRow("quantity: a row of nothing")
    side, effect = _side(row, sub_type, kind, description)
    value = parse_signed(row, "value")
    return BrokerExecution(
        broker=Broker.TASTY,
        account_number=account_number,
        kind=kind,
        contract=contract,
        side=side,
        quantity=quantity,
        price=_price(row, kind, value, quantity, contract, description),
        execution_time=at,
        source=source,
        broker_execution_id=identifier,
        order_id=parse_identifier(row.get("order-id"), "order-id", required=False),
        position_effect=effect,
        commission=_cost(row, "commission"),
        fees=_fees(row),
        value=value,
        net_value=parse_signed(row, "net-value"),
        raw=row,
    )


def _contract(row: Row, futures: Futures, contracts: Contracts | None) -> Contract:
    if contracts is None:
        return decode_contract(row, futures)
    named = tuple(map(row.get, _CONTRACT))
    contract = contracts.get(named)
    if contract is None:
        if len(contracts) >= _MOST_CONTRACTS:
            contracts.clear()
        contract = contracts[named] = decode_contract(row, futures)
    return contract


def _side(
    row: Row, sub_type: str, kind: ExecutionKind, description: str
) -> tuple[Side | None, str]:
    action = row.get("action")
    if action is not None or sub_type.startswith(("Buy", "Sell")):
        return parse_action(sub_type if action is None else action)
    if sub_type in _REMOVALS:
        return _REMOVALS[sub_type], "CLOSE"
    if kind in _NO_SIDE:
        return None, "CLOSE"
    if kind in CARRIES_LOTS:
        # "Reverse split: Open 6 USO1  200717P00002000"
        told = _EFFECT.search(f"{sub_type} {description}")
        if told is not None:
            return None, "OPEN" if told[1] == "Open" else "CLOSE"
    raise BadRow(f"action: missing, and {sub_type[:40]!r} does not say which side was moved")


def _price(
    row: Row,
    kind: ExecutionKind,
    value: Decimal | None,
    quantity: Decimal,
    contract: Contract,
    description: str,
) -> Decimal | None:
    """Return the price per unit of the underlying, in currency; ``None`` for lots that only move.

    A cash settlement's price field holds the strike: what counts is the cash. The value of a
    future is its settlement, not its price.
    """
    if kind in CARRIES_LOTS:
        return None
    sent = parse_decimal(row.get("price"), "price")
    is_future = contract.kind is InstrumentKind.FUTURE
    unit = unit_of(contract)
    if kind is not ExecutionKind.CASH_SETTLEMENT or is_future:
        if sent is not None:
            return in_currency(sent, unit)
        told = _PRICE.search(description)
        if told is not None and (is_future or not value):
            quoted = price_of_fractions(told[1], contract)
            return in_currency(quoted or parse_decimal(told[1], "description"), unit)
        if is_future:
            return None
    if value is None:
        raise BadRow("value: missing")
    units = quantity * contract.multiplier
    return parse_decimal(abs(value) / units, "value", required=True)


def _net(row: Row) -> Decimal:
    net = parse_signed(row, "net-value")
    amount = net if net is not None else parse_signed(row, "value")
    if amount is None:
        raise BadRow("value: missing")
    return amount


def _cost(row: Row, field: str) -> Decimal | None:
    signed = parse_signed(row, field)
    return None if signed is None else -signed + 0


def _fees(row: Mapping[str, Any]) -> Decimal | None:
    told = (_cost(row, field) for field in _FEES if field in row)
    costs = [cost for cost in told if cost is not None]
    return sum(costs, Decimal(0)) if costs else None
