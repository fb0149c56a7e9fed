"""A demo account's positions, money, orders and minutes.

Money of a position is in its contract's currency, of the account in dollars.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.lines import dollars
from greeks.sandbox.quotes import SimulatedQuote
from portfolio.domain import OrderStatus


class SimulatedPosition(NamedTuple):
    """A holding. ``average_price`` is per unit without commissions."""

    contract: Contract
    quantity: int
    average_price: float
    price: float
    market_value: float
    unrealized_pnl: float
    quote: SimulatedQuote

    @property
    def gain(self) -> float:
        """Return the unrealized P&L in dollars."""
        return self.unrealized_pnl * dollars(self.contract)

    @property
    def equity(self) -> float:
        """Return what the holding adds to net liquidation, in dollars: of a future its gain."""
        if self.contract.kind is InstrumentKind.FUTURE:
            return self.gain
        return self.market_value * dollars(self.contract)


class SimulatedSummary(NamedTuple):
    """An account's money, in ``currency``."""

    currency: str
    net_liquidation: float
    cash: float
    market_value: float
    option_value: float
    initial_margin: float
    maintenance_margin: float
    excess_liquidity: float
    buying_power: float
    unrealized_pnl: float
    realized_pnl: float

    @property
    def available(self) -> float:
        return round(self.net_liquidation - self.initial_margin, 2)

    @property
    def cushion(self) -> float:
        return self.excess_liquidity / self.net_liquidation if self.net_liquidation else 0.0


class SimulatedOrder(NamedTuple):
    """An order of the day.

    ``legs`` have signed quantities; ``limit_price`` is per unit of the whole order, positive for a
    debit.
    """

    order_id: int
    status: OrderStatus
    order_type: str
    time_in_force: str
    legs: tuple[tuple[Contract, int], ...]
    quantity: int
    filled_quantity: int
    limit_price: float
    placed_at: datetime
    updated_at: datetime
    description: str


class MinuteTotals(NamedTuple):
    """An account at the start of a minute: Greeks × quantity × multiplier, summed."""

    at: datetime
    net_liquidation: float
    unrealized_pnl: float
    dollar_delta: float
    dollar_gamma: float
    theta: float
    vega: float
