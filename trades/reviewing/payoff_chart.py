"""The payoff of a trade as a drawing: one line at expiry, of what was opened and what is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from greeks.domain import Right
from trades.models import TradeLeg
from trades.strategies.payoff import PayoffLeg, payoff

WIDTH, HEIGHT = 600, 180


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoffChart:
    """Points as SVG takes them, and the figures that they show."""

    opened: str
    open: str
    zero: float
    low: Decimal
    high: Decimal
    best: Decimal
    worst: Decimal


def payoff_chart(legs: Sequence[TradeLeg]) -> PayoffChart | None:
    """Draw legs of one expiry; ``None`` if they have several, or a price is not known."""
    expiries = {leg.instrument.expiry for leg in legs if leg.instrument.strike is not None}
    if len(expiries) != 1 or any(leg.open_price is None for leg in legs):
        return None
    opened = payoff(_leg(leg, leg.quantity) for leg in legs)
    left = [leg for leg in legs if leg.open_quantity]
    now = payoff(_leg(leg, leg.open_quantity) for leg in left)
    if not opened:
        return None
    profits = [profit for _, profit in (*opened, *now)]
    best, worst = max(*profits, Decimal(0)), min(*profits, Decimal(0))
    spots = [spot for spot, _ in (*opened, *now)]
    low, high = min(spots), max(spots)

    def line(points: list[tuple[Decimal, Decimal]]) -> str:
        return " ".join(
            f"{float((spot - low) / (high - low)) * WIDTH:.1f},{_height(profit, best, worst):.1f}"
            for spot, profit in points
        )

    return PayoffChart(
        opened=line(opened),
        open=line(now) if any(leg.quantity != leg.open_quantity for leg in legs) else "",
        zero=_height(Decimal(0), best, worst),
        low=low,
        high=high,
        best=max(profits),
        worst=min(profits),
    )


def _height(profit: Decimal, best: Decimal, worst: Decimal) -> float:
    span = best - worst or Decimal(1)
    return float((best - profit) / span) * (HEIGHT - 8) + 4


def _leg(leg: TradeLeg, quantity: Decimal) -> PayoffLeg:
    contract = leg.instrument
    return PayoffLeg(
        quantity=quantity,
        multiplier=contract.multiplier,
        price=leg.open_price or Decimal(0),
        strike=contract.strike,
        right=Right(contract.right) if contract.right else None,
    )
