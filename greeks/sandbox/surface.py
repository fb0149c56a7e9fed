"""Spots and implied volatilities of the simulated market as functions of seed and time.

Spot is the underlying's level times the exponential of its share of the common noise. The smile
is fixed in standard deviations of moneyness (it moves with the spot), its level rises when the
spot falls, and the VIX is the fair volatility of a 30-day variance swap on SPY's own smile.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from greeks.chains import Floats
from greeks.sandbox.noise import SECONDS_A_YEAR, factor_paths
from greeks.sandbox.underlyings import INDEX_BY_SYMBOL, OWN_FACTOR, UNDERLYINGS, VOLATILITY_FACTOR

Indices = NDArray[np.int64]

# Annual speed at which at-the-money variance returns to its long-run level.
REVERSION = 3.0
VIX_REVERSION = 4.0
VIX_LONG_RUN = 18.5
_VIX_YEARS = 30.0 / 365.0
_SMALLEST_YEARS = 1e-6
_SMILE_WIDTH = 6.0
_LOWEST_SMILE = 0.35


class State(NamedTuple):
    """Per underlying and time, shape (underlyings, times)."""

    spot: Floats
    short_volatility: Floats
    long_volatility: Floats


def _column(values: list[float]) -> Floats:
    return np.array(values, dtype=np.float64)


_LEVEL = _column([u.level for u in UNDERLYINGS])
_VOLATILITY = _column([u.volatility for u in UNDERLYINGS])
_LONG_VOLATILITY = _column([u.long_volatility for u in UNDERLYINGS])
_LEVERAGE = _column([u.leverage for u in UNDERLYINGS])
_VOLATILITY_OF_VOLATILITY = _column([u.volatility_of_volatility for u in UNDERLYINGS])
SKEW = _column([u.skew for u in UNDERLYINGS])
CONVEXITY = _column([u.convexity for u in UNDERLYINGS])
RATE = _column([u.rate for u in UNDERLYINGS])
DIVIDEND_YIELD = _column([u.dividend_yield for u in UNDERLYINGS])
_SPY, _VIX = INDEX_BY_SYMBOL["SPY"], INDEX_BY_SYMBOL["VIX"]


def _loadings() -> tuple[Indices, Floats]:
    """Factors used, and the matrix (underlyings, factors) with rows of unit length."""
    common = sorted({factor for u in UNDERLYINGS for factor in u.loadings})
    own = [OWN_FACTOR + index for index in range(len(UNDERLYINGS))]
    factors = common + own
    matrix = np.zeros((len(UNDERLYINGS), len(factors)))
    for row, underlying in enumerate(UNDERLYINGS):
        for factor, weight in underlying.loadings.items():
            matrix[row, factors.index(factor)] = weight
        matrix[row, len(common) + row] = underlying.own_weight
        length = np.sqrt((matrix[row] ** 2).sum())
        matrix[row] /= length if length else 1.0
    return np.array(factors, dtype=np.int64), matrix


_FACTORS, _LOADINGS = _loadings()


def smile(moneyness: Floats, skew: Floats, convexity: Floats) -> Floats:
    """Return the implied volatility over at-the-money, for moneyness in standard deviations."""
    bent = _SMILE_WIDTH * np.tanh(moneyness / _SMILE_WIDTH)
    ratio = 1.0 + skew * bent + convexity * (np.sqrt(1.0 + bent * bent) - 1.0)
    result: Floats = np.maximum(ratio, _LOWEST_SMILE)
    return result


def at_the_money(short: Floats, long: Floats, years: Floats) -> Floats:
    """Return the volatility of the term to expiry when variance reverts from short to long."""
    term = np.maximum(REVERSION * years, _SMALLEST_YEARS)
    share = -np.expm1(-term) / term
    result: Floats = np.sqrt(long * long + (short * short - long * long) * share)
    return result


def forward_yield(index: Indices, spot: Floats, years: Floats) -> Floats:
    """Return the yield that turns spot into the forward: the VIX's forwards revert to its mean."""
    is_vix = index == _VIX
    if not is_vix.any():
        return np.broadcast_to(DIVIDEND_YIELD[index], np.broadcast_shapes(index.shape, spot.shape))
    term = np.maximum(years, _SMALLEST_YEARS)
    forward = VIX_LONG_RUN + (spot - VIX_LONG_RUN) * np.exp(-VIX_REVERSION * term)
    with np.errstate(all="ignore"):
        vix_yield = RATE[index] - np.log(forward / spot) / term
    return np.where(is_vix, vix_yield, DIVIDEND_YIELD[index])


def implied_volatilities(
    index: Indices,
    spot: Floats,
    short: Floats,
    long: Floats,
    strike: Floats,
    years: Floats,
    dividend_yield: Floats,
) -> Floats:
    """Return the implied volatility of each contract; all arguments broadcast."""
    level = at_the_money(short, long, years)
    deviation = level * np.sqrt(np.maximum(years, _SMALLEST_YEARS))
    forward = spot * np.exp((RATE[index] - dividend_yield) * years)
    return level * smile(np.log(strike / forward) / deviation, SKEW[index], CONVEXITY[index])


class Surface:
    """The whole market's state at any times, from one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def logarithms(self, index: int, seconds: Floats) -> Floats:
        """ln(spot/level) of one underlying; for the VIX that of its index."""
        paths = factor_paths(self._seed, _FACTORS, seconds)
        result: Floats = _VOLATILITY[index] * (_LOADINGS[index] @ paths)
        return result

    def state(self, seconds: Floats) -> State:
        """Return the state of every underlying at the times (the same times for all)."""
        count = len(UNDERLYINGS)
        volatility_factors = VOLATILITY_FACTOR + np.arange(count)
        paths = factor_paths(
            self._seed, np.concatenate([_FACTORS, volatility_factors]), np.atleast_1d(seconds)
        )
        moves = _VOLATILITY[:, None] * (_LOADINGS @ paths[: _FACTORS.size])
        spot = _LEVEL[:, None] * np.exp(moves)
        strain = (
            _VOLATILITY_OF_VOLATILITY[:, None] * paths[_FACTORS.size :] - _LEVERAGE[:, None] * moves
        )
        # Volatility rises more than it falls: falls count half.
        stress = np.exp(np.where(strain < 0.0, 0.5 * strain, strain))
        short = _VOLATILITY[:, None] * stress
        # Far expiries feel a third of the stress (in logarithms) that near ones feel.
        long = _LONG_VOLATILITY[:, None] * np.cbrt(stress)
        spot[_VIX] = 100.0 * variance_swap_volatility(short[_SPY], long[_SPY])
        return State(spot, short, long)


def variance_swap_volatility(short: Floats, long: Floats) -> Floats:
    """Return the fair volatility of 30 days of SPY: ∫ σ²(d2) φ(d2) dd2 over its smile.

    Source: Gatheral, *The Volatility Surface*, chapter 11 (Chriss and Morokoff's formula).
    """
    level = at_the_money(short, long, np.asarray(_VIX_YEARS))
    moneyness = np.linspace(-8.0, 8.0, 65)[:, None]
    ratio = smile(moneyness, SKEW[_SPY], CONVEXITY[_SPY])
    d2 = -moneyness / ratio - 0.5 * ratio * level * np.sqrt(_VIX_YEARS)
    density = np.exp(-0.5 * d2 * d2) / np.sqrt(2.0 * np.pi)
    integrand = ratio * ratio * density
    width = np.abs(np.diff(d2, axis=0))
    mean_square = (0.5 * (integrand[1:] + integrand[:-1]) * width).sum(axis=0)
    result: Floats = level * np.sqrt(mean_square)
    return result


def years_between(seconds: Floats, expiry_seconds: Floats) -> Floats:
    """Return ACT/365 years, never negative."""
    result: Floats = np.maximum(expiry_seconds - seconds, 0.0) / SECONDS_A_YEAR
    return result
