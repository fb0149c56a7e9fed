"""Volatility of options whose own price implies none, since no time value is left in it.

Deep in the money, the middle of a quote is often at or a cent below what exercise brings. Such an
option still has Greeks: at the volatility of the nearest strike of its expiry, else at none.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from greeks.maths import valuation
from greeks.maths.black_scholes import Floats
from greeks.maths.legs import Legs


def quote_noise(prices: Floats) -> Floats:
    """Return how far off a quoted price may be: one cent plus 1 %."""
    return 0.01 + 0.01 * np.abs(prices)


def time_value(prices: Floats, legs: Legs) -> Floats:
    """Return what each price holds beyond the value at no volatility; NaN where there is no price.

    ``legs.volatility`` is not read.
    """
    return prices - valuation.value(legs.with_volatility(np.zeros(len(legs))))


def from_neighbours(volatility: Floats, strikes: Floats, expiries: Sequence[Hashable]) -> Floats:
    """Fill NaN with the volatility of the nearest strike of the same expiry, if one is known."""
    known: dict[Hashable, list[int]] = {}
    for index in np.flatnonzero(~np.isnan(volatility)).tolist():
        known.setdefault(expiries[index], []).append(index)
    filled = volatility.copy()
    for index in np.flatnonzero(np.isnan(volatility)).tolist():
        if near := known.get(expiries[index]):
            distances = np.abs(strikes[near] - strikes[index])
            filled[index] = volatility[near[int(np.argmin(distances))]]
    return filled
