"""One entry to the models: price, Greeks, implied volatility and scenario grids of option legs.

European legs are priced by Black-Scholes-Merton (Black-76 with ``dividend_yield=rate``), American
ones by their exercise boundary, and legs with cash dividends by the escrowed model. Units are
those of :mod:`greeks.maths.black_scholes`; every value is for one long contract per unit of the
underlying. The largest errors are ``american.PRICE_ERROR`` and ``discrete_dividends.PRICE_ERROR``.

Theta alone is not the models' derivative: per day that grows beyond all bounds as expiry comes
near. It is what the next calendar day, or the rest of a shorter life, can take or bring.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from greeks.maths import american, american_contracts, black_scholes, discrete_dividends
from greeks.maths.american_grid import Axes, american_grid, lattice_grid
from greeks.maths.black_scholes import DAYS_A_YEAR, Floats, GreekArrays
from greeks.maths.european_grid import european_grid
from greeks.maths.implied_volatility import implied_volatility
from greeks.maths.lattice_slice import Contracts
from greeks.maths.legs import Booleans, CashDividends, Legs, Rows

__all__ = ["CashDividends", "Legs", "greeks", "implied_volatilities", "value", "value_grid"]


def value(legs: Legs) -> Floats:
    """Price of each leg."""
    groups = _groups(legs)
    result = np.empty(len(legs))
    if groups.european.size:
        result[groups.european] = black_scholes.price(*_arguments(legs, groups.european))
    if groups.american.size:
        result[groups.american] = american.price(*_arguments(legs, groups.american))
    if groups.paying.size:
        result[groups.paying] = discrete_dividends.price(*_paying(legs, groups.paying))
    return result


def greeks(legs: Legs) -> GreekArrays:
    """Price and Greeks of each leg; theta within what a day can do (see the module)."""
    groups = _groups(legs)
    result = GreekArrays(*np.empty((len(GreekArrays._fields), len(legs))))
    found: list[tuple[Rows, GreekArrays]] = []
    if groups.european.size:
        european = black_scholes.all_greeks(*_arguments(legs, groups.european))
        found.append((groups.european, european))
    if groups.american.size:
        found.append((groups.american, american.all_greeks(*_arguments(legs, groups.american))))
    if groups.paying.size:
        found.append((groups.paying, discrete_dividends.all_greeks(*_paying(legs, groups.paying))))
    for rows, values in found:
        for column, numbers in zip(result, values, strict=True):
            column[rows] = numbers
    return result._replace(theta=_of_a_day(legs, result))


def _of_a_day(legs: Legs, greeks: GreekArrays) -> Floats:
    """Return theta, no loss beyond the least value a day later with the spot where it is.

    That is the value at zero volatility, of an American option at least the intrinsic value. A
    gain is carry, in proportion to the time.
    """
    life = np.maximum(legs.years, 0.0)
    passed = np.minimum(life, 1.0 / DAYS_A_YEAR)
    left = life - passed
    sign, rest = np.where(legs.is_call, 1.0, -1.0), legs.spot
    with np.errstate(all="ignore"):
        if legs.dividends is not None:
            rest = rest - discrete_dividends.present_value(
                legs.rate, legs.dividend_yield, life, *legs.dividends
            )
        stock = rest * np.exp(-legs.dividend_yield * left)
        least = np.maximum(sign * (stock - legs.strike * np.exp(-legs.rate * left)), 0.0)
        intrinsic = sign * (legs.spot - legs.strike)
        least = np.where(legs.is_american, np.maximum(least, intrinsic), least)
        most_lost = np.minimum(least - greeks.price, 0.0)
        gained = greeks.theta * (passed * DAYS_A_YEAR)
        result: Floats = np.where(greeks.theta > 0.0, gained, np.maximum(greeks.theta, most_lost))
    return result


def implied_volatilities(prices: ArrayLike, legs: Legs) -> Floats:
    """Return the volatility at which each leg is worth its price; NaN if the price determines none.

    ``legs.volatility`` is not read.
    """
    wanted = np.broadcast_to(np.asarray(prices, dtype=np.float64), legs.spot.shape)
    groups = _groups(legs)
    result = np.empty(len(legs))
    for rows, model in (
        (groups.european, implied_volatility),
        (groups.american, american.implied_volatility),
    ):
        if rows.size:
            spot, strike, years, rate, dividend_yield, _, is_call = _arguments(legs, rows)
            result[rows] = model(wanted[rows], spot, strike, years, rate, dividend_yield, is_call)
    if groups.paying.size:
        rows = groups.paying
        spot, strike, years, rate, dividend_yield, _, *rest = _paying(legs, rows)
        result[rows] = discrete_dividends.implied_volatility(
            wanted[rows], spot, strike, years, rate, dividend_yield, *rest
        )
    return result


def value_grid(
    legs: Legs,
    spot_factors: ArrayLike,
    volatility_shifts: ArrayLike,
    years_forward: ArrayLike,
) -> Floats:
    """Value of every leg in every scenario, fully revalued: (days, volatilities, spots, legs).

    ``spot_factors`` multiply the spot: (S,), or (S, legs) if legs move differently.
    ``volatility_shifts`` are added to the volatility as fractions, floored at 0: (V,) or (V,
    legs). ``years_forward`` (D,) shorten the time to expiry, floored at 0.
    """
    # Lognormal prices are never negative. The log of two negative ones' quotient would hide it.
    possible = np.where((legs.spot >= 0.0) & (legs.strike >= 0.0), legs.spot, np.nan)
    spots = possible * _by_leg(spot_factors)
    volatilities = np.maximum(legs.volatility + _by_leg(volatility_shifts), 0.0)
    forward = np.atleast_1d(np.asarray(years_forward, dtype=np.float64))
    result = np.empty((forward.size, len(volatilities), len(spots), len(legs)))
    groups = _groups(legs)
    paying_american = groups.paying[legs.is_american[groups.paying]]
    european = np.setdiff1d(
        np.arange(len(legs)), np.concatenate([groups.american, paying_american])
    )
    with np.errstate(all="ignore"):
        if european.size == len(legs):
            return european_grid(legs, spots, volatilities, forward, result)
        if european.size:
            part = np.empty((*result.shape[:3], european.size))
            result[..., european] = european_grid(
                legs.take(european), spots[:, european], volatilities[:, european], forward, part
            )
        if groups.american.size:
            rows = groups.american
            contracts = american_contracts.Contracts(*_arguments(legs, rows))
            axes = Axes(spots[:, rows], volatilities[:, rows], forward)
            result[..., rows] = american_grid(contracts, axes)
        if paying_american.size:
            rows = paying_american
            axes = Axes(spots[:, rows], volatilities[:, rows], forward)
            times, amounts = _dividends(legs, rows)
            lattice = Contracts(*_arguments(legs, rows), times, amounts)
            result[..., rows] = lattice_grid(lattice, axes)
    return result


class _Groups(NamedTuple):
    """Rows by model; ``paying`` have cash dividends before expiry, of either style."""

    european: Rows
    american: Rows
    paying: Rows


def _groups(legs: Legs) -> _Groups:
    paying = np.zeros(len(legs), dtype=bool)
    if legs.dividends is not None:
        times, amounts = legs.dividends
        counted = (times > 0.0) & (times <= legs.years[:, None]) & (amounts != 0.0)
        paying = counted.any(axis=1)
    return _Groups(
        np.flatnonzero(~legs.is_american & ~paying),
        np.flatnonzero(legs.is_american & ~paying),
        np.flatnonzero(paying),
    )


def _by_leg(axis: ArrayLike) -> Floats:
    values = np.atleast_1d(np.asarray(axis, dtype=np.float64))
    return values[:, None] if values.ndim == 1 else values


def _arguments(
    legs: Legs, rows: Rows
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Booleans]:
    every = rows.size == len(legs)
    spot, strike, years, rate, dividend_yield, volatility = (
        column if every else column[rows]
        for column in (
            legs.spot, legs.strike, legs.years, legs.rate, legs.dividend_yield, legs.volatility
        )
    )  # fmt: skip
    is_call = legs.is_call if every else legs.is_call[rows]
    return spot, strike, years, rate, dividend_yield, volatility, is_call


def _dividends(legs: Legs, rows: Rows) -> tuple[Floats, Floats]:
    if legs.dividends is None:
        nothing = np.zeros((rows.size, 0))
        return nothing, nothing
    return legs.dividends.times[rows], legs.dividends.amounts[rows]


def _paying(
    legs: Legs, rows: Rows
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Booleans, Booleans, Floats, Floats]:
    return (*_arguments(legs, rows), legs.is_american[rows], *_dividends(legs, rows))
