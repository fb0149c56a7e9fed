"""The early exercise boundary of American puts and its premium.

Everything here is dimensionless: prices are divided by the strike, and a contract is its
``rate_time`` r·T, ``yield_time`` q·T and ``deviation`` σ·√T. Contracts are the last axis of every
array; loops run only over iterations and blocks of contracts.

Source: Andersen, Lake, Offengenden, "High-performance American option pricing" (2015). The
boundary B(τ) solves Kim's integral equation, in the form the paper calls FP-B, which converges for
every rate and yield; ln²(B/X) is a Chebyshev interpolant in √τ. Two things differ from the paper.
The integrals over u run in the angle θ with ``u = τ cos²θ``: in √(τ−u) alone, as in the paper, the
root at u = 0 limits Gauss-Legendre to errors of 1e-3. The iteration starts from the flat boundary
of Bjerksund and Stensland (1993), which has a closed form.

The boundary depends on the time left and on neither spot nor expiry: solved once, it prices every
spot, and every later day by its ``horizon``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

#: Intervals of the interpolant, quadrature points of the equation, iterations, and quadrature
#: points of the premium: these keep the price within ``american.PRICE_ERROR``.
INTERVALS = 14
_EQUATION_POINTS = 10
_ITERATIONS = 12
_PREMIUM_POINTS = 24
# Contracts whose working arrays fit the processor's second-level cache.
_BLOCK = 64
_INVERSE_ROOT_TWO_PI = 0.3989422804014327
# Stretches the first guess's time scale: fewer iterations over 3,000 random contracts.
_GUESS_STRETCH = 1.2


class PutTerms(NamedTuple):
    """r·T, q·T and σ·√T of puts, each (contracts,)."""

    rate_time: Floats
    yield_time: Floats
    deviation: Floats


class Boundary(NamedTuple):
    """ln of the boundary ÷ strike for all times to expiry between 0 and T.

    ``log_top`` (contracts,) is its limit X at expiry; ``coefficients`` (INTERVALS + 1, contracts)
    are those of the Chebyshev polynomials in 2√(τ/T) − 1 whose sum is ln²(B/X).
    """

    log_top: Floats
    coefficients: Floats

    def log_at(self, root: Floats) -> Floats:
        """ln(B ÷ strike) at ``root`` = √(τ/T), (…, contracts), by Clenshaw's recurrence."""
        argument = 2.0 * root - 1.0
        double = 2.0 * argument
        later, latest = np.zeros_like(argument), np.zeros_like(argument)
        for coefficient in self.coefficients[:0:-1]:
            later, latest = double * later - latest + coefficient, later
        square = argument * later - latest + self.coefficients[0]
        result: Floats = self.log_top - np.sqrt(np.maximum(square, 0.0))
        return result


class PutValues(NamedTuple):
    """Value of the put ÷ strike and its derivatives by spot ÷ strike."""

    value: Floats
    slope: Floats
    curvature: Floats


def exercise_boundary(terms: PutTerms) -> Boundary:
    """Return boundaries of puts with ``rate_time`` > 0, or = 0 with a negative ``yield_time``."""
    rate_time, yield_time, deviation = terms
    count = rate_time.size
    log_top = np.zeros(count)
    later = yield_time > rate_time
    log_top[later] = np.log(rate_time[later] / yield_time[later])
    coefficients = np.empty((INTERVALS + 1, count))
    for start in range(0, count, _BLOCK):
        part = slice(start, start + _BLOCK)
        distance = _solve(rate_time[part], yield_time[part], deviation[part], log_top[part])
        coefficients[:, part] = _TO_COEFFICIENTS @ (distance * distance)
    return Boundary(log_top, coefficients)


def put_values(
    spot: Floats,
    terms: PutTerms,
    boundary: Boundary,
    *,
    horizon: Floats | float = 1.0,
    derivatives: bool = False,
) -> PutValues:
    """Value puts as the European value plus the premium of exercising below the boundary.

    ``spot`` (…, contracts) is divided by the strike. ``horizon`` is the time left as a share of
    the time for which the boundary was solved; ``terms`` belong to the time left. Without
    ``derivatives`` these are empty.
    """
    rate_time, yield_time, deviation = terms
    log_spot = np.log(spot)
    drift = rate_time - yield_time
    # Axes: points, any axes of a contract's spots, contracts.
    inner = (1,) * (spot.ndim - 1)
    points = (_PREMIUM_POINTS, *inner, 1)
    log_boundary = boundary.log_at(np.sqrt(horizon) * _PREMIUM_OTHER_ROOT[:, None])
    log_boundary = log_boundary.reshape(_PREMIUM_POINTS, *inner, -1)
    root = _PREMIUM_ROOT.reshape(points)
    wait = root * root
    spread = deviation * root
    lower = log_spot - (log_boundary - drift * wait)
    lower /= spread
    spread *= 0.5
    upper = lower + spread
    lower -= spread
    rate_gain = rate_time * np.exp(-rate_time * wait)
    yield_gain = yield_time * np.exp(-yield_time * wait)
    above = ndtr(-lower)
    below = ndtr(-upper, out=upper)
    below *= yield_gain
    premium = _integral(rate_gain * above) - spot * _integral(below)

    d1 = (log_spot + drift) / deviation + 0.5 * deviation
    bond, stock = np.exp(-rate_time), np.exp(-yield_time)
    tail = ndtr(-d1)
    value = bond * ndtr(deviation - d1) - spot * stock * tail + np.maximum(premium, 0.0)
    exercised = log_spot <= boundary.log_at(np.sqrt(horizon) * np.ones_like(deviation))
    value = np.where(exercised, 1.0 - spot, np.maximum(value, 1.0 - spot))
    if not derivatives:
        return PutValues(value, np.empty(0), np.empty(0))

    barrier = np.exp(log_boundary)
    spread *= 2.0
    density = np.exp(-0.5 * lower * lower - rate_time * wait)
    density *= _INVERSE_ROOT_TWO_PI / spread
    net = rate_time - yield_time * barrier
    slope = -_integral(density * net) / spot - _integral(below) - stock * tail
    curvature = _integral(density * (net * (1.0 + lower / spread) + yield_time * barrier))
    curvature /= spot * spot
    curvature += stock * _INVERSE_ROOT_TWO_PI * np.exp(-0.5 * d1 * d1) / (spot * deviation)
    return PutValues(
        value,
        np.where(exercised, -1.0, np.clip(slope, -1.0, 0.0)),
        np.where(exercised, 0.0, np.maximum(curvature, 0.0)),
    )


def _integral(integrand: Floats) -> Floats:
    """Integrate over the share of time passed, the first axis."""
    result: Floats = np.tensordot(_PREMIUM_WEIGHT, integrand, axes=1)
    return result


def _solve(rate_time: Floats, yield_time: Floats, deviation: Floats, log_top: Floats) -> Floats:
    """ln(X/B) at the nodes (INTERVALS + 1, contracts): 0 at expiry, then the fixed point."""
    drift = rate_time - yield_time
    log_perpetual = _log_perpetual(rate_time, drift, deviation)
    root, time = _NODES[1:, None], np.square(_NODES[1:, None])
    log_boundary = _first_guess(log_top, log_perpetual, drift, deviation, root)

    span, wait = _EQUATION_ROOT[..., None], np.square(_EQUATION_ROOT)[..., None]
    rate_weight = rate_time * _EQUATION_WEIGHT[..., None] * np.exp(-rate_time * wait)
    yield_weight = yield_time * _EQUATION_WEIGHT[..., None] * np.exp(-yield_time * wait)
    inverse = 1.0 / (deviation * span)
    shift = drift * wait * inverse
    half = 0.5 * deviation * span
    last_inverse = 1.0 / (deviation * root)
    last_shift = drift * time * last_inverse
    last_half = 0.5 * deviation * root
    rate_discount, yield_discount = np.exp(-rate_time * time), np.exp(-yield_time * time)
    shape = (INTERVALS, _EQUATION_POINTS, rate_time.size)
    upper = np.empty(shape)
    for _ in range(_ITERATIONS):
        distance = log_top - log_boundary
        square = (_TO_POINTS @ (distance * distance)).reshape(shape)
        np.maximum(square, 0.0, out=square)
        middle = np.sqrt(square, out=square)
        middle -= distance[:, None, :]
        middle *= inverse
        middle += shift
        np.add(middle, half, out=upper)
        middle -= half
        ndtr(middle, out=middle)
        ndtr(upper, out=upper)
        middle *= rate_weight
        upper *= yield_weight
        last = log_boundary * last_inverse + last_shift
        numerator = rate_discount * ndtr(last - last_half) + middle.sum(axis=1)
        denominator = yield_discount * ndtr(last + last_half) + upper.sum(axis=1)
        renewed = np.log(numerator / denominator)
        np.clip(renewed, log_perpetual, log_top, out=renewed)
        log_boundary = np.where(np.isfinite(renewed), renewed, log_boundary)
    result = np.zeros((INTERVALS + 1, rate_time.size))
    result[1:] = log_top - log_boundary
    return result


def _log_perpetual(rate_time: Floats, drift: Floats, deviation: Floats) -> Floats:
    """ln of the boundary of the perpetual put; no boundary falls below it."""
    variance = deviation * deviation
    trend = drift - 0.5 * variance
    # The negative root of ½v²λ² + (drift − ½v²)λ − r = 0, in the form without cancellation.
    away = np.sqrt(trend * trend + 2.0 * rate_time * variance)
    root = np.where(trend > 0.0, -(trend + away) / variance, -2.0 * rate_time / (away - trend))
    return np.maximum(np.log(root / (root - 1.0)), -700.0)


def _first_guess(
    log_top: Floats, log_perpetual: Floats, drift: Floats, deviation: Floats, root: Floats
) -> Floats:
    """Bjerksund and Stensland's boundary, from the call that equals the put by symmetry."""
    top, perpetual = np.exp(-log_top), np.exp(-log_perpetual)
    gap = np.maximum(perpetual - top, 1e-300)
    speed = np.minimum(drift * root * root - 2.0 * deviation * root, 0.0)
    guess = -np.log(top - gap * np.expm1(_GUESS_STRETCH * speed * top / gap))
    result: Floats = np.clip(guess, log_perpetual, log_top)
    return result


def _angles(count: int) -> tuple[Floats, Floats, Floats]:
    """Gauss-Legendre in the angle; its square root gathers points at τ − u = 0.

    Roots of (τ−u)/τ and of u/τ at the points, and weights of the integral of du/τ.
    """
    abscissa, weight = np.polynomial.legendre.leggauss(count)
    position = 0.5 * (1.0 + abscissa)
    angle = 0.5 * np.pi * position * position
    sine, cosine = np.sin(angle), np.cos(angle)
    return sine, cosine, weight * 0.5 * np.pi * position * 2.0 * sine * cosine


def _equation_points() -> tuple[Floats, Floats, Floats]:
    """√(τ−u), √u and weights (INTERVALS, points) of the equation at every node but the first."""
    abscissa, weight = np.polynomial.legendre.leggauss(_EQUATION_POINTS)
    angle = 0.25 * np.pi * (1.0 + abscissa)
    sine, cosine = np.sin(angle), np.cos(angle)
    node = _NODES[1:, None]
    return node * sine, node * cosine, node * node * (0.5 * np.pi * weight * sine * cosine)


_NODES: Floats = 0.5 * (1.0 - np.cos(np.pi * np.arange(INTERVALS + 1) / INTERVALS))
_EQUATION_ROOT, _EQUATION_OTHER_ROOT, _EQUATION_WEIGHT = _equation_points()
_PREMIUM_ROOT, _PREMIUM_OTHER_ROOT, _PREMIUM_WEIGHT = _angles(_PREMIUM_POINTS)
_TO_COEFFICIENTS = np.linalg.inv(
    np.polynomial.chebyshev.chebvander(2.0 * _NODES - 1.0, INTERVALS)
).astype(np.float64)
# From values at the nodes after the first, which is 0, to values at the equation's points.
_TO_POINTS: Floats = (
    np.polynomial.chebyshev.chebvander(2.0 * _EQUATION_OTHER_ROOT.ravel() - 1.0, INTERVALS)
    @ _TO_COEFFICIENTS[:, 1:]
)
