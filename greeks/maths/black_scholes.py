"""Black-Scholes-Merton with a continuous dividend yield, for whole books and chains at once.

Source of the formulas: Hull, *Options, Futures, and Other Derivatives*, chapters 17 and 19. Every
function broadcasts its arguments like NumPy does and returns float64 of the broadcast shape.

Arguments: ``spot`` and ``strike`` in the same currency; ``years`` to expiry (ACT/365 elsewhere in
the project); ``rate`` and ``dividend_yield`` annual and continuously compounded; ``volatility``
annual, as a fraction (0.25 = 25 %); ``is_call`` True for calls. With ``dividend_yield=rate`` the
spot is read as a futures price and the model is Black-76.

Results are finite for every finite input: at expiry (``years <= 0``) and at zero volatility an
option is worth its discounted intrinsic value, and far in the wings values run into 0 or ±1.
NaN comes back only where the input is NaN or impossible: negative spot, strike or volatility.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

DAYS_A_YEAR = 365.0
_INVERSE_ROOT_TWO_PI = 0.3989422804014327


class GreekArrays(NamedTuple):
    """Price and Greeks of one long contract per unit of the underlying.

    delta per 1 of the underlying; gamma per 1 of the underlying, twice; theta per calendar day;
    vega per 1 percentage point of volatility; rho per 1 percentage point of the rate.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats


class _Terms(NamedTuple):
    """What price and Greeks share: signs, discounted legs, d1 and the cumulative normals."""

    sign: Floats
    years: Floats
    root_years: Floats
    volatility: Floats
    deviation: Floats
    stock: Floats
    bond: Floats
    dividend_discount: Floats
    d1: Floats
    cumulative_1: Floats
    cumulative_2: Floats


def _terms(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> _Terms:
    spot_, strike_, years_, rate_, yield_, volatility_ = (
        np.asarray(value, dtype=np.float64)
        for value in (spot, strike, years, rate, dividend_yield, volatility)
    )
    sign = np.where(np.asarray(is_call, dtype=bool), 1.0, -1.0)
    years_ = np.maximum(years_, 0.0)
    root_years = np.sqrt(years_)
    volatility_ = np.where(volatility_ >= 0.0, volatility_, np.nan)
    deviation = volatility_ * root_years
    dividend_discount = np.exp(-yield_ * years_)
    stock = np.where(spot_ >= 0.0, spot_, np.nan) * dividend_discount
    bond = np.where(strike_ >= 0.0, strike_, np.nan) * np.exp(-rate_ * years_)
    moneyness = np.log(stock / bond)
    d1 = moneyness / deviation + 0.5 * deviation
    # 0/0 is an option exactly at the money without any deviation left: neither in nor out.
    undecided = np.isnan(d1) & ((deviation == 0.0) | (stock == bond)) & ~np.isnan(stock + bond)
    if undecided.any():
        d1 = np.where(undecided, 0.0, d1)
    d2 = np.where(np.isinf(d1) & np.isinf(deviation), -d1, d1 - deviation)
    return _Terms(
        sign,
        years_,
        root_years,
        volatility_,
        deviation,
        stock,
        bond,
        dividend_discount,
        d1,
        ndtr(sign * d1),
        ndtr(sign * d2),
    )


def _price(terms: _Terms) -> Floats:
    value = terms.sign * (terms.stock * terms.cumulative_1 - terms.bond * terms.cumulative_2)
    # Far out of the money the difference of two tiny numbers may round below zero.
    return np.maximum(value, 0.0)


def price(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Value of a European option per unit of the underlying (arguments: see the module)."""
    with np.errstate(all="ignore"):
        return _price(_terms(spot, strike, years, rate, dividend_yield, volatility, is_call))


def all_greeks(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> GreekArrays:
    """Price and the five Greeks in one pass (arguments: see the module).

    At expiry delta is 0, ±1 or, exactly at the money, ±½, and the other Greeks are 0. With zero
    volatility gamma is 0 also at the kink, where it does not exist.
    """
    with np.errstate(all="ignore"):
        terms = _terms(spot, strike, years, rate, dividend_yield, volatility, is_call)
        density = _INVERSE_ROOT_TWO_PI * np.exp(-0.5 * terms.d1 * terms.d1)
        alive = terms.deviation > 0.0
        stock_density = terms.stock * density
        gamma = terms.dividend_discount * density / (np.asarray(spot) * terms.deviation)
        decay = 0.5 * stock_density * terms.volatility / terms.root_years
        if not alive.all() or not np.isfinite(gamma).all():
            gamma = _zero_where_undefined(gamma, terms)
            decay = _zero_where_undefined(decay, terms)
        stock_leg = terms.sign * terms.stock * terms.cumulative_1
        bond_leg = terms.sign * terms.bond * terms.cumulative_2
        carry = np.asarray(dividend_yield) * stock_leg - np.asarray(rate) * bond_leg
        theta = (np.where(terms.years > 0.0, carry, 0.0 * carry) - decay) / DAYS_A_YEAR
        return GreekArrays(
            price=np.maximum(stock_leg - bond_leg, 0.0),
            delta=terms.sign * terms.dividend_discount * terms.cumulative_1,
            gamma=gamma,
            theta=theta,
            vega=stock_density * terms.root_years / 100.0,
            rho=terms.years * bond_leg / 100.0,
        )


def _zero_where_undefined(values: Floats, terms: _Terms) -> Floats:
    """0 where a quotient of vanishing terms has no value although every input was possible."""
    possible = ~np.isnan(terms.cumulative_1 + terms.cumulative_2)
    undefined = ~(terms.deviation > 0.0) | ~np.isfinite(values)
    return np.where(possible & undefined, 0.0, values)
