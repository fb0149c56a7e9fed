"""Bracketed secant search of implied volatility, for models without an inverse of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from greeks.maths.black_scholes import Floats
from greeks.maths.implied_volatility import RESOLUTION

MAXIMUM_ITERATIONS = 80
_SETTLED = 1e-9
_SMALLEST, _LARGEST = 1e-6, 64.0
# Rounding of a price as a share of the greater of spot and strike.
_ROUNDING = 4.0 * float(np.finfo(np.float64).eps)

Rows = NDArray[np.intp]


def search_volatility(
    value: Callable[[Rows, Floats], Floats],
    price: Floats,
    *,
    rows: Rows,
    start: Floats,
    slope: Floats,
    unit: Floats,
) -> Floats:
    """Return the volatility at which the increasing ``value(rows, volatility)`` is ``price``.

    Only ``rows`` are searched; other rows are NaN, as are those without a volatility or with a
    price too coarse to resolve 1e-8 of it. ``start`` (NaN if unknown) and ``slope`` are first
    guesses of the volatility and of the price's derivative by it, ``unit`` is the greater of spot
    and strike: all as long as ``price``. Rows leave the search as they settle.
    """
    result = np.full(price.shape, np.nan)
    with np.errstate(all="ignore"):
        volatility = np.where(np.isfinite(start), start, 0.5)[rows].clip(_SMALLEST, _LARGEST)
        low, high = np.zeros(rows.size), np.full(rows.size, _LARGEST)
        slope = slope[rows]
        before = before_error = np.full(rows.size, np.nan)
        for _ in range(MAXIMUM_ITERATIONS):
            if not rows.size:
                break
            error = value(rows, volatility) - price[rows]
            low = np.where(error <= 0.0, volatility, low)
            high = np.where(error > 0.0, volatility, high)
            distance = volatility - before
            secant = (error - before_error) / distance
            # Two points too close together give rounding, not slope.
            trusted = (np.abs(distance) > 1e-7 * volatility) & (secant > 0.0)
            slope = np.where(trusted, secant, slope)
            renewed = volatility - error / slope
            middle = np.where(high < _LARGEST, 0.5 * (low + high), 2.0 * volatility)
            outside = ~((renewed > low) & (renewed < high))
            settled = (np.abs(renewed - volatility) <= _SETTLED * volatility) | (error == 0.0)
            settled &= ~outside | (error == 0.0)
            renewed = np.where(outside, middle, renewed)
            told = _ROUNDING * unit[rows] < RESOLUTION * slope
            done = settled & told
            result[rows[done]] = np.where(error == 0.0, volatility, renewed)[done]
            narrow = high - low <= _SETTLED * high
            keep = ~(settled | narrow | (high <= _SMALLEST) | (low >= _LARGEST))
            before, before_error = volatility[keep], error[keep]
            rows, volatility, slope = rows[keep], renewed[keep], slope[keep]
            low, high = low[keep], high[keep]
    return result
