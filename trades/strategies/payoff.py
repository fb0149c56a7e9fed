"""What a trade's legs bring at their expiry, by the price of the underlying."""

from __future__ import annotations

from collections.abc import Iterable
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


def payoff(legs: Iterable[PayoffLeg]) -> list[tuple[Decimal, Decimal]]:
    """Return (price, profit) points from below the lowest strike to above the highest.

    The strikes are among the points: the line bends there. None without a price or a strike.
    """
    given = list(legs)
    centres = sorted({leg.strike for leg in given if leg.strike is not None})
    centres = centres or sorted({leg.price for leg in given if leg.price > 0})
    if not centres:
        return []
    low, high = centres[0] * (1 - _MARGIN), centres[-1] * (1 + _MARGIN)
    step = (high - low) / (_POINTS - 1)
    spots = sorted({low + step * number for number in range(_POINTS)} | set(centres))
    return [(spot, sum((leg.at(spot) for leg in given), ZERO)) for spot in spots]
