"""A shadow position on paper: entered, marked and closed by the lot engine of real fills. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from greeks.domain import InstrumentKind
from portfolio.domain import ExecutionKind
from trades.lots.events import PositionEvent
from trades.lots.matching import match_lots

#: What has a level but cannot be traded: its price is its mid.
_UNTRADED = frozenset({InstrumentKind.INDEX.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What was entered on paper. ``quantity`` is signed, ``price`` per unit."""

    multiplier: Decimal
    quantity: Decimal
    price: Decimal
    at: datetime

    def profit(
        self, price: Decimal | None, *, at: datetime, kind: ExecutionKind = ExecutionKind.TRADE
    ) -> Decimal | None:
        """Return the money that ending it at a price brings; ``None`` without one."""
        if price is None:
            return None
        entry = self._event(1, self.quantity, self.price, self.at, ExecutionKind.TRADE, "OPEN")
        # A contract may settle at the instant of its entry's quote, never before it.
        end = self._event(2, -self.quantity, price, max(at, self.at), kind, "CLOSE")
        (closed,) = match_lots([entry, end]).closed
        return closed.net

    def _event(
        self,
        number: int,
        quantity: Decimal,
        price: Decimal,
        at: datetime,
        kind: ExecutionKind,
        effect: str,
    ) -> PositionEvent:
        return PositionEvent(
            id=number,
            instrument=1,
            multiplier=self.multiplier,
            kind=kind,
            quantity=quantity,
            at=at,
            price=price,
            position_effect=effect,
        )


def mid_of(
    kind: str, *, bid: Decimal | None, ask: Decimal | None, price: Decimal | None
) -> Decimal | None:
    """Return the middle of a quote; ``None`` if one side is missing, crossed, or both are zero."""
    if bid is not None and ask is not None and bid <= ask and not bid == ask == 0:
        return (bid + ask) / 2
    return price if kind in _UNTRADED else None


def worse(mid: Decimal, quantity: Decimal, slippage: Decimal) -> Decimal:
    """Return the price at which a signed quantity trades, worse than the mid by a share of it."""
    paid = abs(mid) * slippage
    return mid + paid if quantity > 0 else mid - paid
