"""Black-Scholes-Merton with a continuous dividend yield, for whole books and chains at once.

Formulas: Hull, *Options, Futures, and Other Derivatives*, chapters 17 and 19. Every function
broadcasts its arguments as NumPy does and returns float64 of the broadcast shape.

Arguments: ``spot`` and ``strike`` in the same currency; ``years`` to expiry (ACT/365 elsewhere in
the project); ``rate`` and ``dividend_yield`` annual and continuously compounded; ``volatility``
annual, as a fraction (0.25 = 25 %); ``is_call`` True for calls. With ``dividend_yield=rate`` the
spot is read as a futures price and the model is Black-76.

Results are finite for every finite input: at expiry (``years <= 0``) and at zero volatility an
option is worth its discounted intrinsic value, and far in the wings values tend to 0 or ±1. NaN
comes back only if the input is NaN or impossible: negative spot, strike or volatility.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

DAYS_A_YEAR = 365.0
_INVERSE_ROOT_TWO_PI = 0.3989422804014327
# Rows whose eleven working arrays fit the processor's second-level cache.
_BLOCK = 4096


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
    """Terms that price and Greeks share: signs, discounted legs, d1 and the cumulative normals."""

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
    # 0/0 is an option exactly at the money with no deviation left: neither in nor out.
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

    At expiry delta is 0, ±1 or, exactly at the money, ±½, and the other Greeks are 0. At zero
    volatility gamma is 0 even at the kink, where it does not exist.
    """
    arguments = (spot, strike, years, rate, dividend_yield, volatility, is_call)
    with np.errstate(all="ignore"):
        usual = _usual_greeks(*arguments)
        return usual if usual is not None else _careful_greeks(*arguments)


def _careful_greeks(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> GreekArrays:
    """Any shape, any input."""
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


def _usual_greeks(*arguments: ArrayLike) -> GreekArrays | None:
    """Return the fast path for rows and single numbers without special cases, else ``None``.

    Chains and books hardly ever have one. Working in place, in blocks that fit the processor's
    cache, takes a third of the time.
    """
    arrays = [np.asarray(value) for value in arguments]
    count = max(array.size for array in arrays)
    if any(array.shape not in ((), (count,)) for array in arrays) or not count:
        return None
    if all(array.ndim == 0 for array in arrays):
        return None
    columns = [np.asarray(array, dtype=np.float64) for array in arrays[:6]]
    is_call = np.asarray(arrays[6], dtype=bool)
    # The quotient of a negative spot and a negative strike would look possible.
    if not (columns[5].min() > 0.0 and columns[2].min() > 0.0 and columns[1].min() >= 0.0):
        return None
    result = np.empty((6, count))
    working = np.empty((5, min(count, _BLOCK)))
    for start in range(0, count, _BLOCK):
        part = slice(start, start + _BLOCK)
        block = [column if column.ndim == 0 else column[part] for column in columns]
        calls = is_call if is_call.ndim == 0 else is_call[part]
        found = result[:, part]
        _fill(block, calls, found, working[:, : found.shape[1]])
    # One infinite or missing number shows in the sum of its row.
    if not np.isfinite(result.sum()):
        return None
    return GreekArrays(*result)


def _fill(block: list[Floats], is_call: NDArray[np.bool_], result: Floats, working: Floats) -> None:
    """Write price and Greeks into ``result``; working rows are reused."""
    spot, strike, years, rate, dividend_yield, volatility = block
    value, delta, gamma, theta, vega, rho = result
    sign, deviation, stock, bond, d2 = working
    np.multiply(is_call, 2.0, out=sign)
    sign -= 1.0
    root = np.sqrt(years, out=rho)
    np.multiply(volatility, root, out=deviation)
    np.multiply(rate, years, out=bond)
    np.multiply(dividend_yield, years, out=stock)
    d1 = np.divide(spot, strike, out=theta)
    np.log(d1, out=d1)
    d1 += bond
    d1 -= stock
    d1 /= deviation
    np.multiply(deviation, 0.5, out=value)
    d1 += value
    np.negative(stock, out=stock)
    discount = np.exp(stock, out=stock)
    np.negative(bond, out=bond)
    np.exp(bond, out=bond)
    bond *= strike
    np.subtract(d1, deviation, out=d2)
    np.multiply(d1, d1, out=gamma)
    gamma *= -0.5
    np.exp(gamma, out=gamma)
    gamma *= _INVERSE_ROOT_TWO_PI
    gamma *= discount
    d1 *= sign
    d2 *= sign
    ndtr(d1, out=d1)
    ndtr(d2, out=d2)
    np.multiply(discount, d1, out=delta)
    delta *= sign
    bond *= d2
    bond *= sign
    np.multiply(spot, delta, out=value)
    np.multiply(dividend_yield, value, out=theta)
    value -= bond
    np.maximum(value, 0.0, out=value)
    stock_density = np.multiply(spot, gamma, out=d2)
    gamma /= spot
    gamma /= deviation
    np.multiply(stock_density, root, out=vega)
    vega *= 0.01
    decay = np.multiply(stock_density, volatility, out=stock_density)
    decay /= root
    decay *= 0.5
    theta -= decay
    np.multiply(years, bond, out=rho)
    rho *= 0.01
    bond *= rate
    theta -= bond
    theta *= 1.0 / DAYS_A_YEAR


def _zero_where_undefined(values: Floats, terms: _Terms) -> Floats:
    """Return 0 where a quotient of vanishing terms is undefined although every input was
    possible.
    """
    possible = ~np.isnan(terms.cumulative_1 + terms.cumulative_2)
    undefined = ~(terms.deviation > 0.0) | ~np.isfinite(values)
    return np.where(possible & undefined, 0.0, values)
