"""Implied volatility of European options, vectorised.

The price is put into Black's normalised form and moved out of the money by parity. Below the
price's inflection point we seek the root of ``1 / ln b``, above it the root of ``ln(b_max - b)``:
on both sides the objective is almost straight, so Halley's iteration converges in a few steps from
anywhere (after P. Jäckel, "Let's be rational", 2015). The scaled complementary error function
keeps the logarithm exact where the price itself underflows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfcx, ndtr, ndtri

from greeks.chains import Floats

MAXIMUM_ITERATIONS = 12
#: A price determines a volatility if its own rounding moves the result by less than this.
RESOLUTION = 1e-8
_ROOT_HALF = 0.7071067811865476
_INVERSE_ROOT_TWO_PI = 0.3989422804014327
_EPSILON = float(np.finfo(np.float64).eps)
# Below this a price is near the denormal numbers, which lose digits.
_SMALLEST = 1e-280
_SETTLED = 1e-6


def implied_volatility(
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Return the annual volatility (fraction) at which Black-Scholes-Merton gives ``price``.

    Arguments as in :mod:`greeks.maths.black_scholes`; they broadcast. NaN if the price does not
    determine a volatility: at or below the discounted intrinsic value, at or above the upper
    bound, at expiry, for non-finite or impossible input, and deep in the money where the float64
    price is too coarse to resolve 1e-8 of volatility.
    """
    arrays = np.broadcast_arrays(
        *(np.asarray(v, dtype=np.float64) for v in (price, spot, strike, years)),
        *(np.asarray(v, dtype=np.float64) for v in (rate, dividend_yield)),
        np.asarray(is_call, dtype=bool),
    )
    shape = arrays[0].shape
    price_, spot_, strike_, years_, rate_, yield_ = (
        np.asarray(v, dtype=np.float64).ravel() for v in arrays[:6]
    )
    sign = np.where(arrays[6].ravel(), 1.0, -1.0)
    result = np.full(price_.shape, np.nan)
    with np.errstate(all="ignore"):
        stock = spot_ * np.exp(-yield_ * years_)
        bond = strike_ * np.exp(-rate_ * years_)
        time_value = price_ - np.maximum(sign * (stock - bond), 0.0)
        scale = np.sqrt(stock * bond)
        distance = -np.abs(np.log(stock / bond))
        target = time_value / scale
        usable = (
            (years_ > 0.0)
            & (spot_ > 0.0)
            & (strike_ > 0.0)
            & np.isfinite(distance + target)
            & (target > _SMALLEST)
            & (target < np.exp(0.5 * distance))
        )
        rows = np.flatnonzero(usable)
        if rows.size:
            deviation, slope = _solve(distance[rows], target[rows])
            root_years = np.sqrt(years_[rows])
            # In the money the time value carries the rounding of the legs it is the rest of; out
            # of the money, that of the two nearly equal terms whose difference it is.
            in_the_money = sign[rows] * (stock[rows] - bond[rows]) > 0.0
            tail = ndtr(distance[rows] / deviation + 0.5 * deviation) * np.exp(0.5 * distance[rows])
            legs = np.maximum(stock[rows], bond[rows]) / scale[rows]
            rounding = 2.0 * _EPSILON * np.where(in_the_money, legs, tail)
            resolved = rounding < RESOLUTION * slope * root_years
            result[rows] = np.where(resolved, deviation / root_years, np.nan)
    return result.reshape(shape)


def _solve(distance: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Return the total deviation σ√T that solves b(deviation) = target, and the slope b' there."""
    deviation = np.empty_like(target)
    inflection = np.sqrt(-2.0 * distance)
    at_inflection = _price(distance, inflection)
    below = target < at_inflection
    rows = np.flatnonzero(below)
    if rows.size:
        deviation[rows] = _solve_below(distance[rows], target[rows], inflection[rows])
    rows = np.flatnonzero(~below)
    if rows.size:
        deviation[rows] = _solve_above(
            distance[rows], target[rows], inflection[rows], at_inflection[rows]
        )
    return deviation, _slope(distance, deviation)


def _slope(distance: Floats, deviation: Floats) -> Floats:
    ratio = distance / deviation
    slope: Floats = np.exp(-0.5 * (ratio * ratio + 0.25 * deviation * deviation))
    return _INVERSE_ROOT_TWO_PI * slope


def _price(distance: Floats, deviation: Floats) -> Floats:
    """Return the normalised price b of an out-of-the-money call; ``distance`` is ln(F/K) ≤ 0."""
    ratio = np.where(deviation > 0.0, distance / deviation, 0.0)
    half = 0.5 * deviation
    stock_leg: Floats = np.exp(0.5 * distance) * ndtr(ratio + half)
    bond_leg: Floats = np.exp(-0.5 * distance) * ndtr(ratio - half)
    return stock_leg - bond_leg


def _scaled_price(distance: Floats, deviation: Floats) -> Floats:
    """b without its factor exp(-(h² + t²)/2): finite where b underflows."""
    ratio = distance / deviation
    half = 0.5 * deviation
    scaled: Floats = erfcx(-(ratio + half) * _ROOT_HALF) - erfcx(-(ratio - half) * _ROOT_HALF)
    return 0.5 * scaled


def _solve_below(distance: Floats, target: Floats, inflection: Floats) -> Floats:
    log_target = np.log(target)
    square = distance * distance
    log_inflection = np.log(_price(distance, inflection))
    # ln b falls like -distance²/(2·deviation²): exact in the limit, matched at the inflection.
    start = 1.0 / np.sqrt(1.0 / inflection**2 + 2.0 * (log_inflection - log_target) / square)
    deviation = np.minimum(start, inflection)
    for _ in range(MAXIMUM_ITERATIONS):
        ratio: Floats = distance / deviation
        half = 0.5 * deviation
        scaled = _scaled_price(distance, deviation)
        log_price = np.log(scaled) - 0.5 * (ratio * ratio + half * half)
        log_slope = _INVERSE_ROOT_TWO_PI / scaled
        newton = log_price * (log_target - log_price) / (log_target * log_slope)
        curvature = square / deviation**3 - 0.25 * deviation - log_slope
        curvature = curvature - 2.0 * log_slope / log_price
        step = newton / np.maximum(1.0 + 0.5 * newton * curvature, 0.5)
        renewed: Floats = np.clip(deviation + step, 0.25 * deviation, inflection)
        if _settled(deviation, renewed):
            return renewed
        deviation = renewed
    return deviation


def _solve_above(
    distance: Floats, target: Floats, inflection: Floats, at_inflection: Floats
) -> Floats:
    ceiling = np.exp(0.5 * distance)
    log_missing = np.log(ceiling - target)
    tangent = inflection + (target - at_inflection) / _slope_at(inflection, distance)
    far = -2.0 * ndtri((ceiling - target) / (ceiling + 1.0 / ceiling))
    deviation = np.maximum(np.maximum(tangent, far), 1e-12)
    for _ in range(MAXIMUM_ITERATIONS):
        ratio = distance / deviation
        half = 0.5 * deviation
        missing = ceiling * ndtr(-ratio - half) + ndtr(ratio - half) / ceiling
        slope = _slope(distance, deviation)
        newton = (np.log(missing) - log_missing) * missing / slope
        curvature = ratio * ratio / deviation - 0.25 * deviation + slope / missing
        step = newton / np.maximum(1.0 + 0.5 * newton * curvature, 0.5)
        renewed = np.clip(
            deviation + step, np.maximum(inflection, 0.25 * deviation), 4.0 * deviation
        )
        if _settled(deviation, renewed):
            return renewed
        deviation = renewed
    return deviation


def _slope_at(inflection: Floats, distance: Floats) -> Floats:
    slope: Floats = np.exp(0.5 * distance)
    return _INVERSE_ROOT_TWO_PI * slope


def _settled(before: Floats, after: Floats) -> bool:
    """Return whether the next step, the cube of this one at third order, would be rounding."""
    return bool(np.all(np.abs(after - before) <= _SETTLED * after))
