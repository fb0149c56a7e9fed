"""The Client Portal's rows, field by field as recorded from a real gateway."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.quotes import SimulatedQuote
from portfolio.domain import OrderStatus
from portfolio.sandbox.books import SimulatedAccount
from portfolio.sandbox.fills import SimulatedExecution
from portfolio.sandbox.ibkr_terms import is_dated, last_trading_day, local_symbol, quoted, ticker
from portfolio.sandbox.records import SimulatedOrder, SimulatedPosition
from portfolio.sandbox.revisions import revisions

_SEC_TYPES = {
    InstrumentKind.STOCK: "STK",
    InstrumentKind.INDEX: "IND",
    InstrumentKind.OPTION: "OPT",
    InstrumentKind.FUTURE: "FUT",
    InstrumentKind.FUTURE_OPTION: "FOP",
    InstrumentKind.CURRENCY: "CASH",
    InstrumentKind.EVENT: "OPT",
}
STATUSES = {
    OrderStatus.PENDING: "PendingSubmit",
    OrderStatus.WORKING: "Submitted",
    OrderStatus.PARTIALLY_FILLED: "Submitted",
    OrderStatus.FILLED: "Filled",
    OrderStatus.CANCELLED: "Cancelled",
    OrderStatus.REJECTED: "Inactive",
    OrderStatus.INACTIVE: "Inactive",
}
_ORDER_TYPES = {"LMT": ("LIMIT", "Limit"), "MKT": ("MARKET", "Market"), "STP": ("STOP", "Stop")}
#: The contract id of a US dollar combination.
COMBINATION = 28812380


def conid(contract: Contract) -> int:
    return int(contract.aliases["ibkr"])


def sec_type(contract: Contract) -> str:
    return _SEC_TYPES[contract.kind]


def describe(contract: Contract) -> str:
    """Return ``SPY    JAN2026 600 C [SPY   260117C00600000 100]``, or the ticker."""
    if contract.expiry is None:
        return contract.symbol
    month = f"{contract.expiry:%b%Y}".upper()
    if contract.strike is None or contract.right is None:
        return f"{ticker(contract):<8} {month}"
    strike = f"{contract.strike.normalize():f}"
    if contract.kind is InstrumentKind.EVENT:
        return f"{ticker(contract):<6} {month} {strike} YES"
    size = f"{contract.multiplier.normalize():f}"
    bracket = f"[{local_symbol(contract)} {size}]"
    return f"{ticker(contract):<6} {month} {strike} {contract.right.value} {bracket}"


def multiplier(contract: Contract) -> float:
    return float(contract.multiplier) if is_dated(contract) else 0.0


def expiry(contract: Contract) -> str | None:
    day = last_trading_day(contract)
    return f"{day:%Y%m%d}" if day else None


def position_row(account: SimulatedAccount, position: SimulatedPosition) -> dict[str, Any]:
    """Return a row of ``/portfolio/{id}/positions/{page}``; ``avgCost`` has the multiplier."""
    contract = position.contract
    return {
        "acctId": account.account_number,
        "conid": conid(contract),
        "contractDesc": describe(contract),
        "position": float(position.quantity),
        "mktPrice": quoted(contract, position.price),
        "mktValue": position.market_value,
        "currency": contract.currency,
        "avgCost": round(position.average_price * float(contract.multiplier), 8),
        "avgPrice": position.average_price,
        "realizedPnl": 0.0,
        "unrealizedPnl": position.unrealized_pnl,
        "exchs": None,
        "expiry": expiry(contract),
        "putOrCall": contract.right.value if contract.right else None,
        "multiplier": multiplier(contract),
        "strike": f"{contract.strike.normalize():f}" if contract.strike else "0",
        "exerciseStyle": None,
        "conExchMap": [],
        "assetClass": sec_type(contract),
        "undConid": 0,
        "model": "",
    }


def live_position_row(position: SimulatedPosition, at: datetime) -> dict[str, Any]:
    """Return a row of ``/portfolio2/{id}/positions``."""
    contract = position.contract
    return {
        "position": float(position.quantity),
        "conid": str(conid(contract)),
        "avgCost": position.average_price * float(contract.multiplier),
        "avgPrice": position.average_price,
        "currency": contract.currency,
        "description": describe(contract),
        "isLastToLoq": False,
        "marketPrice": quoted(contract, position.price),
        "marketValue": position.market_value,
        "realizedPnl": 0.0,
        "secType": sec_type(contract),
        "timestamp": int(at.timestamp()),
        "unrealizedPnl": position.unrealized_pnl,
        "assetClass": sec_type(contract),
        "sector": None,
        "group": None,
        "model": "",
    }


def order_price(order: SimulatedOrder) -> float:
    """Return the price in the unit of the quotes."""
    single = len(order.legs) == 1
    return quoted(order.legs[0][0], order.limit_price) if single else order.limit_price


def order_row(account: SimulatedAccount, order: SimulatedOrder) -> dict[str, Any]:
    """Return a row of ``/iserver/account/orders``; a combination buys signed ratios."""
    single = len(order.legs) == 1
    contract, signed = order.legs[0]
    original, shown = _ORDER_TYPES.get(order.order_type, (order.order_type, order.order_type))
    legs = ",".join(f"{conid(leg)}/{size // order.quantity}" for leg, size in order.legs)
    number = account.account_number
    stamp = order.updated_at
    price = order_price(order)
    return {
        "acct": number,
        "conidex": str(conid(contract)) if single else f"{COMBINATION};;;{legs}",
        "conid": conid(contract) if single else COMBINATION,
        "account": number,
        "orderId": order.order_id,
        "cashCcy": contract.currency,
        "sizeAndFills": f"{order.filled_quantity}/{order.quantity}",
        "orderDesc": order.description,
        "description1": ticker(contract),
        "ticker": ticker(contract),
        "secType": sec_type(contract) if single else "BAG",
        "listingExchange": contract.exchange,
        "remainingQuantity": float(order.quantity - order.filled_quantity),
        "filledQuantity": float(order.filled_quantity),
        "totalSize": float(order.quantity),
        "companyName": contract.description,
        "status": STATUSES[order.status],
        "order_ccp_status": STATUSES[order.status],
        "avgPrice": str(price) if order.filled_quantity else "",
        "origOrderType": original,
        "supportsTaxOpt": "1",
        "lastExecutionTime": f"{stamp:%y%m%d%H%M%S}",
        "orderType": shown,
        "bgColor": "#FFFFFF",
        "fgColor": "#000000",
        "isEventTrading": "1" if contract.kind is InstrumentKind.EVENT else "0",
        "price": str(price),
        "timeInForce": order.time_in_force,
        "lastExecutionTime_r": int(stamp.timestamp() * 1000),
        "side": "BUY" if not single or signed > 0 else "SELL",
    }


def trade_row(account: SimulatedAccount, fill: SimulatedExecution, at: datetime) -> dict[str, Any]:
    """Return a row of ``/iserver/account/trades``: amounts as text, the side as one letter.

    Of a corrected fill the newest revision is shown.
    """
    told = revisions(fill, at)[-1]
    fill = fill._replace(execution_id=told.execution_id, price=told.price)
    contract, number = fill.contract, account.account_number
    return {
        "execution_id": fill.execution_id,
        "symbol": ticker(contract),
        "supports_tax_opt": "1",
        "side": "B" if fill.side == "BUY" else "S",
        "order_description": f"{fill.side.value.title()} {fill.quantity} @ {fill.price}",
        "trade_time": f"{fill.executed_at:%Y%m%d-%H:%M:%S}",
        "trade_time_r": int(fill.executed_at.timestamp() * 1000),
        "size": float(fill.quantity),
        "price": str(quoted(contract, fill.price)),
        "order_ref": str(fill.order_id),
        "submitter": "sandbox",
        "exchange": contract.exchange,
        "commission": str(fill.commission),
        "net_amount": round(fill.quantity * fill.price * float(contract.multiplier), 2),
        "account": number,
        "accountCode": number,
        "account_allocation_name": number,
        "company_name": contract.description,
        "contract_description_1": ticker(contract),
        "sec_type": sec_type(contract),
        "listing_exchange": contract.exchange,
        "conid": conid(contract),
        "conidEx": str(conid(contract)),
        "clearing_id": "IB",
        "clearing_name": "IB",
        "liquidation_trade": "0",
        "is_event_trading": "0",
    }


def snapshot_row(quote: SimulatedQuote, fields: set[str], *, is_open: bool) -> dict[str, Any]:
    """Return a row of ``/iserver/marketdata/snapshot``: text by requested field number."""
    number = conid(quote.contract)
    iv = quote.implied_volatility
    change = (
        None
        if quote.last is None or quote.previous_close is None
        else round(quote.last - quote.previous_close, 2)
    )
    texts: dict[str, str | None] = {
        "31": _price(quote.last) and ("" if is_open else "C") + str(_price(quote.last)),
        "82": None if change is None else f"{change:.2f}",
        "84": _price(quote.bid),
        "86": _price(quote.ask),
        "87": _short(quote.volume),
        "7295": _price(quote.opening_price),
        "7635": _price(quote.mark),
        "7638": None if quote.open_interest is None else str(quote.open_interest),
        "7741": _price(quote.previous_close),
        "6509": "S",
    }
    if quote.contract.is_option:
        texts |= {
            "7308": _greek(quote.delta),
            "7309": _greek(quote.gamma),
            "7310": _greek(quote.theta),
            "7311": _greek(quote.vega),
            "7633": None if iv is None else f"{100 * iv:.2f}%",
        }
    row: dict[str, Any] = {
        "conidEx": str(number),
        "conid": number,
        "_updated": int(quote.as_of.timestamp() * 1000),
        "server_id": "q0",
        "6119": "q0",
    }
    return row | {
        field: text for field, text in texts.items() if text is not None and field in fields
    }


def _price(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:.2f}" if round(value, 2) == value else f"{value:.4f}"


def _greek(value: float | None) -> str | None:
    return None if value is None else f"{value:.6f}"


def _short(volume: int | None) -> str | None:
    """Format 1234 as ``1.2K``."""
    if volume is None:
        return None
    for size, unit in ((1_000_000, "M"), (1_000, "K")):
        if volume >= size:
            return f"{volume / size:.1f}{unit}"
    return str(volume)
