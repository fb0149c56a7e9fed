"""Options on a spot that pays cash dividends, European and American, for whole books at once.

The model is the escrowed one (see :mod:`greeks.maths.finite_differences`): the spot without the
present value of the dividends going ex before expiry is lognormal. European prices stay in closed
form, each expiry has the forward of cash-and-carry, and only the spot jumps. The volatility is
that of the spot without dividends: a little higher than the spot's own. Between dividends
``dividend_yield`` counts as before; dividends grow at ``rate - dividend_yield``.

``dividend_times`` (contracts, dividends) are years until the ex-date, ``dividend_amounts`` in the
currency of the spot, padded with 0. Dividends going ex before now or after expiry are ignored.
Other arguments broadcast as in :mod:`greeks.maths.black_scholes`, to (contracts,).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from greeks.maths import american, black_scholes
from greeks.maths.black_scholes import DAYS_A_YEAR, Floats, GreekArrays
from greeks.maths.finite_differences import lattice_values
from greeks.maths.implied_volatility import implied_volatility as european_volatility
from greeks.maths.lattice_slice import SMALLEST_REST, Contracts
from greeks.maths.volatility_search import search_volatility

#: Largest error of an American price with dividends as a share of the greater of spot and strike,
#: up to two years, rates up to 8 % and volatilities from 12 % (5e-3 for a strike of 100).
PRICE_ERROR = 5e-5

_VOLATILITY_STEP, _RATE_STEP = 1e-2, 1e-3


class _Book(NamedTuple):
    contracts: Contracts
    american: NDArray[np.bool_]

    def take(self, rows: NDArray[np.intp]) -> _Book:
        return _Book(
            Contracts._make(column[rows] for column in self.contracts), self.american[rows]
        )


def present_value(
    rate: Floats, dividend_yield: Floats, years: Floats, times: Floats, amounts: Floats
) -> Floats:
    """Present value of the dividends going ex from now to ``years``: (contracts,)."""
    counted = (times > 0.0) & (times <= np.asarray(years)[..., None])
    carry = np.asarray(rate - dividend_yield)[..., None]
    total: Floats = np.where(counted, amounts * np.exp(-carry * times), 0.0).sum(axis=-1)
    return total


def price(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
    is_american: ArrayLike,
    dividend_times: ArrayLike,
    dividend_amounts: ArrayLike,
) -> Floats:
    """Value per unit of the underlying: (contracts,)."""
    book = _book(
        spot, strike, years, rate, dividend_yield, volatility, is_call, is_american,
        dividend_times, dividend_amounts,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        return _prices(book)


def all_greeks(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
    is_american: ArrayLike,
    dividend_times: ArrayLike,
    dividend_amounts: ArrayLike,
) -> GreekArrays:
    """Price and the five Greeks; a move of the spot leaves its dividends unchanged."""
    book = _book(
        spot, strike, years, rate, dividend_yield, volatility, is_call, is_american,
        dividend_times, dividend_amounts,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        return _greeks(book)


def implied_volatility(
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    is_call: ArrayLike,
    is_american: ArrayLike,
    dividend_times: ArrayLike,
    dividend_amounts: ArrayLike,
) -> Floats:
    """Return the volatility at which :func:`price` gives ``price``; NaN if none is determined.

    For American options with dividends, a price within ``PRICE_ERROR`` of the value at zero
    volatility determines none.
    """
    book = _book(
        spot, strike, years, rate, dividend_yield, 0.0, is_call, is_american,
        dividend_times, dividend_amounts,
    )  # fmt: skip
    contracts = book.contracts
    wanted = np.broadcast_to(np.asarray(price, dtype=np.float64), contracts.spot.shape)
    with np.errstate(all="ignore"):
        european = _european(contracts)
        start = _european_volatility(wanted, european)
        result = np.array(start)
        rows = np.flatnonzero(book.american & ~_pays(contracts))
        plain = book.take(rows).contracts
        result[rows] = american.implied_volatility(
            wanted[rows], plain.spot, plain.strike, plain.years, plain.rate,
            plain.dividend_yield, plain.is_call,
        )  # fmt: skip
        rows = np.flatnonzero(book.american & _pays(contracts))
        unit = np.maximum(contracts.spot, contracts.strike)
        least = _prices(book)
        rows = rows[(wanted > least + PRICE_ERROR * unit)[rows]]
        guess = np.where(np.isfinite(start), start, 0.5)
        slope = black_scholes.all_greeks(*european[:5], guess, contracts.is_call).vega * 100.0

        def value(chosen: NDArray[np.intp], volatility: Floats) -> Floats:
            taken = book.take(chosen)
            return _prices(
                taken._replace(contracts=taken.contracts._replace(volatility=volatility))
            )

        result[book.american & _pays(contracts)] = np.nan
        found = search_volatility(value, wanted, rows=rows, start=start, slope=slope, unit=unit)
        result[rows] = found[rows]
    return result


def _european_volatility(price: Floats, contracts: Contracts) -> Floats:
    return european_volatility(
        price, contracts.spot, contracts.strike, contracts.years, contracts.rate,
        contracts.dividend_yield, contracts.is_call,
    )  # fmt: skip


def _book(*arguments: ArrayLike) -> _Book:
    times = np.atleast_2d(np.asarray(arguments[8], dtype=np.float64))
    amounts = np.atleast_2d(np.asarray(arguments[9], dtype=np.float64))
    arrays = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in arguments[:6]),
        np.asarray(arguments[6], dtype=bool),
        np.asarray(arguments[7], dtype=bool),
        np.zeros(max(times.shape[0], amounts.shape[0])),
    )
    shape = (arrays[0].size, max(times.shape[1], amounts.shape[1]))
    columns = [np.array(column) for column in arrays]
    columns[2] = np.maximum(columns[2], 0.0)
    return _Book(
        Contracts._make(
            [*columns[:7], np.broadcast_to(times, shape), np.broadcast_to(amounts, shape)]
        ),
        columns[7].astype(bool),
    )


def _pays(contracts: Contracts) -> NDArray[np.bool_]:
    """True where a dividend goes ex during the option's life and all input is possible."""
    times, amounts = contracts.dividend_times, contracts.dividend_amounts
    counted = (times > 0.0) & (times <= contracts.years[:, None]) & (amounts > 0.0)
    numbers = (*contracts[:6], amounts.sum(axis=1), times.sum(axis=1))
    possible = np.isfinite(sum(numbers)) & (amounts >= 0.0).all(axis=1)
    possible &= (contracts.spot > 0.0) & (contracts.strike > 0.0) & (contracts.volatility >= 0.0)
    result: NDArray[np.bool_] = counted.any(axis=1) & possible
    return result


def _european(contracts: Contracts) -> Contracts:
    """Return the same contracts on the spot without its dividends."""
    escrow = present_value(
        contracts.rate, contracts.dividend_yield, contracts.years,
        contracts.dividend_times, contracts.dividend_amounts,
    )  # fmt: skip
    rest = np.maximum(contracts.spot - escrow, SMALLEST_REST * contracts.spot)
    rest = np.where((contracts.dividend_amounts >= 0.0).all(axis=1), rest, np.nan)
    return contracts._replace(spot=rest)


def _prices(book: _Book) -> Floats:
    result = np.array(black_scholes.price(*_european(book.contracts)[:7]))
    pays = _pays(book.contracts)
    rows = np.flatnonzero(book.american & ~pays & np.isfinite(result))
    result[rows] = american.price(*book.take(rows).contracts[:7])
    rows = np.flatnonzero(book.american & pays)
    result[rows] = lattice_values(*book.take(rows).contracts).value
    return result


def _greeks(book: _Book) -> GreekArrays:
    contracts = book.contracts
    european = _european(contracts)
    result = GreekArrays(*(np.array(v) for v in black_scholes.all_greeks(*european[:7])))
    escrow = contracts.spot - european.spot
    carry = contracts.rate - contracts.dividend_yield
    result.theta[:] -= result.delta * carry * escrow / DAYS_A_YEAR
    result.rho[:] += result.delta * _waiting(contracts) / 100.0
    pays = _pays(contracts)
    rows = np.flatnonzero(book.american & ~pays & np.isfinite(result.price))
    plain = american.all_greeks(*book.take(rows).contracts[:7])
    for column, values in zip(result, plain, strict=True):
        column[rows] = values
    rows = np.flatnonzero(book.american & pays)
    if rows.size:
        for column, values in zip(result, _american_greeks(book.take(rows)), strict=True):
            column[rows] = values
    return result


def _waiting(contracts: Contracts) -> Floats:
    """Return how much the dividends' present value falls per 1 of the rate."""
    return present_value(
        contracts.rate, contracts.dividend_yield, contracts.years,
        contracts.dividend_times, contracts.dividend_amounts * contracts.dividend_times,
    )  # fmt: skip


def _american_greeks(book: _Book) -> GreekArrays:
    contracts = book.contracts
    value, delta, gamma = lattice_values(*contracts)
    rest = _european(contracts).spot
    alive = value > np.where(contracts.is_call, 1.0, -1.0) * (contracts.spot - contracts.strike)
    carry = (contracts.rate - contracts.dividend_yield) * contracts.spot * delta
    diffusion = 0.5 * np.square(contracts.volatility * rest) * gamma
    theta = (contracts.rate * value - carry - diffusion) / DAYS_A_YEAR
    step = _VOLATILITY_STEP * contracts.volatility
    bumped = [
        contracts._replace(volatility=contracts.volatility + step),
        contracts._replace(volatility=contracts.volatility - step),
        contracts._replace(rate=contracts.rate + _RATE_STEP),
        contracts._replace(rate=contracts.rate - _RATE_STEP),
    ]
    together = Contracts._make(np.concatenate(columns) for columns in zip(*bumped, strict=True))
    up, down, higher, lower = np.split(lattice_values(*together).value, 4)
    vega = np.where(step > 0.0, np.maximum(up - down, 0.0) / (200.0 * step), 0.0)
    rho = (higher - lower) / (200.0 * _RATE_STEP)
    others = (np.where(alive, values, 0.0) for values in (theta, vega, rho))
    return GreekArrays(value, delta, gamma, *others)
