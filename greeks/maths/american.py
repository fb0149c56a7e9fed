"""American options with a continuous dividend yield, for whole books and chains at once.

Arguments, units and broadcasting are those of :mod:`greeks.maths.black_scholes`. Calls are priced
as puts by McDonald and Schroder's symmetry, ``C(S, K, r, q) = P(K, S, q, r)``; a put is its
European value plus the premium of :mod:`greeks.maths.early_exercise`, whatever the signs of rate
and yield. An option never worth exercising early (a call without yield or a put at a zero rate,
unless the other one is negative) is priced as European.

Price and Greeks come from one solution of the boundary and its derivatives, theta from the equation
that they satisfy. An option exercised at once is worth its intrinsic value: delta ±1, the other
Greeks 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greeks.maths import black_scholes
from greeks.maths.american_contracts import Contracts, contracts_of, groups_of, known_path
from greeks.maths.black_scholes import DAYS_A_YEAR, Floats, GreekArrays
from greeks.maths.boundaries.region import exercise_of
from greeks.maths.early_exercise import put_values
from greeks.maths.implied_volatility import implied_volatility as european_volatility
from greeks.maths.volatility_search import search_volatility

#: Largest error of a price as a share of the greater of spot and strike, for volatilities from
#: 1 % to 300 %, rates and yields from -5 % to 20 % and up to five years (1e-4 for a strike of 100).
PRICE_ERROR = 1e-6

_ROUNDING = 1e-14
# Contracts solved together; more would cost memory and save no time.
_BLOCK = 1024


def price(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Value of an American option per unit of the underlying, never below its intrinsic value."""
    contracts, shape = contracts_of(spot, strike, years, rate, dividend_yield, volatility, is_call)
    with np.errstate(all="ignore"):
        return _prices(contracts).reshape(shape)


def all_greeks(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> GreekArrays:
    """Price and the five Greeks (method: see the module)."""
    contracts, shape = contracts_of(spot, strike, years, rate, dividend_yield, volatility, is_call)
    with np.errstate(all="ignore"):
        greeks = _greeks(contracts)
        return GreekArrays(*(values.reshape(shape) for values in greeks))


def implied_volatility(
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Return the annual volatility at which :func:`price` gives ``price``.

    NaN if the price determines none: at or below the intrinsic value or the value at zero
    volatility, at or above the upper bound, at expiry, for impossible input, and where rounding of
    the price hides 1e-8. The search starts from the European volatility, an upper bound because
    the right to exercise early has value.
    """
    prices, *arguments = np.broadcast_arrays(
        np.asarray(price, dtype=np.float64), spot, strike, years, rate, dividend_yield, 0.0, is_call
    )
    contracts, shape = contracts_of(*arguments)
    wanted = np.ravel(prices)
    with np.errstate(all="ignore"):
        unit = np.maximum(contracts.spot, contracts.strike)
        least = _prices(contracts._replace(volatility=np.zeros_like(wanted)))
        # A smaller excess is rounding.
        usable = (contracts.years > 0.0) & (wanted > least + _ROUNDING * unit)
        usable &= np.isfinite(wanted)
        start = european_volatility(wanted, *contracts[:5], contracts.is_call)
        guess = np.where(np.isfinite(start), start, 0.5)
        slope = black_scholes.all_greeks(*contracts._replace(volatility=guess)).vega * 100.0

    def value(rows: NDArray[np.intp], volatility: Floats) -> Floats:
        return _prices(contracts.take(rows)._replace(volatility=volatility))

    rows = np.flatnonzero(usable)
    found = search_volatility(value, wanted, rows=rows, start=start, slope=slope, unit=unit)
    return found.reshape(shape)


def _prices(contracts: Contracts) -> Floats:
    result = black_scholes.price(*contracts)
    groups = groups_of(contracts)
    for rows in _blocks(groups.by_boundary, groups.by_two):
        block = contracts.take(rows)
        terms = block.put_terms
        values = put_values(block.put_spot, terms, exercise_of(terms))
        result[rows] = block.put_strike * values.value
    if groups.by_path.size:
        result[groups.by_path] = known_path(contracts.take(groups.by_path)).price
    sign = np.where(contracts.is_call, 1.0, -1.0)
    return np.maximum(result, sign * (contracts.spot - contracts.strike))


def _greeks(contracts: Contracts) -> GreekArrays:
    result = GreekArrays(*(np.array(v) for v in black_scholes.all_greeks(*contracts)))
    groups = groups_of(contracts)
    sign = np.where(contracts.is_call, 1.0, -1.0)
    intrinsic = sign * (contracts.spot - contracts.strike)
    exercised = intrinsic > result.price
    for rows in _blocks(groups.by_boundary, groups.by_two):
        for column, values in zip(result, _early_greeks(contracts.take(rows)), strict=True):
            column[rows] = values
        exercised[rows] = result.price[rows] <= intrinsic[rows]
    if groups.by_path.size:
        for column, values in zip(result, known_path(contracts.take(groups.by_path)), strict=True):
            column[groups.by_path] = values
        exercised[groups.by_path] = intrinsic[groups.by_path] > result.price[groups.by_path]
    result.price[exercised] = intrinsic[exercised]
    result.delta[exercised] = sign[exercised]
    for column in (result.gamma, result.theta, result.vega, result.rho):
        column[exercised] = 0.0
    return result


def _blocks(*groups: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for rows in groups:
        for start in range(0, rows.size, _BLOCK):
            yield rows[start : start + _BLOCK]


def _early_greeks(contracts: Contracts) -> GreekArrays:
    """Contracts of one group."""
    ratio, unit, terms = contracts.put_spot, contracts.put_strike, contracts.put_terms
    call = contracts.is_call
    # The rate of a call is the yield of its put.
    put = put_values(ratio, terms, exercise_of(terms, call), by_yield=call)
    # A call is S·p(K/S), a put K·p(S/K).
    value = unit * put.value
    delta = np.where(call, put.value - ratio * put.slope, put.slope)
    gamma = put.curvature / unit
    gamma = np.where(call, ratio * ratio * gamma, gamma)
    carry = (contracts.rate - contracts.dividend_yield) * contracts.spot * delta
    diffusion = 0.5 * np.square(contracts.volatility * contracts.spot) * gamma
    # More time is never worth less if exercise is possible at any time.
    theta = np.minimum(contracts.rate * value - carry - diffusion, 0.0) / DAYS_A_YEAR
    vega = unit * put.by_deviation * np.sqrt(contracts.years) / 100.0
    rho = unit * put.by_carry * contracts.years / 100.0
    return GreekArrays(value, delta, gamma, theta, vega, rho)
