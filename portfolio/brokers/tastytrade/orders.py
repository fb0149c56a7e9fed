"""Decode the orders of the day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from greeks.domain import Contract
from greeks.providers.decoding import (
    LARGEST_AMOUNT,
    SMALLEST_STEP,
    BadRow,
    Row,
    parse_decimal,
    parse_identifier,
    parse_milliseconds,
    parse_text,
    parse_time,
    storable,
)
from portfolio.brokers.tastytrade.contracts import (
    SOURCE,
    check_account,
    decode_contract,
    parse_action,
    parse_signed,
    unit_of,
)
from portfolio.brokers.tastytrade.future_symbols import Futures
from portfolio.brokers.units import in_currency
from portfolio.domain import BrokerOrder, OrderLeg, OrderStatus

STATUSES: Final[Mapping[str, OrderStatus]] = {
    "Received": OrderStatus.PENDING,
    "Routed": OrderStatus.PENDING,
    "In Flight": OrderStatus.PENDING,
    # The broker holds it until its condition is met: not at an exchange yet.
    "Contingent": OrderStatus.PENDING,
    "Live": OrderStatus.WORKING,
    # Still at the exchange until the request is confirmed.
    "Cancel Requested": OrderStatus.WORKING,
    "Replace Requested": OrderStatus.WORKING,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELLED,
    "Expired": OrderStatus.CANCELLED,
    "Removed": OrderStatus.CANCELLED,
    "Partially Removed": OrderStatus.CANCELLED,
    "Rejected": OrderStatus.REJECTED,
}
#: Codes too long for their column.
LONG_CODES: Final[Mapping[str, str]] = {"GTC Ext Overnight": "GTC_OVERNIGHT"}
LONGEST_DESCRIPTION: Final = 160


def decode_order(
    row: Row, *, account_number: str, fetched_at: datetime, futures: Futures
) -> BrokerOrder:
    """Decode one order of the day, live or finished.

    A spread's limit price is signed by its effect, positive for a debit; a single leg's is
    unsigned. ``updated-at`` is in milliseconds, 0 if the order never changed.
    """
    check_account(row, account_number)
    legs = tuple(_decode_leg(leg, futures) for leg in _legs(row))
    status_text = parse_text(row.get("status"), "status", required=True)
    status = STATUSES.get(status_text)
    if status is None:
        raise BadRow(f"status: {status_text[:40]!r} is not one that is known")
    size = parse_decimal(row.get("size"), "size")
    filled = _filled(legs, size)
    if status is OrderStatus.WORKING and filled:
        status = OrderStatus.PARTIALLY_FILLED
    return BrokerOrder(
        broker_order_id=parse_identifier(row.get("id"), "id"),
        status=status,
        order_type=_code(row, "order-type", maximum=24),
        time_in_force=_code(row, "time-in-force", maximum=16),
        legs=legs,
        source=SOURCE,
        as_of=fetched_at,
        quantity=size,
        filled_quantity=filled,
        limit_price=_limit_price(row, legs),
        description=_describe(legs),
        placed_at=parse_time(row.get("received-at"), "received-at"),
        updated_at=_updated_at(row.get("updated-at")),
        raw=storable(row),
    )


def _code(row: Row, field: str, *, maximum: int) -> str:
    """Return a vendor's words as a code: ``Stop Limit`` → ``STOP_LIMIT``."""
    text = parse_text(row.get(field), field)
    return LONG_CODES.get(text, text.upper().replace(" ", "_"))[:maximum]


def _legs(row: Row) -> list[Mapping[str, Any]]:
    legs = row.get("legs")
    if not isinstance(legs, list) or not legs or not all(isinstance(leg, dict) for leg in legs):
        raise BadRow("legs: an order without legs")
    return legs


def _decode_leg(leg: Mapping[str, Any], futures: Futures) -> OrderLeg:
    side, effect = parse_action(leg.get("action"))
    quantity = parse_decimal(leg.get("quantity"), "quantity", required=True)
    if quantity <= 0:
        raise BadRow(f"quantity: {quantity} is not positive")
    return OrderLeg(
        contract=decode_contract(leg, futures),
        side=side,
        quantity=quantity,
        remaining_quantity=parse_decimal(leg.get("remaining-quantity"), "remaining-quantity"),
        position_effect=effect,
    )


def _filled(legs: tuple[OrderLeg, ...], size: Decimal | None) -> Decimal | None:
    """Return filled units of the order: its slowest leg's; ``None`` if a leg does not tell."""
    filled: list[Decimal] = []
    for leg in legs:
        if leg.remaining_quantity is None:
            return None
        units = leg.quantity if size is None else size
        filled.append((leg.quantity - leg.remaining_quantity) * units / leg.quantity)
    units = min(filled)
    if abs(units) >= LARGEST_AMOUNT:
        raise BadRow("remaining-quantity: too large to be true")
    return units.quantize(SMALLEST_STEP, rounding=ROUND_DOWN)


def _limit_price(row: Row, legs: tuple[OrderLeg, ...]) -> Decimal | None:
    units = {unit_of(leg.contract) for leg in legs}
    if len(units) > 1:
        return None
    signed = in_currency(parse_signed(row, "price"), units.pop())
    if signed is None:
        return None
    return -signed if len(legs) > 1 else abs(signed)


def _updated_at(value: object) -> datetime | None:
    if isinstance(value, str):
        return parse_time(value, "updated-at")
    return parse_milliseconds(value, "updated-at") if value else None


def _describe(legs: tuple[OrderLeg, ...]) -> str:
    text = ", ".join(
        f"{leg.side.value.title()} {leg.quantity.normalize():f} {_name(leg.contract)}"
        for leg in legs
    )
    return text if len(text) <= LONGEST_DESCRIPTION else f"{text[: LONGEST_DESCRIPTION - 1]}…"


def _name(contract: Contract) -> str:
    if contract.expiry is None or contract.strike is None or contract.right is None:
        return contract.symbol
    strike = f"{contract.strike.normalize():f}"
    return f"{contract.root} {contract.expiry:%Y-%m-%d} {strike}{contract.right.value}"
