"""Open orders and fills of the socket: ib_async's trades as our orders, rows as executions.

Read, never sent. Fills come with late commissions, corrections and several time formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import ib_async

from config.core.clock import parse_clock
from greeks.domain import Contract
from greeks.providers.decoding import BadRow, parse_decimal, parse_identifier, parse_text, storable
from portfolio.brokers.ibkr_portal.contracts import SOURCE
from portfolio.brokers.ibkr_portal.orders import ORDER_TYPES, legs_of, parse_side, parse_status
from portfolio.brokers.ibkr_portal.units import magnifier_of
from portfolio.brokers.ibkr_socket.client import SHORT, Row
from portfolio.brokers.ibkr_socket.rows import contract_of_row
from portfolio.brokers.units import in_currency
from portfolio.domain import Broker, BrokerExecution, BrokerOrder, Side

COMBINATION = "BAG"
#: Contracts by IBKR's id.
Known = Mapping[int, Contract]
_REVISED = re.compile(r"(?P<prefix>.+)\.(?P<revision>\d{1,9})", re.ASCII)
_COMPACT = re.compile(
    r"(?P<day>\d{8})[ -]+(?P<time>\d{1,2}:\d{2}:\d{2})(?:\s+(?P<zone>[A-Za-z][\w/+ -]*))?",
    re.ASCII,
)
#: Java and Windows zone names that the IANA database lacks.
_ZONES: Mapping[str, tzinfo] = {
    "EDT": timezone(timedelta(hours=-4)),
    "CDT": timezone(timedelta(hours=-5)),
    "CST": timezone(timedelta(hours=-6)),
    "PST": timezone(timedelta(hours=-8)),
    "PDT": timezone(timedelta(hours=-7)),
    "BST": timezone(timedelta(hours=1)),
    "CEST": timezone(timedelta(hours=2)),
    "JST": timezone(timedelta(hours=9)),
    "HKT": timezone(timedelta(hours=8)),
    "EASTERN STANDARD TIME": ZoneInfo("America/New_York"),
    "CENTRAL STANDARD TIME": ZoneInfo("America/Chicago"),
    "MOUNTAIN STANDARD TIME": ZoneInfo("America/Denver"),
    "PACIFIC STANDARD TIME": ZoneInfo("America/Los_Angeles"),
    "GMT STANDARD TIME": ZoneInfo("Europe/London"),
    "W. EUROPE STANDARD TIME": ZoneInfo("Europe/Berlin"),
    "CENTRAL EUROPE STANDARD TIME": ZoneInfo("Europe/Budapest"),
    "CENTRAL EUROPEAN STANDARD TIME": ZoneInfo("Europe/Warsaw"),
    "ROMANCE STANDARD TIME": ZoneInfo("Europe/Paris"),
    "TOKYO STANDARD TIME": ZoneInfo("Asia/Tokyo"),
    "CHINA STANDARD TIME": ZoneInfo("Asia/Shanghai"),
    "AUS EASTERN STANDARD TIME": ZoneInfo("Australia/Sydney"),
}


def decode_trade(
    trade: ib_async.Trade, known: Known, *, received_at: datetime, magnifier: Decimal
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
    legs = legs_of(_legs(trade.contract, known), side, quantity=quantity, remaining=remaining)
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


def order_row(trade: ib_async.Trade) -> dict[str, object]:
    """Return the gateway's data on the order, for the record."""
    order, status = trade.order, trade.orderStatus
    return {
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


def _limit(order: ib_async.Order, order_type: str, side: Side, *, combined: bool) -> Decimal | None:
    """Return the limit price; a combination sold for 2.10 is a credit, and positive is a debit."""
    limit = parse_decimal(order.lmtPrice, "lmtPrice")
    if limit is None or order_type in ("MKT", "STP") or (limit == 0 and not combined):
        return None
    return -limit if combined and side is Side.SELL else limit


def _legs(contract: ib_async.Contract, known: Known) -> Iterator[tuple[Contract, int]]:
    if contract.secType != COMBINATION:
        yield _found(known, contract.conId), 1
    elif not contract.comboLegs:
        raise BadRow("comboLegs: missing")
    else:
        for leg in contract.comboLegs:
            found, side = _found(known, leg.conId), parse_side(leg.action, "action")
            yield found, leg.ratio if side is Side.BUY else -leg.ratio


def _found(known: Known, conid: int) -> Contract:
    if conid not in known:
        raise BadRow(f"conid: {conid} has no definition")
    return known[conid]


def zone_named(name: str) -> tzinfo | None:
    """Return the zone a gateway means by a name, or ``None``: never guess a zone."""
    known = _ZONES.get(name.upper())
    if known is not None:
        return known
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def parse_gateway_time(text: str, default: tzinfo) -> datetime | None:
    """Parse ``20230224  12:04:56`` in the default zone, ``20230224 12:04:56 US/Eastern`` in its
    own.

    Returns UTC. ``20230224-12:04:56`` is UTC already, digits are seconds since 1970, ISO 8601 is
    read too. ``None`` if missing, invalid or in an unknown zone.
    """
    text = text.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) in (10, 13):
        return datetime.fromtimestamp(int(text) / (1000 if len(text) == 13 else 1), UTC)
    matched = _COMPACT.fullmatch(text)
    try:
        if matched is None:
            moment = datetime.fromisoformat(text)
            return moment.replace(tzinfo=moment.tzinfo or default).astimezone(UTC)
        moment = parse_clock(f"{matched['day']} {matched['time']}Z", "%Y%m%d %H:%M:%S%z")
        zone = default
        if matched["zone"]:
            named = zone_named(matched["zone"].strip())
            if named is None:
                return None
            zone = named
        elif "-" in text:
            zone = UTC
        return moment.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def newest_revisions(exec_ids: Iterable[str]) -> list[str]:
    """Keep only the last correction of each execution.

    A correction is another execution whose id ends in a higher number: ``0000e0d5.69dd7411.01.01``
    → ``….01.02``.
    """
    newest: dict[str, tuple[int, str]] = {}
    for exec_id in exec_ids:
        matched = _REVISED.fullmatch(exec_id)
        prefix, revision = (
            (matched["prefix"], int(matched["revision"])) if matched else (exec_id, -1)
        )
        if prefix not in newest or revision > newest[prefix][0]:
            newest[prefix] = (revision, exec_id)
    return [exec_id for _, exec_id in newest.values()]


def decode_execution(
    row: Row, commission: Row | None, contract: Contract | None, *, zone: tzinfo
) -> BrokerExecution:
    """Decode an execution row; its commission is ``None`` until the gateway reports one.

    The price is in the unit of the quotes, as order prices are (``ibkr_portal.units``).
    A fill whose time cannot be read is kept with ``execution_time`` None: it is real.
    """
    if SHORT in row:
        raise BadRow(f"{SHORT}: {row[SHORT]}")
    quantity = parse_decimal(row["shares"], "shares", required=True)
    if quantity <= 0:
        raise BadRow(f"shares: {quantity} is not above zero")
    contract = contract or contract_of_row(row)
    price = parse_decimal(row["price"], "price", required=True)
    if price < 0 and contract.is_option:
        raise BadRow(f"price: {price} is negative")
    price = in_currency(price, magnifier_of(row))
    return BrokerExecution(
        broker=Broker.IBKR,
        account_number=parse_identifier(row["account"], "account", maximum=32),
        broker_execution_id=parse_identifier(row["execId"], "execId"),
        contract=contract,
        side=parse_side(row["side"], "side"),
        quantity=quantity,
        price=price,
        execution_time=parse_gateway_time(parse_text(row["time"], "time"), zone),
        source=SOURCE,
        commission=None
        if commission is None
        else parse_decimal(commission.get("commission"), "commission"),
        order_id=_order_id(row),
        raw=storable({**row, **({"commission_report": commission} if commission else {})}),
    )


def _order_id(row: Row) -> str:
    """Return the permanent id, which every client and the Client Portal use for the order."""
    for name in ("permId", "orderId"):
        if row[name] not in ("", "0"):
            return parse_identifier(row[name], name)
    return ""
