"""A lot: what one fill opened, how much is still open, and what closed the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from portfolio.domain import ExecutionKind


@dataclass(slots=True, kw_only=True)
class Lot:
    """An open lot. ``quantity`` is signed; ``price`` per unit, ``None`` if the basis is unknown."""

    instrument: int
    multiplier: Decimal
    currency: str
    opened_by: int
    opened_at: datetime
    quantity: Decimal
    price: Decimal | None
    costs: Decimal

    def part(self, quantity: Decimal) -> Lot:
        """Return a part of the lot with its share of the costs."""
        if quantity == self.quantity:
            return self
        return replace(self, quantity=quantity, costs=self.costs * quantity / self.quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLot:
    """A part of a lot that was closed by one fill. ``quantity`` is the lot's sign.

    ``opened_by`` is ``None`` if no opening fill is known: P&L is then ``None``, never zero.
    """

    instrument: int
    multiplier: Decimal
    currency: str
    quantity: Decimal
    opened_by: int | None
    opened_at: datetime | None
    open_price: Decimal | None
    open_costs: Decimal | None
    closed_by: int
    closed_at: datetime
    closed_kind: ExecutionKind
    close_price: Decimal | None
    close_costs: Decimal

    @property
    def gross(self) -> Decimal | None:
        """Realised P&L before costs, in ``currency``."""
        if self.open_price is None or self.close_price is None or self.opened_by is None:
            return None
        return (self.close_price - self.open_price) * self.quantity * self.multiplier

    @property
    def costs(self) -> Decimal:
        """Costs of the opening and the closing part."""
        return (self.open_costs or Decimal(0)) + self.close_costs

    @property
    def net(self) -> Decimal | None:
        """Realised P&L after costs."""
        gross = self.gross
        return None if gross is None else gross - self.costs
