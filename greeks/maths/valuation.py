"""One door to the models: price, Greeks, implied volatility and scenario grids of option legs.

European legs are priced by Black-Scholes-Merton (Black-76 with ``dividend_yield=rate``). Units are
those of :mod:`greeks.maths.black_scholes`; every value is of one long contract per unit of the
underlying.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from greeks.maths import black_scholes
from greeks.maths.black_scholes import Floats, GreekArrays
from greeks.maths.implied_volatility import implied_volatility

Booleans = NDArray[np.bool_]

# Stands for "no deviation left": log-moneyness divided by it is ±inf, and 0 at the money.
_NO_DEVIATION = 1e-300


class CashDividends(NamedTuple):
    """Cash dividends of each leg: (legs, dividends), years until the ex-date and amounts.

    Rows of different lengths are filled up with amounts of 0. What goes ex before now or after the
    leg's expiry counts for nothing.
    """

    times: Floats
    amounts: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Legs:
    """Option legs as equally long arrays; ``Legs.of`` builds them from anything that broadcasts.

    Rates, yields and volatilities are annual fractions, ``years`` ACT/365.
    """

    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    dividend_yield: Floats
    volatility: Floats
    is_call: Booleans
    is_american: Booleans
    dividends: CashDividends | None = None

    @classmethod
    def of(
        cls,
        *,
        spot: ArrayLike,
        strike: ArrayLike,
        years: ArrayLike,
        rate: ArrayLike,
        dividend_yield: ArrayLike,
        volatility: ArrayLike,
        is_call: ArrayLike,
        is_american: ArrayLike = False,
        dividends: CashDividends | None = None,
    ) -> Legs:
        """Raises ``ValueError`` when shapes do not fit together."""
        numbers = np.broadcast_arrays(
            *(
                np.atleast_1d(np.asarray(value, dtype=np.float64))
                for value in (spot, strike, years, rate, dividend_yield, volatility)
            ),
            np.asarray(is_call, dtype=bool),
            np.asarray(is_american, dtype=bool),
        )
        if numbers[0].ndim != 1:
            raise ValueError(f"legs are one-dimensional, not of shape {numbers[0].shape}")
        if dividends is not None:
            expected = (numbers[0].size, dividends.times.shape[-1])
            if dividends.times.shape != expected or dividends.amounts.shape != expected:
                raise ValueError(f"dividends have to be of shape {expected}")
        return cls(
            spot=numbers[0],
            strike=numbers[1],
            years=numbers[2],
            rate=numbers[3],
            dividend_yield=numbers[4],
            volatility=numbers[5],
            is_call=numbers[6].astype(bool),
            is_american=numbers[7].astype(bool),
            dividends=dividends,
        )

    def __len__(self) -> int:
        return self.spot.size


def value(legs: Legs) -> Floats:
    """Price of each leg."""
    return black_scholes.price(*_arguments(legs))


def greeks(legs: Legs) -> GreekArrays:
    """Price and Greeks of each leg."""
    return black_scholes.all_greeks(*_arguments(legs))


def implied_volatilities(prices: ArrayLike, legs: Legs) -> Floats:
    """Volatility at which each leg is worth its price; NaN where the price determines none.

    ``legs.volatility`` is not read.
    """
    spot, strike, years, rate, dividend_yield, _, is_call = _arguments(legs)
    return implied_volatility(prices, spot, strike, years, rate, dividend_yield, is_call)


def value_grid(
    legs: Legs,
    spot_factors: ArrayLike,
    volatility_shifts: ArrayLike,
    years_forward: ArrayLike,
) -> Floats:
    """Value of every leg in every scenario, fully revalued: (days, volatilities, spots, legs).

    ``spot_factors`` multiply the spot: (S,), or (S, legs) where legs move differently.
    ``volatility_shifts`` are added to the volatility as fractions, which ends at 0: (V,) or
    (V, legs). ``years_forward`` (D,) shorten the time to expiry, which ends at 0.
    """
    factors, shifts = _by_leg(spot_factors), _by_leg(volatility_shifts)
    forward = np.atleast_1d(np.asarray(years_forward, dtype=np.float64))
    shape = (forward.size, shifts.shape[0], factors.shape[0], len(legs))
    return _european_grid(legs, factors, shifts, forward, np.empty(shape))


def _by_leg(axis: ArrayLike) -> Floats:
    values = np.atleast_1d(np.asarray(axis, dtype=np.float64))
    return values[:, None] if values.ndim == 1 else values


def _arguments(
    legs: Legs,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Booleans]:
    return (
        legs.spot, legs.strike, legs.years, legs.rate, legs.dividend_yield, legs.volatility,
        legs.is_call,
    )  # fmt: skip


def _european_grid(
    legs: Legs, factors: Floats, shifts: Floats, forward: Floats, result: Floats
) -> Floats:
    """Logarithms, roots and exponentials once per axis; per cell two normals and their products.

    The sign of calls and puts is carried by the axes, so that the cells need none.
    """
    sign = np.where(legs.is_call, 1.0, -1.0)
    with np.errstate(all="ignore"):
        spots = legs.spot * factors
        moneyness = np.log(spots / legs.strike)
        volatilities = np.maximum(legs.volatility + shifts, 0.0)
        for day, passed in enumerate(forward):
            years = np.maximum(legs.years - passed, 0.0)
            stock = sign * spots * np.exp(-legs.dividend_yield * years)
            bond = sign * legs.strike * np.exp(-legs.rate * years)
            distance = sign * (moneyness + (legs.rate - legs.dividend_yield) * years)
            deviation = np.maximum(volatilities * np.sqrt(years), _NO_DEVIATION)
            inverse, half = 1.0 / deviation, (0.5 * sign) * deviation
            for row in range(half.shape[0]):
                cells = result[day, row]
                middle = distance * inverse[row]
                np.add(middle, half[row], out=cells)
                np.subtract(middle, half[row], out=middle)
                ndtr(cells, out=cells)
                ndtr(middle, out=middle)
                np.multiply(cells, stock, out=cells)
                np.multiply(middle, bond, out=middle)
                np.subtract(cells, middle, out=cells)
                np.maximum(cells, 0.0, out=cells)
    return result
