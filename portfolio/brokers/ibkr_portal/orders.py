"""IBKR Client Portal's orders and trades: pure functions from its rows to our values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from config.core.clock import parse_clock
from greeks.domain import Contract, RejectedRow
from greeks.providers.decoding import (
    BadRow,
    Row,
    parse_decimal,
    parse_identifier,
    parse_milliseconds,
    parse_text,
    rejected_row,
    storable,
)
from portfolio.brokers.ibkr_portal.contracts import SOURCE, decode_contract, first_of, parse_conid
from portfolio.brokers.ibkr_portal.units import magnifier_of, price_of_value
from portfolio.brokers.units import in_currency
from portfolio.domain import Broker, BrokerExecution, BrokerOrder, OrderLeg, OrderStatus, Side

SIDES: Mapping[str, Side] = {
    "B": Side.BUY,
    "BOT": Side.BUY,
    "BUY": Side.BUY,
    "S": Side.SELL,
    "SLD": Side.SELL,
    "SELL": Side.SELL,
    "SSHORT": Side.SELL,
}
#: A pre-submitted order is live at the broker (a stop waiting for its trigger, say); one that is
#: being cancelled works until the cancellation is confirmed.
STATUSES: Mapping[str, OrderStatus] = {
    "apipending": OrderStatus.PENDING,
    "pendingsubmit": OrderStatus.PENDING,
    "warnstate": OrderStatus.PENDING,
    "presubmitted": OrderStatus.WORKING,
    "submitted": OrderStatus.WORKING,
    "pendingcancel": OrderStatus.WORKING,
    "precancelled": OrderStatus.WORKING,
    "filled": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELLED,
    "apicancelled": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
    "inactive": OrderStatus.INACTIVE,
}
ORDER_TYPES: Mapping[str, str] = {
    "LMT": "LIMIT",
    "MKT": "MARKET",
    "STP": "STOP",
    "STP_LMT": "STOP_LIMIT",
    "STOPLIMIT": "STOP_LIMIT",
    "TRAILING_STOP": "TRAIL",
    "MIDPRICE": "MIDPRICE",
}
_COMBINATION_LEG = re.compile(r"(?P<conid>\d{1,18})/(?P<ratio>-?\d{1,6})", re.ASCII)
#: Times of orders and of trades, in UTC: their form, and what ``parse_clock`` calls it.
_ORDER_TIME = re.compile(r"\d{12}", re.ASCII), "%y%m%d%H%M%S"
_TRADE_TIME = re.compile(r"\d{8}-\d{2}:\d{2}:\d{2}", re.ASCII), "%Y%m%d-%H:%M:%S"


def belongs_to(row: Row, account_number: str) -> bool:
    """Return whether an order or trade row belongs to the account: the answers hold all accounts.

    Raises BadRow if the row does not name its account.
    """
    value = first_of(row, "account", "acct", "accountCode", "acctId", "order_clearing_account")
    if value is None:
        # The submitter is a user name, but for accounts without one it is the account.
        if row.get("submitter") != account_number:
            raise BadRow("account: missing")
        return True
    return parse_identifier(value, "account") == account_number


def split_by_account(
    rows: list[Any], account_number: str, *, kind: str
) -> tuple[list[Any], list[RejectedRow]]:
    """Return the account's own rows and those naming no account; others' are dropped."""
    own: list[Any] = []
    rejected: list[RejectedRow] = []
    for row in rows:
        try:
            if not isinstance(row, Mapping) or belongs_to(row, account_number):
                own.append(row)
        except BadRow as error:
            rejected.append(rejected_row(kind, error.reason, row))
    return own, rejected


def order_conids(row: Row) -> list[str]:
    """Return every contract id the order names: its own, or those of a combination's legs."""
    legs = _combination(row)
    if legs:
        return [conid for conid, _ in legs]
    try:
        return [parse_conid(row)]
    except BadRow:
        return []


def decode_order(
    row: Row, definitions: Mapping[str, Contract], *, received_at: datetime
) -> BrokerOrder:
    """Decode a row of ``/iserver/account/orders``, or the answer of ``…/order/status/{id}``."""
    side = parse_side(row.get("side"), "side")
    filled = parse_decimal(first_of(row, "filledQuantity", "filled_quantity"), "filledQuantity")
    left = parse_decimal(
        first_of(row, "remainingQuantity", "remaining_quantity"), "remainingQuantity"
    )
    total = parse_decimal(first_of(row, "totalSize", "total_size", "size"), "totalSize")
    if total is None and filled is not None and left is not None:
        total = filled + left
    if total is None or total <= 0:
        raise BadRow(f"totalSize: {'missing' if total is None else total}")
    order_type = _order_type(row)
    legs = legs_of(_legs(row, definitions), side, quantity=total, remaining=left)
    limit = in_currency(parse_decimal(row.get("price"), "price"), magnifier_of(row))
    if order_type == "MARKET" or (limit == 0 and len(legs) == 1):
        limit = None
    elif limit is not None and len(legs) > 1 and side is Side.SELL:
        limit = -limit
    return BrokerOrder(
        broker_order_id=parse_identifier(first_of(row, "orderId", "order_id"), "orderId"),
        status=parse_status(first_of(row, "status", "order_status"), filled=filled, remaining=left),
        order_type=order_type,
        time_in_force=parse_text(
            first_of(row, "timeInForce", "tif"), "timeInForce", maximum=16
        ).upper(),
        legs=legs,
        source=SOURCE,
        as_of=received_at,
        quantity=total,
        filled_quantity=filled,
        limit_price=limit,
        description=parse_text(
            first_of(row, "orderDesc", "order_description_with_contract", "order_desc"),
            "orderDesc",
        ),
        placed_at=_time(first_of(row, "orderTime", "order_time"), "order_time", _ORDER_TIME),
        updated_at=parse_milliseconds(row.get("lastExecutionTime_r"), "lastExecutionTime_r")
        or _time(row.get("lastExecutionTime"), "lastExecutionTime", _ORDER_TIME),
        raw=storable(row),
    )


def decode_execution(
    row: Row, definitions: Mapping[str, Contract], *, account_number: str
) -> BrokerExecution:
    """Decode a row of ``/iserver/account/trades``: its execution id is the socket's.

    A trade without a time is kept, with ``execution_time`` None: the fill is real. Its commission
    is None until the vendor reports one.
    """
    quantity = parse_decimal(row.get("size"), "size", required=True)
    if quantity <= 0:
        raise BadRow(f"size: {quantity} is not above zero")
    contract = _contract(row, parse_conid(row), definitions)
    price = parse_decimal(row.get("price"), "price", required=True)
    if price < 0 and contract.is_option:
        raise BadRow(f"price: {price} is negative")
    amount, unit = parse_decimal(row.get("net_amount"), "net_amount"), magnifier_of(row)
    size = quantity * contract.multiplier
    if amount:
        price = price_of_value(price, unit, value=amount, size=size) or price
    else:
        price = in_currency(price, unit)
    return BrokerExecution(
        broker=Broker.IBKR,
        account_number=account_number,
        broker_execution_id=parse_identifier(row.get("execution_id"), "execution_id"),
        contract=contract,
        side=parse_side(row.get("side"), "side"),
        quantity=quantity,
        price=price,
        execution_time=parse_milliseconds(row.get("trade_time_r"), "trade_time_r")
        or _time(row.get("trade_time"), "trade_time", _TRADE_TIME),
        source=SOURCE,
        commission=parse_decimal(row.get("commission"), "commission"),
        order_id=parse_identifier(
            first_of(row, "order_id", "order_ref"), "order_id", required=False
        ),
        raw=storable(row),
    )


def parse_side(value: object, field: str) -> Side:
    text = parse_text(value, field, required=True)
    try:
        return SIDES[text.upper()]
    except KeyError:
        raise BadRow(f"{field}: {text[:16]!a} is neither buy nor sell") from None


def parse_status(
    value: object, *, filled: Decimal | None, remaining: Decimal | None
) -> OrderStatus:
    text = parse_text(value, "status", required=True)
    try:
        status = STATUSES[text.replace(" ", "").lower()]
    except KeyError:
        raise BadRow(f"status: {text[:24]!a} is unknown") from None
    partly = status is OrderStatus.WORKING and filled and remaining != 0
    return OrderStatus.PARTIALLY_FILLED if partly else status


def legs_of(
    legs: Iterable[tuple[Contract, int]],
    side: Side,
    *,
    quantity: Decimal,
    remaining: Decimal | None,
) -> tuple[OrderLeg, ...]:
    """Return the legs of an order for ``quantity``; a ratio below zero is of the other side."""
    other = Side.SELL if side is Side.BUY else Side.BUY
    return tuple(
        OrderLeg(
            contract=contract,
            side=other if ratio < 0 else side,
            quantity=parse_decimal(quantity * abs(ratio), "quantity", required=True),
            remaining_quantity=None
            if remaining is None
            else parse_decimal(remaining * abs(ratio), "remainingQuantity"),
        )
        for contract, ratio in legs
    )


def _order_type(row: Row) -> str:
    text = parse_text(
        first_of(row, "origOrderType", "orderType", "order_type"), "orderType", maximum=24
    )
    name = re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_")
    return ORDER_TYPES.get(name, name)


def _combination(row: Row) -> list[tuple[str, int]]:
    """Parse the legs of a combination: ``28812380;;;11111/1,22222/-1`` in ``conidex``."""
    text = row.get("conidex")
    if not isinstance(text, str) or ";" not in text:
        return []
    matches = _COMBINATION_LEG.findall(text.rsplit(";", 1)[1])
    return [(conid, int(ratio)) for conid, ratio in matches]


def _legs(row: Row, definitions: Mapping[str, Contract]) -> Iterator[tuple[Contract, int]]:
    legs = _combination(row) or [(parse_conid(row), 1)]
    if any(ratio == 0 for _, ratio in legs):
        raise BadRow("conidex: a leg has the ratio 0")
    for conid, ratio in legs:
        yield _contract(row, conid, definitions), ratio


def _contract(row: Row, conid: str, definitions: Mapping[str, Contract]) -> Contract:
    known = definitions.get(conid)
    if known is not None:
        return known
    try:
        # The row itself is enough for a stock.
        return decode_contract({"currency": row.get("cashCcy"), **row, "conid": conid})
    except BadRow as error:
        raise BadRow(f"conid: {conid} has no definition, and of the row {error.reason}") from None


def _time(value: object, field: str, form: tuple[re.Pattern[str], str]) -> datetime | None:
    text = parse_text(value, field)
    if not text:
        return None
    pattern, clock = form
    try:
        if pattern.fullmatch(text):
            return parse_clock(text, clock).replace(tzinfo=UTC)
    except ValueError:
        pass
    raise BadRow(f"{field}: {text[:24]!a} is not a time")
