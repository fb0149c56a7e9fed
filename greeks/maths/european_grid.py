"""Scenario grids of European legs, factored by axis."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from greeks.maths.black_scholes import Floats
from greeks.maths.discrete_dividends import present_value
from greeks.maths.lattice_slice import SMALLEST_REST
from greeks.maths.legs import Legs

# Means "no deviation left": log-moneyness divided by it is ±inf, and 0 at the money.
_NO_DEVIATION = 1e-300


def european_grid(
    legs: Legs, spots: Floats, volatilities: Floats, forward: Floats, result: Floats
) -> Floats:
    """Write values (days, volatilities, spots, legs) to ``result``; spots and vols are by leg.

    Logarithms, roots and exponentials are taken once per axis; each cell costs two normals and
    their products. The axes carry the sign of calls and puts, so the cells need none.
    """
    sign = np.where(legs.is_call, 1.0, -1.0)
    moneyness = np.log(spots / legs.strike)
    rest = spots
    for day, passed in enumerate(forward):
        years = np.maximum(legs.years - passed, 0.0)
        if legs.dividends is not None:
            worth = present_value(
                legs.rate, legs.dividend_yield, years, legs.dividends.times - passed,
                legs.dividends.amounts,
            )  # fmt: skip
            rest = np.maximum(spots - worth, SMALLEST_REST * spots)
            moneyness = np.log(rest / legs.strike)
        stock = sign * rest * np.exp(-legs.dividend_yield * years)
        bond = sign * legs.strike * np.exp(-legs.rate * years)
        distance = sign * (moneyness + (legs.rate - legs.dividend_yield) * years)
        deviation = np.maximum(volatilities * np.sqrt(years), _NO_DEVIATION)
        inverse, half = 1.0 / deviation, (0.5 * sign) * deviation
        for row in range(len(half)):
            cells = result[day, row]
            middle = distance * inverse[row]
            np.add(middle, half[row], out=cells)
            np.subtract(middle, half[row], out=middle)
            ndtr(cells, out=cells)
            ndtr(middle, out=middle)
            np.multiply(cells, stock, out=cells)
            np.multiply(middle, bond, out=middle)
            np.subtract(cells, middle, out=cells)
            np.maximum(cells, 0.0, out=cells)
    return result
