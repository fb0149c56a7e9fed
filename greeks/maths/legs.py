"""Option legs as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greeks.maths.black_scholes import Floats

Booleans = NDArray[np.bool_]
Rows = NDArray[np.intp]


class CashDividends(NamedTuple):
    """Cash dividends of each leg: (legs, dividends), years until the ex-date and amounts.

    Shorter rows are padded with amounts of 0. Dividends going ex before now or after the leg's
    expiry are ignored.
    """

    times: Floats
    amounts: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Legs:
    """Option legs as arrays of one length; ``Legs.of`` builds them from anything that broadcasts.

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
        """Broadcast the arguments. Raises ``ValueError`` if their shapes do not fit together."""
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

    def take(self, rows: Rows) -> Legs:
        dividends = self.dividends
        if dividends is not None:
            dividends = CashDividends(dividends.times[rows], dividends.amounts[rows])
        return Legs(
            self.spot[rows], self.strike[rows], self.years[rows], self.rate[rows],
            self.dividend_yield[rows], self.volatility[rows], self.is_call[rows],
            self.is_american[rows], dividends,
        )  # fmt: skip

    def with_volatility(self, volatility: Floats) -> Legs:
        """Return the same legs at other volatilities (legs,)."""
        return replace(self, volatility=volatility)

    def __len__(self) -> int:
        return self.spot.size
