"""American options with a continuous dividend yield, for whole books and chains at once.

Arguments, units and broadcasting are those of :mod:`greeks.maths.black_scholes`. Calls are priced
as puts by McDonald and Schroder's symmetry, ``C(S, K, r, q) = P(K, S, q, r)``; the put is its
European value and the premium of :mod:`greeks.maths.early_exercise`. What can never be worth
exercising early (calls without a yield, puts at a rate of zero, unless the other one is negative)
is European. Where both rate and yield are negative and a second boundary appears, finite
differences take over.

Price, delta and gamma come from the boundary, theta from the equation that they satisfy, vega and
rho from central differences of ±0.1 % of the volatility and ±1 basis point. An option that is
exercised at once is worth its intrinsic value: delta ±1, the other Greeks 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greeks.maths import black_scholes
from greeks.maths.black_scholes import DAYS_A_YEAR, Floats, GreekArrays
from greeks.maths.early_exercise import PutTerms, exercise_boundary, put_values
from greeks.maths.finite_differences import FiniteDifferences, lattice_values
from greeks.maths.implied_volatility import implied_volatility as european_volatility
from greeks.maths.volatility_search import search_volatility

#: Largest error of a price as a share of the greater of spot and strike, for volatilities from
#: 1 % to 300 %, rates and yields from -5 % to 20 % and up to five years (1e-4 for a strike of 100).
PRICE_ERROR = 1e-6

Booleans = NDArray[np.bool_]

# A premium is never more than the interest on the strike.
_NEGLIGIBLE_INTEREST = 1e-10
# Below this total deviation the path is as good as known.
_NO_DEVIATION = 1e-6
# Drift ÷ deviation above which the premium has steps that its quadrature cannot see.
_STEEP = 6.0
_VOLATILITY_STEP, _SMALLEST_STEP = 1e-3, 1e-4
_RATE_STEP = 1e-4
_ROUNDING = 1e-14


class Contracts(NamedTuple):
    """Flat arrays of equal length, and the puts by which calls and puts are priced."""

    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    dividend_yield: Floats
    volatility: Floats
    is_call: Booleans

    def take(self, rows: NDArray[np.intp]) -> Contracts:
        return Contracts._make(column[rows] for column in self)

    @property
    def put_spot(self) -> Floats:
        """Spot ÷ strike of the equivalent puts."""
        ratio: Floats = np.where(self.is_call, self.strike / self.spot, self.spot / self.strike)
        return ratio

    @property
    def put_strike(self) -> Floats:
        return np.where(self.is_call, self.spot, self.strike)

    @property
    def put_terms(self) -> PutTerms:
        rate_time, yield_time = self.rate * self.years, self.dividend_yield * self.years
        return PutTerms(
            np.where(self.is_call, yield_time, rate_time),
            np.where(self.is_call, rate_time, yield_time),
            self.volatility * np.sqrt(self.years),
        )


class _Groups(NamedTuple):
    """Rows by how they are priced; all others are European."""

    by_boundary: NDArray[np.intp]
    by_lattice: NDArray[np.intp]
    by_path: NDArray[np.intp]


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
    contracts, shape = _contracts(spot, strike, years, rate, dividend_yield, volatility, is_call)
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
    """Price and the five Greeks (how: see the module)."""
    contracts, shape = _contracts(spot, strike, years, rate, dividend_yield, volatility, is_call)
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
    """Annual volatility at which :func:`price` gives ``price``.

    NaN where the price determines none: at or below the intrinsic value or what the option is
    worth without volatility, at or above its upper bound, at expiry, where the input is
    impossible, and where the rounding of the price hides 1e-8. The search starts from the European
    volatility, which is an upper bound, because the right to exercise early has a worth.
    """
    prices, *arguments = np.broadcast_arrays(
        np.asarray(price, dtype=np.float64), spot, strike, years, rate, dividend_yield, 0.0, is_call
    )
    contracts, shape = _contracts(*arguments)
    wanted = np.ravel(prices)
    with np.errstate(all="ignore"):
        unit = np.maximum(contracts.spot, contracts.strike)
        least = _prices(contracts._replace(volatility=np.zeros_like(wanted)))
        # Less above it than this is rounding.
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
    # Finite differences are smooth, but not exact: what they say of so little is their error.
    with np.errstate(all="ignore"):
        lattice = _groups(contracts._replace(volatility=found)).by_lattice
    found[lattice[wanted[lattice] <= (least + PRICE_ERROR * unit)[lattice]]] = np.nan
    return found.reshape(shape)


def _contracts(*arguments: ArrayLike) -> tuple[Contracts, tuple[int, ...]]:
    arrays = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in arguments[:6]),
        np.asarray(arguments[6], dtype=bool),
    )
    columns = [np.ravel(column) for column in arrays]
    columns[2] = np.maximum(columns[2], 0.0)
    return Contracts._make(columns), arrays[0].shape


def priced_by_boundary(contracts: Contracts) -> NDArray[np.intp]:
    """Rows that may be worth exercising early and whose boundary is single and known to work."""
    with np.errstate(all="ignore"):
        return _groups(contracts).by_boundary


def _groups(contracts: Contracts) -> _Groups:
    rate_time, yield_time, deviation = contracts.put_terms
    possible = (
        np.isfinite(rate_time + yield_time + deviation)
        & (contracts.spot > 0.0)
        & (contracts.strike > 0.0)
        & np.isfinite(contracts.spot + contracts.strike)
        & (contracts.years > 0.0)
        & (contracts.volatility >= 0.0)
    )
    early = possible & (
        (rate_time > _NEGLIGIBLE_INTEREST) | (yield_time < np.minimum(rate_time, 0.0))
    )
    known_path = early & (deviation < _NO_DEVIATION)
    fall = yield_time - rate_time
    reached = np.log(contracts.put_spot * yield_time / rate_time) < fall + _STEEP * deviation
    steep = (fall > _STEEP * deviation) & reached
    lattice = early & ~known_path & ((rate_time < 0.0) | steep)
    return _Groups(
        by_boundary=np.flatnonzero(early & ~known_path & ~lattice),
        by_lattice=np.flatnonzero(lattice),
        by_path=np.flatnonzero(known_path),
    )


def _prices(contracts: Contracts) -> Floats:
    result = black_scholes.price(*contracts)
    groups = _groups(contracts)
    if groups.by_boundary.size:
        rows = contracts.take(groups.by_boundary)
        terms = rows.put_terms
        values = put_values(rows.put_spot, terms, exercise_boundary(terms))
        result[groups.by_boundary] = rows.put_strike * values.value
    if groups.by_lattice.size:
        result[groups.by_lattice] = _lattice(contracts.take(groups.by_lattice)).value
    if groups.by_path.size:
        result[groups.by_path] = _known_path(contracts.take(groups.by_path)).price
    sign = np.where(contracts.is_call, 1.0, -1.0)
    return np.maximum(result, sign * (contracts.spot - contracts.strike))


def _greeks(contracts: Contracts) -> GreekArrays:
    result = GreekArrays(*(np.array(v) for v in black_scholes.all_greeks(*contracts)))
    groups = _groups(contracts)
    if groups.by_path.size:
        for column, values in zip(result, _known_path(contracts.take(groups.by_path)), strict=True):
            column[groups.by_path] = values
    early = np.concatenate([groups.by_boundary, groups.by_lattice])
    if not early.size:
        return result
    rows = contracts.take(groups.by_boundary)
    value, delta, gamma = _from_boundary(rows)
    if groups.by_lattice.size:
        found = _lattice(contracts.take(groups.by_lattice))
        value = np.concatenate([value, found.value])
        delta = np.concatenate([delta, found.delta])
        gamma = np.concatenate([gamma, found.gamma])
    rows = contracts.take(early)
    intrinsic = np.where(rows.is_call, 1.0, -1.0) * (rows.spot - rows.strike)
    alive = value > intrinsic
    carry = (rows.rate - rows.dividend_yield) * rows.spot * delta
    diffusion = 0.5 * np.square(rows.volatility * rows.spot) * gamma
    # More time is never worth less to who may exercise at any time.
    theta = np.minimum(rows.rate * value - carry - diffusion, 0.0) / DAYS_A_YEAR
    vega, rho = _vega_and_rho(rows)
    result.price[early] = np.maximum(value, intrinsic)
    result.delta[early] = delta
    result.gamma[early] = gamma
    for column, values in ((result.theta, theta), (result.vega, vega), (result.rho, rho)):
        column[early] = np.where(alive, values, 0.0)
    return result


def _from_boundary(contracts: Contracts) -> tuple[Floats, Floats, Floats]:
    """Price, delta and gamma."""
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


def _known_path(contracts: Contracts) -> GreekArrays:
    """Without volatility: the best of all instants for exercising is known today."""
    spot, strike, years, rate, dividend_yield, _, is_call = contracts
    sign = np.where(is_call, 1.0, -1.0)

    def worth(at: Floats) -> Floats:
        result: Floats = sign * (spot * np.exp(-dividend_yield * at) - strike * np.exp(-rate * at))
        return result

    turn = np.log(rate * strike / (dividend_yield * spot)) / (rate - dividend_yield)
    turn = np.where((turn > 0.0) & (turn < years), turn, 0.0)
    best = np.zeros_like(years)
    for at in (turn, years):
        best = np.where(worth(at) > worth(best), at, best)
    value = np.maximum(worth(best), 0.0)
    alive = value > 0.0
    stock, bond = np.exp(-dividend_yield * best), strike * np.exp(-rate * best)
    # Only an option that is kept to its end loses by a day less.
    decay = np.where(best == years, sign * (dividend_yield * spot * stock - rate * bond), 0.0)
    zero = np.zeros_like(value)
    return GreekArrays(
        price=value,
        delta=np.where(alive, sign * stock, 0.0),
        gamma=zero,
        theta=np.where(alive, decay / DAYS_A_YEAR, 0.0),
        vega=zero,
        rho=np.where(alive, sign * best * bond / 100.0, 0.0),
    )
