"""Black-76: European options on futures, i.e. Black-Scholes-Merton without carry.

A futures contract costs nothing to hold, so its price grows like a spot whose dividend yield
equals the rate (Hull, *Options, Futures, and Other Derivatives*, chapter 18). Arguments and units
are those of :mod:`greeks.maths.black_scholes` with ``future``, the futures price, as the spot;
delta and gamma are per futures price.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from greeks.maths import black_scholes
from greeks.maths import implied_volatility as inversion
from greeks.maths.black_scholes import Floats, GreekArrays


def price(
    future: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Value of a European option on a future, per unit of its underlying."""
    return black_scholes.price(future, strike, years, rate, rate, volatility, is_call)


def all_greeks(
    future: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> GreekArrays:
    """Price and the five Greeks.

    The futures price does not move with the rate: rho is that of discounting alone, ``-years ·
    price``.
    """
    greeks = black_scholes.all_greeks(future, strike, years, rate, rate, volatility, is_call)
    left = np.maximum(np.asarray(years, dtype=np.float64), 0.0)
    return greeks._replace(rho=-left * greeks.price / 100.0)


def implied_volatility(
    price: ArrayLike,
    future: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Return the volatility at which :func:`price` gives ``price``.

    NaN if the price determines none.
    """
    return inversion.implied_volatility(price, future, strike, years, rate, rate, is_call)
