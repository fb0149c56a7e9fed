"""What a trade's legs bring at their expiry, by the price of the underlying."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from greeks.domain import Right

_POINTS = 61
_MARGIN = Decimal("0.15")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoffLeg:
    """A signed quantity and its price per unit of the underlying; no strike: shares, futures."""

    quantity: Decimal
    multiplier: Decimal
    price: Decimal
    strike: Decimal | None = None
    right: Right | None = None

    def at(self, spot: Decimal) -> Decimal:
        """Return the profit before costs with the underlying at ``spot``."""
        worth = spot
        if self.strike is not None:
            is_call = self.right is Right.CALL
            worth = max(ZERO, spot - self.strike if is_call else self.strike - spot)
        return (worth - self.price) * self.quantity * self.multiplier


def payoff_prices(legs: Iterable[PayoffLeg], spot: float | None = None) -> list[Decimal]:
    """Return prices from below the lowest strike, or the price now, to above the highest.

    The strikes are among them: the line bends there. None without a price or a strike.
    """
    given = list(legs)
    strikes = {leg.strike for leg in given if leg.strike is not None}
    centres = strikes or {leg.price for leg in given if leg.price > 0}
    near = centres | ({Decimal(repr(spot))} if spot is not None else set())
    if not near:
        return []
    low, high = min(near) * (1 - _MARGIN), max(near) * (1 + _MARGIN)
    step = (high - low) / (_POINTS - 1)
    return sorted({low + step * number for number in range(_POINTS)} | near)


def payoff_at(legs: Iterable[PayoffLeg], prices: Sequence[Decimal]) -> list[Decimal]:
    """Return the profit before costs at each price."""
    given = list(legs)
    return [sum((leg.at(price) for leg in given), ZERO) for price in prices]
