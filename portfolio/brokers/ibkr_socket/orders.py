"""Open orders of the socket: ib_async's trades as our orders. Read, never sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

import ib_async

from greeks.domain import Contract
from greeks.providers.decoding import BadRow, Row, parse_decimal, parse_text
from portfolio.brokers.ibkr_portal.contracts import SOURCE
from portfolio.brokers.ibkr_portal.orders import ORDER_TYPES, leg_of, parse_side, parse_status
from portfolio.brokers.ibkr_portal.units import ONE
from portfolio.brokers.units import in_currency
from portfolio.domain import BrokerOrder, OrderLeg, Side

COMBINATION = "BAG"
#: Returns the contract of an order or leg; raises BadRow if unknown.
Find = Callable[[ib_async.Contract], Contract]


def decode_trade(
    trade: ib_async.Trade, find: Find, *, received_at: datetime, magnifier: Decimal = ONE
) -> BrokerOrder:
    """Decode one order. Raises BadRow if something the desk needs is missing.

    ``magnifier`` is that of the contract's prices (``ibkr_portal.units``).
    """
    order, status = trade.order, trade.orderStatus
    side = parse_side(order.action, "action")
    quantity = parse_decimal(order.totalQuantity, "totalQuantity", required=True)
    if quantity <= 0:
        raise BadRow(f"totalQuantity: {quantity} is not above zero")
    filled = parse_decimal(status.filled, "filled")
    remaining = parse_decimal(status.remaining, "remaining")
    if not filled and not remaining:
        # No status yet: how much of an open order is filled is unknown.
        filled, remaining = None, None
    legs = _legs(trade.contract, find, side=side, quantity=quantity, remaining=remaining)
    order_type = parse_text(order.orderType, "orderType", maximum=24).upper().replace(" ", "_")
    return BrokerOrder(
        broker_order_id=str(order.permId or order.orderId),
        status=parse_status(status.status, filled=filled, remaining=remaining),
        order_type=ORDER_TYPES.get(order_type, order_type),
        time_in_force=parse_text(order.tif, "tif", maximum=16).upper(),
        legs=legs,
        source=SOURCE,
        as_of=received_at,
        quantity=quantity,
        filled_quantity=filled,
        limit_price=in_currency(_limit(order, order_type, side, combined=len(legs) > 1), magnifier),
        raw=order_row(trade),
    )


def order_row(trade: ib_async.Trade) -> Row:
    """Return the gateway's data on the order, for the record."""
    order, status = trade.order, trade.orderStatus
    said: Mapping[str, object] = {
        "account": order.account,
        "permId": order.permId,
        "orderId": order.orderId,
        "clientId": order.clientId,
        "symbol": trade.contract.symbol,
        "secType": trade.contract.secType,
        "action": order.action,
        "totalQuantity": str(order.totalQuantity),
        "orderType": order.orderType,
        "lmtPrice": str(order.lmtPrice),
        "tif": order.tif,
        "status": status.status,
        "filled": str(status.filled),
        "remaining": str(status.remaining),
    }
    return said


def _limit(order: ib_async.Order, order_type: str, side: Side, *, combined: bool) -> Decimal | None:
    """Return the limit price; a combination sold for 2.10 is a credit, and positive is a debit."""
    limit = parse_decimal(order.lmtPrice, "lmtPrice")
    if limit is None or order_type in ("MKT", "STP") or (limit == 0 and not combined):
        return None
    return -limit if combined and side is Side.SELL else limit


def _legs(
    contract: ib_async.Contract,
    find: Find,
    *,
    side: Side,
    quantity: Decimal,
    remaining: Decimal | None,
) -> tuple[OrderLeg, ...]:
    if contract.secType != COMBINATION:
        return (leg_of(find(contract), side, 1, quantity=quantity, remaining=remaining),)
    if not contract.comboLegs:
        raise BadRow("comboLegs: missing")
    return tuple(
        leg_of(
            find(ib_async.Contract(conId=leg.conId)),
            side,
            leg.ratio if parse_side(leg.action, "action") is Side.BUY else -leg.ratio,
            quantity=quantity,
            remaining=remaining,
        )
        for leg in contract.comboLegs
    )
