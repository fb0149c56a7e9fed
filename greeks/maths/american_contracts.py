"""American contracts as puts, grouped by pricing method."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greeks.maths.black_scholes import DAYS_A_YEAR, Floats, GreekArrays
from greeks.maths.boundaries.guess import PutTerms

Booleans = NDArray[np.bool_]

# A premium is never more than the interest on the strike.
_NEGLIGIBLE_INTEREST = 1e-10
# Below this total deviation the path counts as known.
_NO_DEVIATION = 1e-6
# ln(spot ÷ strike) beyond which an option is worthless or exercised.
_FARTHEST = 100.0


class Contracts(NamedTuple):
    """Flat arrays of equal length, and the equivalent puts."""

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
            _nothing(np.where(self.is_call, yield_time, rate_time)),
            np.where(self.is_call, rate_time, yield_time),
            self.volatility * np.sqrt(self.years),
        )


class Groups(NamedTuple):
    """Rows with one exercise boundary, with two, and with a known path; all others are European."""

    by_boundary: NDArray[np.intp]
    by_two: NDArray[np.intp]
    by_path: NDArray[np.intp]


def contracts_of(*arguments: ArrayLike) -> tuple[Contracts, tuple[int, ...]]:
    """Return the seven arguments of a price as flat arrays, and their broadcast shape."""
    arrays = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in arguments[:6]),
        np.asarray(arguments[6], dtype=bool),
    )
    columns = [np.ravel(column) for column in arrays]
    columns[2] = np.maximum(columns[2], 0.0)
    return Contracts._make(columns), arrays[0].shape


def groups_of(contracts: Contracts) -> Groups:
    rate_time, yield_time, deviation = contracts.put_terms
    possible = (
        np.isfinite(rate_time + yield_time + deviation)
        & (contracts.spot > 0.0)
        & (contracts.strike > 0.0)
        & np.isfinite(contracts.spot + contracts.strike)
        & (contracts.years > 0.0)
        & (contracts.volatility >= 0.0)
        & (np.abs(np.log(contracts.spot / contracts.strike)) < _FARTHEST)
    )
    early = possible & (
        (rate_time > 0.0) | (yield_time < np.minimum(rate_time, 0.0) - _NEGLIGIBLE_INTEREST)
    )
    known_path = early & (deviation < _NO_DEVIATION)
    two = early & ~known_path & (rate_time < 0.0)
    return Groups(
        by_boundary=np.flatnonzero(early & ~known_path & ~two),
        by_two=np.flatnonzero(two),
        by_path=np.flatnonzero(known_path),
    )


def _nothing(rate_time: Floats) -> Floats:
    """Return 0 for a rate that could not pay for early exercise."""
    return np.where(np.abs(rate_time) < _NEGLIGIBLE_INTEREST, 0.0, rate_time)


def known_path(contracts: Contracts) -> GreekArrays:
    """Return values at zero volatility: the best time to exercise is known today."""
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
    # Only an option kept to its end loses value as a day passes.
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
