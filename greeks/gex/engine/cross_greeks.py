"""Gamma, vanna and charm of many European options, and their summed gamma over many spots.

Formulas: Hull, *Options, Futures, and Other Derivatives*, chapter 19; Haug, *The Complete Guide to
Option Pricing Formulas*, chapter 2 (vanna, charm). Arguments are those of
:mod:`greeks.maths.black_scholes`, arrays of one length, one row a contract; ``years`` and
``volatility`` must be above zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from greeks.chains import Flags, Floats

_INVERSE_ROOT_TWO_PI = 0.3989422804014327
# Working cells that fit the processor's second-level cache.
_BLOCK_CELLS = 65_536


class CrossGreeks(NamedTuple):
    """Of one long contract per unit of the underlying.

    gamma per 1 of the underlying, twice; vanna: change of delta per 1.0 of volatility; charm:
    change of delta per year that passes.
    """

    gamma: Floats
    vanna: Floats
    charm: Floats


def cross_greeks(
    spot: float,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    volatility: Floats,
    is_call: Flags,
) -> CrossGreeks:
    """Return gamma, vanna and charm at one spot, each of shape (contracts,)."""
    root = np.sqrt(years)
    deviation = volatility * root
    carry = rate - dividend_yield
    d1 = (np.log(spot / strike) + carry * years) / deviation + 0.5 * deviation
    d2 = d1 - deviation
    discount = np.exp(-dividend_yield * years)
    density = discount * _INVERSE_ROOT_TWO_PI * np.exp(-0.5 * d1 * d1)
    sign = np.where(is_call, 1.0, -1.0)
    drift = (2.0 * carry * years - d2 * deviation) / (2.0 * years * deviation)
    return CrossGreeks(
        gamma=density / (spot * deviation),
        vanna=-density * d2 / volatility,
        charm=sign * dividend_yield * discount * ndtr(sign * d1) - density * drift,
    )


def summed_gamma(
    spots: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    volatility: Floats,
    weights: Floats,
) -> Floats:
    """Return Σ weight · gamma at each spot, shape (spots, sums); ``weights`` is (contracts, sums).

    Written as Σ c · exp(-½ (a + b·ln S)²) / S, one exponential a cell, in place and in blocks.
    """
    deviation = volatility * np.sqrt(years)
    slope = 1.0 / deviation
    carry = (rate - dividend_yield) * years
    start = (carry - np.log(strike)) * slope + 0.5 * deviation
    factor = _INVERSE_ROOT_TWO_PI * np.exp(-dividend_yield * years) * slope
    scaled = weights * factor[:, None]
    logs = np.log(spots)
    total = np.zeros((spots.size, weights.shape[1]))
    block = max(1, _BLOCK_CELLS // spots.size)
    working = np.empty((spots.size, min(block, strike.size)))
    for first in range(0, strike.size, block):
        part = slice(first, first + block)
        cells = working[:, : slope[part].size]
        np.multiply(logs[:, None], slope[None, part], out=cells)
        cells += start[None, part]
        np.multiply(cells, cells, out=cells)
        cells *= -0.5
        np.exp(cells, out=cells)
        total += cells @ scaled[part]
    return total / spots[:, None]
