"""Binomial trees as the oracle of puts with two boundaries, which QuantLib's engine refuses."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr


def tree_put(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    *,
    steps: int = 700,
) -> float:
    """Return an American put: trees with European values in the last step, extrapolated.

    After Broadie and Detemple, "American option valuation" (1996).
    """
    arguments = (spot, strike, years, rate, dividend_yield, volatility)
    found = [
        2.0 * _tree(*arguments, 2 * count - odd) - _tree(*arguments, count)
        for count, odd in ((steps, 0), (steps + 1, 1))
    ]
    return sum(found) / 2.0


def _tree(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    steps: int,
) -> float:
    step = years / steps
    deviation = volatility * np.sqrt(step)
    up = np.exp(deviation)
    rising = (np.exp((rate - dividend_yield) * step) - 1.0 / up) / (up - 1.0 / up)
    discount = np.exp(-rate * step)
    at = spot * up ** np.arange(1.0 - steps, steps, 2.0)
    d1 = (np.log(at / strike) + (rate - dividend_yield) * step) / deviation + 0.5 * deviation
    value = strike * discount * ndtr(deviation - d1)
    value -= at * np.exp(-dividend_yield * step) * ndtr(-d1)
    value = np.maximum(value, strike - at)
    for _ in range(steps - 1):
        at = at[:-1] * up
        value = discount * (rising * value[1:] + (1.0 - rising) * value[:-1])
        value = np.maximum(value, strike - at)
    return float(value[0])
