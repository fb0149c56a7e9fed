"""American options with a continuous dividend yield, for whole books and chains at once.

Arguments, units and broadcasting are those of :mod:`greeks.maths.black_scholes`. Calls are priced
as puts by McDonald and Schroder's symmetry, ``C(S, K, r, q) = P(K, S, q, r)``; a put is its
European value plus the premium of :mod:`greeks.maths.early_exercise`. An option never worth
exercising early (a call without yield or a put at a zero rate, unless the other one is negative)
is priced as European. If rate and yield are both negative and a second boundary appears, finite
differences take over.

Price, delta and gamma come from the boundary, theta from the equation they satisfy, vega and rho
from central differences of ±0.1 % of the volatility and ±1 basis point. An option exercised at
once is worth its intrinsic value: delta ±1, the other Greeks 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greeks.maths import black_scholes
from greeks.maths.american_contracts import Contracts, Groups, contracts_of, groups_of, known_path
from greeks.maths.black_scholes import DAYS_A_YEAR, Floats, GreekArrays
from greeks.maths.early_exercise import exercise_boundary, put_values
from greeks.maths.finite_differences import FiniteDifferences, lattice_values
from greeks.maths.implied_volatility import implied_volatility as european_volatility
from greeks.maths.volatility_search import search_volatility

#: Largest error of a price as a share of the greater of spot and strike, for volatilities from
#: 1 % to 300 %, rates and yields from -5 % to 20 % and up to five years (1e-4 for a strike of 100).
PRICE_ERROR = 1e-6

_VOLATILITY_STEP, _SMALLEST_STEP = 1e-3, 1e-4
_RATE_STEP = 1e-4
_ROUNDING = 1e-14


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

    found = search_volatility(
        value,
        wanted,
        rows=np.flatnonzero(usable),
        start=start,
        slope=slope,
        unit=unit,
    )
    # Finite differences are smooth but not exact: a value this small is their error.
    with np.errstate(all="ignore"):
        lattice = groups_of(contracts._replace(volatility=found)).by_lattice
    found[lattice[wanted[lattice] <= (least + PRICE_ERROR * unit)[lattice]]] = np.nan
    return found.reshape(shape)


def _prices(contracts: Contracts) -> Floats:
    result = black_scholes.price(*contracts)
    groups = groups_of(contracts)
    if groups.by_boundary.size:
        rows = contracts.take(groups.by_boundary)
        terms = rows.put_terms
        values = put_values(rows.put_spot, terms, exercise_boundary(terms))
        result[groups.by_boundary] = rows.put_strike * values.value
    if groups.by_lattice.size:
        result[groups.by_lattice] = _lattice(contracts.take(groups.by_lattice)).value
    if groups.by_path.size:
        result[groups.by_path] = known_path(contracts.take(groups.by_path)).price
    sign = np.where(contracts.is_call, 1.0, -1.0)
    return np.maximum(result, sign * (contracts.spot - contracts.strike))


def _greeks(contracts: Contracts) -> GreekArrays:
    result = GreekArrays(*(np.array(v) for v in black_scholes.all_greeks(*contracts)))
    groups = groups_of(contracts)
    if groups.by_path.size:
        for column, values in zip(result, known_path(contracts.take(groups.by_path)), strict=True):
            column[groups.by_path] = values
    early = np.concatenate([groups.by_boundary, groups.by_lattice])
    if early.size:
        _fill_early(result, contracts, groups, early)
    sign = np.where(contracts.is_call, 1.0, -1.0)
    intrinsic = sign * (contracts.spot - contracts.strike)
    exercised = intrinsic > result.price
    exercised[early] |= result.price[early] <= intrinsic[early]
    result.price[exercised] = intrinsic[exercised]
    result.delta[exercised] = sign[exercised]
    for column in (result.gamma, result.theta, result.vega, result.rho):
        column[exercised] = 0.0
    return result


def _fill_early(
    result: GreekArrays, contracts: Contracts, groups: Groups, early: NDArray[np.intp]
) -> None:
    value, delta, gamma = _from_boundary(contracts.take(groups.by_boundary))
    if groups.by_lattice.size:
        found = _lattice(contracts.take(groups.by_lattice))
        value = np.concatenate([value, found.value])
        delta = np.concatenate([delta, found.delta])
        gamma = np.concatenate([gamma, found.gamma])
    rows = contracts.take(early)
    carry = (rows.rate - rows.dividend_yield) * rows.spot * delta
    diffusion = 0.5 * np.square(rows.volatility * rows.spot) * gamma
    # More time is never worth less if exercise is possible at any time.
    theta = np.minimum(rows.rate * value - carry - diffusion, 0.0) / DAYS_A_YEAR
    for column, values in zip(
        result, (value, delta, gamma, theta, *_vega_and_rho(rows)), strict=True
    ):
        column[early] = values


def _from_boundary(contracts: Contracts) -> tuple[Floats, Floats, Floats]:
    """Return the price, delta and gamma."""
    ratio, unit, terms = contracts.put_spot, contracts.put_strike, contracts.put_terms
    put = put_values(ratio, terms, exercise_boundary(terms), derivatives=True)
    # A call is S·p(K/S), a put K·p(S/K).
    call = contracts.is_call
    delta = np.where(call, put.value - ratio * put.slope, put.slope)
    gamma = put.curvature / unit
    return unit * put.value, delta, np.where(call, ratio * ratio * gamma, gamma)


def _vega_and_rho(contracts: Contracts) -> tuple[Floats, Floats]:
    volatility = contracts.volatility
    step = np.minimum(np.maximum(_VOLATILITY_STEP * volatility, _SMALLEST_STEP), 0.5 * volatility)
    bumped = [
        contracts._replace(volatility=volatility + step),
        contracts._replace(volatility=volatility - step),
        contracts._replace(rate=contracts.rate + _RATE_STEP),
        contracts._replace(rate=contracts.rate - _RATE_STEP),
    ]
    together = Contracts._make(np.concatenate(columns) for columns in zip(*bumped, strict=True))
    up, down, higher, lower = np.split(_prices(together), 4)
    vega = np.maximum(up - down, 0.0) / (2.0 * step) / 100.0
    return vega, (higher - lower) / (2.0 * _RATE_STEP) / 100.0


def _lattice(contracts: Contracts) -> FiniteDifferences:
    nothing = np.zeros((contracts.spot.size, 0))
    return lattice_values(*contracts, nothing, nothing)
