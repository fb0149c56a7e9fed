"""Tastytrade's payloads of accounts, balances, positions and orders."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from greeks.domain import Contract, InstrumentKind
from portfolio.domain import OrderStatus, Side
from portfolio.sandbox.books import SimulatedAccount
from portfolio.sandbox.records import SimulatedOrder, SimulatedPosition
from portfolio.sandbox.tastytrade.instruments import (
    INSTRUMENT_TYPES,
    NEW_YORK,
    Payload,
    amount,
    expiry_instant,
    timestamp,
)

OPENED_AT: Final = datetime(2019, 12, 27, 18, 12, 3, 420_000, tzinfo=UTC)
STATUSES: Final = {
    OrderStatus.PENDING: "Received",
    OrderStatus.WORKING: "Live",
    OrderStatus.PARTIALLY_FILLED: "Live",
    OrderStatus.FILLED: "Filled",
    OrderStatus.CANCELLED: "Cancelled",
    OrderStatus.REJECTED: "Rejected",
    OrderStatus.INACTIVE: "Contingent",
}
ORDER_TYPES: Final = {"LMT": "Limit", "MKT": "Market"}
TIMES_IN_FORCE: Final = {"DAY": "Day", "GTC": "GTC"}
#: Kind of contract → name of its balance.
BALANCES: Final = {
    InstrumentKind.STOCK: "equity",
    InstrumentKind.OPTION: "derivative",
    InstrumentKind.FUTURE: "futures",
    InstrumentKind.FUTURE_OPTION: "futures-derivative",
}
#: Balances of assets the demo account never holds.
ALWAYS_NOTHING: Final = (
    "long-margineable-value",
    "short-margineable-value",
    "futures-margin-requirement",
    "maintenance-call-value",
    "reg-t-call-value",
    "day-trading-call-value",
    "day-equity-call-value",
    "pending-cash",
    "long-cryptocurrency-value",
    "short-cryptocurrency-value",
    "cryptocurrency-margin-requirement",
    "unsettled-cryptocurrency-fiat-amount",
    "equity-offering-margin-requirement",
    "long-bond-value",
    "bond-margin-requirement",
    "futures-overnight-margin-requirement",
    "futures-intraday-margin-requirement",
    "pending-margin-interest",
)


def account_item(account: SimulatedAccount) -> Payload:
    """Return a row of /customers/me/accounts."""
    return {
        "account": {
            "account-number": account.account_number,
            "external-id": f"A{account.account_number}",
            "opened-at": timestamp(OPENED_AT),
            "nickname": "Simulated margin",
            "account-type-name": "Individual",
            "day-trader-status": False,
            "is-closed": False,
            "is-firm-error": False,
            "is-firm-proprietary": False,
            "is-futures-approved": False,
            "is-test-drive": False,
            "margin-or-cash": "Margin",
            "is-foreign": False,
            "funding-date": OPENED_AT.date().isoformat(),
            "investment-objective": "SPECULATION",
            "suitable-options-level": "No Restrictions",
            "created-at": timestamp(OPENED_AT),
        },
        "authority-level": "owner",
    }


def balances(account: SimulatedAccount, now: datetime) -> Payload:
    """Return the object of /accounts/{number}/balances."""
    summary = account.summary()
    values = {f"{side}-{name}": 0.0 for name in BALANCES.values() for side in ("long", "short")}
    for position in account.positions():
        side = "long" if position.quantity > 0 else "short"
        values[f"{side}-{BALANCES[position.contract.kind]}"] += abs(position.market_value)
    spare = max(summary.excess_liquidity, 0.0)
    amounts = {
        "cash-balance": summary.cash,
        **{f"{name}-value": value for name, value in values.items()},
        "margin-equity": summary.net_liquidation - values["long-derivative"],
        "equity-buying-power": summary.buying_power,
        "derivative-buying-power": summary.buying_power / 2,
        "used-derivative-buying-power": summary.initial_margin,
        "day-trading-buying-power": 2 * summary.buying_power,
        "available-trading-funds": spare,
        "maintenance-requirement": summary.maintenance_margin,
        "net-liquidating-value": summary.net_liquidation,
        "cash-available-to-withdraw": max(min(summary.cash, spare), 0.0),
        "day-trade-excess": spare,
        "closed-loop-available-balance": spare,
        "reg-t-margin-requirement": summary.initial_margin,
        "maintenance-excess": summary.excess_liquidity,
        "effective-cryptocurrency-buying-power": spare,
    }
    row: Payload = {"account-number": account.account_number, "currency": summary.currency}
    row |= {name: amount(round(value, 3)) for name, value in amounts.items()}
    row |= dict.fromkeys(ALWAYS_NOTHING, "0.0")
    row |= {
        "pending-cash-effect": "None",
        "unsettled-cryptocurrency-fiat-effect": "None",
        "snapshot-date": now.astimezone(NEW_YORK).date().isoformat(),
        "updated-at": timestamp(now),
    }
    return row


def position(
    account: SimulatedAccount, held: SimulatedPosition, now: datetime, *, with_mark: bool
) -> Payload:
    """Return a row of /accounts/{number}/positions."""
    contract, long = held.contract, held.quantity > 0
    today = now.astimezone(NEW_YORK).date().isoformat()
    # A recorded chain may lack yesterday's close: then null, never today's price.
    close = held.quote.previous_close
    row: Payload = {
        "account-number": account.account_number,
        **instrument_of(contract),
        "quantity": abs(held.quantity),
        "quantity-direction": "Long" if long else "Short",
        "close-price": None if close is None else amount(close),
        "average-open-price": amount(held.average_price),
        "average-yearly-market-close-price": amount(held.average_price),
        "average-daily-market-close-price": None if close is None else amount(close),
        "multiplier": int(contract.multiplier),
        "cost-effect": "Credit" if long else "Debit",
        "is-suppressed": False,
        "is-frozen": False,
        "restricted-quantity": 0,
        "realized-day-gain": "0.0",
        "realized-day-gain-effect": "None",
        "realized-day-gain-date": today,
        "realized-today": "0.0",
        "realized-today-effect": "None",
        "realized-today-date": today,
        "created-at": timestamp(OPENED_AT),
        "updated-at": timestamp(held.quote.as_of),
    }
    if contract.expiry is not None:
        row["expires-at"] = timestamp(expiry_instant(contract))
    if with_mark:
        row |= {"mark": amount(held.market_value), "mark-price": amount(held.price)}
    return row


def order(account: SimulatedAccount, placed: SimulatedOrder) -> Payload:
    """Return a row of /accounts/{number}/orders. Prices are unsigned, with an effect."""
    done = placed.status is OrderStatus.FILLED
    working = placed.status in (OrderStatus.WORKING, OrderStatus.PENDING)
    closing = placed.description.startswith("Close")
    underlying = placed.legs[0][0].underlying
    row: Payload = {
        "id": placed.order_id,
        "account-number": account.account_number,
        "time-in-force": TIMES_IN_FORCE[placed.time_in_force],
        "order-type": ORDER_TYPES[placed.order_type],
        "size": placed.quantity,
        "underlying-symbol": underlying,
        "underlying-instrument-type": "Equity",
        "price": amount(abs(placed.limit_price)),
        "price-effect": "Debit" if _is_debit(placed) else "Credit",
        "status": STATUSES[placed.status],
        "cancellable": working,
        "editable": working,
        "edited": False,
        "ext-exchange-order-number": str(60_000_000_000_000 + placed.order_id),
        "ext-client-order-id": f"{placed.order_id:018x}",
        "ext-global-order-number": placed.order_id % 100_000,
        "received-at": timestamp(placed.placed_at),
        "updated-at": int(placed.updated_at.timestamp() * 1000),
        "legs": [
            _leg(placed, contract, quantity, closing=closing) for contract, quantity in placed.legs
        ],
    }
    if done:
        row["terminal-at"] = timestamp(placed.updated_at)
    return row


def _is_debit(placed: SimulatedOrder) -> bool:
    if len(placed.legs) == 1:
        return placed.legs[0][1] > 0
    return placed.limit_price >= 0


def _leg(placed: SimulatedOrder, contract: Contract, quantity: int, *, closing: bool) -> Payload:
    units = abs(quantity)
    filled = units * placed.filled_quantity // placed.quantity
    side = Side.BUY if quantity > 0 else Side.SELL
    fills: list[Payload] = []
    if filled:
        number = placed.order_id * 10 + len(contract.symbol)
        fills.append(
            {
                "ext-group-fill-id": str(2_000_000_000 + placed.order_id),
                "ext-exec-id": str(number),
                "fill-id": f"3_OPT{number}",
                "quantity": filled,
                "fill-price": amount(abs(placed.limit_price)),
                "filled-at": timestamp(placed.updated_at),
                "destination-venue": "SIMULATED_A",
            }
        )
    return {
        "instrument-type": INSTRUMENT_TYPES[contract.kind],
        "symbol": contract.aliases["tastytrade"],
        "quantity": units,
        "remaining-quantity": units - filled,
        "action": action_of(contract, side, closing=closing),
        "fills": fills,
    }


def instrument_of(contract: Contract) -> dict[str, Any]:
    return {
        "symbol": contract.aliases["tastytrade"],
        "instrument-type": INSTRUMENT_TYPES[contract.kind],
        "underlying-symbol": contract.underlying,
    }


def effect_of(signed: float | Decimal) -> str:
    if not signed:
        return "None"
    return "Credit" if signed > 0 else "Debit"


def action_of(contract: Contract, side: Side, *, closing: bool) -> str:
    """Return the action: futures trade without an effect."""
    verb = "Buy" if side is Side.BUY else "Sell"
    if contract.kind is InstrumentKind.FUTURE:
        return verb
    return f"{verb} to {'Close' if closing else 'Open'}"
