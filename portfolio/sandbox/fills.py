"""What the demo accounts' programs trade: positions from opening to closing, and their fills."""

from __future__ import annotations

import math
from datetime import datetime
from typing import NamedTuple

from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.lines import dollars
from portfolio.domain import ExecutionKind, Side
from portfolio.sandbox.programs import Program


class Trade(NamedTuple):
    """One program's position from opening to closing.

    Times are Unix seconds; ``closed_at`` may lie in the future or be infinite. Quantities are
    signed. ``settled_at`` is when its options expire, or its shares are split.
    """

    program: Program
    number: int
    opened_at: float
    closed_at: float
    legs: tuple[tuple[Contract, int], ...]
    open_prices: tuple[float, ...]
    settled_at: float = math.inf


class SimulatedExecution(NamedTuple):
    """A fill, or a booking of another ``kind``. ``quantity`` is unsigned, ``price`` per unit.

    Commission, fees and a closing fill's realised P&L (after its own costs) are in dollars.
    """

    execution_id: str
    order_id: int
    contract: Contract
    side: Side
    quantity: int
    price: float
    commission: float
    fees: float
    executed_at: datetime
    position_effect: str
    realized_pnl: float | None = None
    kind: ExecutionKind = ExecutionKind.TRADE

    @property
    def signed_quantity(self) -> int:
        return self.quantity if self.side is Side.BUY else -self.quantity

    @property
    def cash_flow(self) -> float:
        """Return the fill's effect on cash in dollars, including costs.

        A future is not paid for: its gain is settled when it is closed.
        """
        if self.contract.kind is InstrumentKind.FUTURE:
            gained = self.realized_pnl
            return -self.commission - self.fees if gained is None else gained
        value = self.signed_quantity * self.price * float(self.contract.multiplier)
        return -value * dollars(self.contract) - self.commission - self.fees
