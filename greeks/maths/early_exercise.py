"""Values of American puts from their exercise boundaries: Kim's early exercise premium.

Terms and units are those of :mod:`greeks.maths.boundaries.solution`. A boundary depends on the time
left and on neither spot nor expiry: solved once, it prices every spot, and every later day by its
``horizon``.

The premium of exercising below a boundary is an integral over the time to come (Kim, "The analytic
valuation of American options", 1990). With an upper and a lower boundary it is the difference of
two, as long as exercise is possible at all; before they meet, a put above the upper one is the
European put plus that boundary's premium, and a put below the lower one is its intrinsic value less
the other's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from greeks.chains import Floats
from greeks.maths.boundaries.guess import PutTerms
from greeks.maths.boundaries.normal import cumulative
from greeks.maths.boundaries.region import Boundary, Exercise, relaxation

_POINTS = 24
# From this relaxation on the premium changes too fast for one set of points.
_STEEP = 8.0
# A steep premium changes within so many deviations of the path's arrival at the boundary.
_WIDTH = 6.0
_INVERSE_ROOT_TWO_PI = 0.3989422804014327


class PutValues(NamedTuple):
    """Value of the put ÷ strike, its derivatives by spot ÷ strike, and by σ√T and r·T or q·T."""

    value: Floats
    slope: Floats
    curvature: Floats
    by_deviation: Floats
    by_carry: Floats


def put_values(
    spot: Floats,
    terms: PutTerms,
    exercise: Exercise,
    *,
    horizon: Floats | float = 1.0,
    by_yield: NDArray[np.bool_] | None = None,
) -> PutValues:
    """Value puts as the European value plus the premium of early exercise.

    ``spot`` (…, contracts) is divided by the strike. ``horizon`` is the time left as a share of
    the time for which the boundary was solved; ``terms`` belong to the time left. Without
    ``by_yield`` the derivatives are empty.
    """
    horizon = np.broadcast_to(np.asarray(horizon, dtype=np.float64), terms.deviation.shape)
    steep = relaxation(terms) > _STEEP
    if steep.all() or not steep.any():
        return _put_values(spot, terms, exercise, horizon, by_yield)
    result = PutValues(*(np.empty(spot.shape if by_yield is not None else 0) for _ in range(5)))
    result = result._replace(value=np.empty(spot.shape))
    for rows in (np.flatnonzero(~steep), np.flatnonzero(steep)):
        asked = by_yield[rows] if by_yield is not None else None
        part = _put_values(
            spot[..., rows], terms.take(rows), exercise.take(rows), horizon[rows], asked
        )
        for column, values in zip(result, part, strict=True):
            if values.size:
                column[..., rows] = values
    return result


def _put_values(
    spot: Floats,
    terms: PutTerms,
    exercise: Exercise,
    horizon: Floats,
    by_yield: NDArray[np.bool_] | None,
) -> PutValues:
    upper, lower, until = exercise
    share = np.minimum(until / horizon, 1.0)
    now = np.sqrt(horizon)
    log_spot = np.log(spot)
    value, *others = _european(spot, terms, by_yield)
    premium = _premium(log_spot, spot, terms, upper, horizon, share, by_yield)
    exercised = log_spot <= upper.log_at(now)
    # Convex, and straight where it is exercised: steeper only below the lower boundary.
    steepest = np.full_like(value, -1.0)
    if lower is not None:
        free = share < 1.0
        below = log_spot < lower.log_at(now)
        exercised &= ~below & ~free
        under = _premium(log_spot, spot, terms, lower, horizon, share, by_yield)
        waiting = below & ~free
        steepest[below | free] = -np.inf
        # Below the lower boundary: 1 − S less that boundary's premium.
        value = np.where(waiting, 1.0 - spot, value)
        flat = (-1.0, 0.0, 0.0, 0.0)
        others = [np.where(waiting, f, o) for f, o in zip(flat, others, strict=False)]
        premium = [
            np.where(waiting, 0.0, mine) - np.where(waiting | free, theirs, 0.0)
            for mine, theirs in zip(premium, under, strict=True)
        ]
    value = value + np.maximum(premium[0], 0.0)
    value = np.where(exercised, 1.0 - spot, np.maximum(value, 1.0 - spot))
    value = np.minimum(value, np.exp(np.maximum(-terms.rate_time, 0.0)))
    if by_yield is None:
        return PutValues(value, *(np.empty(0),) * 4)
    slope, curvature, by_deviation, by_carry = (
        european + early for european, early in zip(others, premium[1:], strict=True)
    )
    return PutValues(
        value,
        np.where(exercised, -1.0, np.maximum(slope, steepest)),
        np.where(exercised, 0.0, np.maximum(curvature, 0.0)),
        np.where(exercised, 0.0, np.maximum(by_deviation, 0.0)),
        np.where(exercised, 0.0, by_carry),
    )


def _european(spot: Floats, terms: PutTerms, by_yield: NDArray[np.bool_] | None) -> list[Floats]:
    """European put and, if asked for, its derivatives."""
    rate_time, yield_time, deviation = terms
    d1 = (np.log(spot) + rate_time - yield_time) / deviation + 0.5 * deviation
    stock = spot * np.exp(-yield_time)
    bond_tail = np.exp(-rate_time) * ndtr(deviation - d1)
    stock_tail = stock * ndtr(-d1)
    value = bond_tail - stock_tail
    if by_yield is None:
        return [value]
    density = stock * _INVERSE_ROOT_TWO_PI * np.exp(-0.5 * d1 * d1)
    by_carry = np.where(by_yield, stock_tail, -bond_tail)
    return [value, -stock_tail / spot, density / (spot * spot * deviation), density, by_carry]


def _premium(
    log_spot: Floats,
    spot: Floats,
    terms: PutTerms,
    boundary: Boundary,
    horizon: Floats,
    share: Floats,
    by_yield: NDArray[np.bool_] | None,
) -> list[Floats]:
    """Return Kim's integral over a share of the time left, and its derivatives."""
    rate_time, yield_time, deviation = terms
    drift = rate_time - yield_time
    wait, weight = _points(log_spot, terms, boundary, horizon, share)
    left = np.sqrt(np.maximum(1.0 - wait, 0.0))
    if (horizon != 1.0).any():
        left = left * np.sqrt(horizon)
    log_boundary = boundary.log_at(left)
    root = np.sqrt(wait)
    spread = deviation * root
    lower = (log_spot - (log_boundary - drift * wait)) / spread
    spread = 0.5 * spread
    upper = lower + spread
    lower = lower - spread
    bond, stock = np.exp(-rate_time * wait), np.exp(-yield_time * wait)
    bell = np.exp(-0.5 * lower * lower)
    above = bond * cumulative(-lower, bell)
    below = stock * cumulative(-upper, np.exp(-0.5 * upper * upper))

    def total(integrand: Floats) -> Floats:
        if weight.size == len(weight):
            result: Floats = np.tensordot(weight.ravel(), integrand, axes=1)
        else:
            result = (weight * integrand).sum(axis=0)
        return result

    tail = yield_time * total(below)
    value = rate_time * total(above) - spot * tail
    if by_yield is None:
        return [value]
    spread *= 2.0
    density = bell * bond
    density *= _INVERSE_ROOT_TWO_PI / spread
    at = yield_time * np.exp(log_boundary)
    net = density * (rate_time - at)
    slope = -total(net) / spot - tail
    curvature = total(net * (1.0 + lower / spread) + density * at) / (spot * spot)
    moved, carried = boundary.moved_at(left)
    by_deviation = total(density * root * (rate_time * upper - at * lower) + net * moved)
    drifted = np.where(by_yield, net, -net) * wait + net * carried
    # The discounts themselves: per 1 of the rate or yield.
    above *= 1.0 - rate_time * wait
    below *= 1.0 - yield_time * wait
    by_carry = total(drifted) + np.where(by_yield, -spot * total(below), total(above))
    return [value, slope, curvature, by_deviation, by_carry]


def _points(
    log_spot: Floats, terms: PutTerms, boundary: Boundary, horizon: Floats, share: Floats
) -> tuple[Floats, Floats]:
    """Points and weights (points, …, contracts) of the time to wait, as a share of the time left.

    Axes: points, any axes of a contract's spots, contracts.
    """
    inner = (1,) * log_spot.ndim
    wait, weight = _WAIT.reshape(-1, *inner), _WEIGHT.reshape(-1, *inner)
    if not (relaxation(terms) > _STEEP).any():
        if (share == 1.0).all():
            return wait, weight
        return 1.0 - share * (1.0 - wait), share * weight
    trend = np.abs(terms.rate_time - terms.yield_time - 0.5 * np.square(terms.deviation))
    pace = terms.deviation / trend
    flat = boundary.log_at(np.sqrt(horizon))
    arrival = np.abs(log_spot - flat) / trend
    around = _WIDTH * pace * (np.sqrt(arrival) + _WIDTH * pace)
    none = np.zeros_like(arrival)
    solved = none + 1.0 - boundary.window / horizon
    edges = np.stack([none, arrival - around, arrival + around, solved, none + 1.0])
    edges = np.sort(np.clip(edges, 1.0 - share, 1.0), axis=0)
    width = np.diff(edges, axis=0)
    waits = np.where(width[:, None] > 0.0, edges[:-1, None] + width[:, None] * wait, 0.5)
    return waits.reshape(-1, *arrival.shape), (width[:, None] * weight).reshape(-1, *arrival.shape)


def _angles(count: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre in the angle of the root of the wait; its square gathers points at 0."""
    abscissa, weight = np.polynomial.legendre.leggauss(count)
    position = 0.5 * (1.0 + abscissa)
    angle = 0.5 * np.pi * position * position
    sine, cosine = np.sin(angle), np.cos(angle)
    return sine * sine, weight * 0.5 * np.pi * position * 2.0 * sine * cosine


_WAIT, _WEIGHT = _angles(_POINTS)
