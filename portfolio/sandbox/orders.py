"""The demo accounts' orders: working and filled ones."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np

from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.market import Market
from portfolio.domain import OrderStatus
from portfolio.sandbox.fills import SimulatedExecution, Trade
from portfolio.sandbox.ledger import EXCHANGE, Ledger
from portfolio.sandbox.records import SimulatedOrder

_WORKING = 2
_DIP = 0.97


def _credit(trade: Trade) -> float:
    """Return the opening credit of one strategy unit, per unit of the underlying."""
    return -sum(
        quantity / trade.program.size * price
        for (_, quantity), price in zip(trade.legs, trade.open_prices, strict=True)
    )


def takes_profit(trade: Trade) -> bool:
    """Return whether the trade is a spread or strangle opened for a credit, to be closed early."""
    return len(trade.legs) > 1 and not trade.program.settled and _credit(trade) > 0.0


def is_stock(trade: Trade) -> bool:
    return trade.legs[0][0].kind is InstrumentKind.STOCK and not trade.program.line


def profit_order(ledger: Ledger, trade: Trade) -> SimulatedOrder:
    """Return a working order to buy back a short strategy for half its credit."""
    placed_at = datetime.fromtimestamp(trade.opened_at + 95.0, UTC)
    return SimulatedOrder(
        order_id=ledger.order_id(trade, _WORKING),
        status=OrderStatus.WORKING,
        order_type="LMT",
        time_in_force="GTC",
        legs=tuple((contract, -quantity) for contract, quantity in trade.legs),
        quantity=trade.program.size,
        filled_quantity=0,
        limit_price=max(round(0.5 * _credit(trade), 2), 0.01),
        placed_at=placed_at,
        updated_at=placed_at,
        description=f"Close {trade.program.symbol} {trade.program.name} at half its credit",
    )


def target_order(ledger: Ledger, trade: Trade) -> SimulatedOrder:
    """Return a working order to close a position of one contract at half its price better."""
    (contract, quantity), price = trade.legs[0], trade.open_prices[0]
    better = price + math.copysign(0.5 * abs(price), quantity)
    placed_at = datetime.fromtimestamp(trade.opened_at + 95.0, UTC)
    return SimulatedOrder(
        order_id=ledger.order_id(trade, _WORKING),
        status=OrderStatus.WORKING,
        order_type="LMT",
        time_in_force="GTC",
        legs=((contract, -quantity),),
        quantity=abs(quantity),
        filled_quantity=0,
        limit_price=round(better, 4 if contract.may_be_negative else 2),
        placed_at=placed_at,
        updated_at=placed_at,
        description=f"Close {contract.symbol} at its target",
    )


def dip_order(market: Market, ledger: Ledger, trade: Trade) -> SimulatedOrder:
    """Return a day order to buy a tenth more of a stock, 3 % below the session's opening."""
    contract = trade.legs[0][0]
    opened_at = min(market.session(EXCHANGE).opened_at + 600.0, market.seconds())
    price = float(market.values([contract], np.array([opened_at]))[0, 0])
    placed_at = datetime.fromtimestamp(opened_at, UTC)
    return SimulatedOrder(
        order_id=ledger.order_id(trade, _WORKING),
        status=OrderStatus.WORKING,
        order_type="LMT",
        time_in_force="DAY",
        legs=((contract, trade.program.size // 10),),
        quantity=trade.program.size // 10,
        filled_quantity=0,
        limit_price=round(_DIP * price, 2),
        placed_at=placed_at,
        updated_at=placed_at,
        description=f"Buy {contract.symbol} on a dip",
    )


def filled_order(order_id: int, fills: list[SimulatedExecution]) -> SimulatedOrder:
    """Return the order that these fills belong to."""
    signed: dict[str, tuple[Contract, int, float]] = {}
    for fill in fills:
        _, before, _ = signed.get(fill.contract.symbol, (fill.contract, 0, 0.0))
        total = before + fill.signed_quantity
        signed[fill.contract.symbol] = (fill.contract, total, fill.price)
    size = math.gcd(*(quantity for _, quantity, _ in signed.values()))
    price = sum(q / size * price for _, q, price in signed.values())
    if len(signed) == 1:
        # Alone, a price is its contract's own: below zero only where that may be.
        price = fills[-1].price
    done_at = max(fill.executed_at for fill in fills)
    return SimulatedOrder(
        order_id=order_id,
        status=OrderStatus.FILLED,
        order_type="LMT",
        time_in_force="DAY",
        legs=tuple((contract, quantity) for contract, quantity, _ in signed.values()),
        quantity=size,
        filled_quantity=size,
        limit_price=round(price, 4),
        placed_at=datetime.fromtimestamp(fills[0].executed_at.timestamp() - 20.0, UTC),
        updated_at=done_at,
        description=f"{fills[0].position_effect.title()} {fills[0].contract.underlying}",
    )
