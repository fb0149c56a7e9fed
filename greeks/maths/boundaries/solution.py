"""The early exercise boundaries of American puts, and how they move with the inputs.

Everything here is dimensionless: prices are divided by the strike, and a contract is its
``rate_time`` r·T, ``yield_time`` q·T and ``deviation`` σ·√T. Contracts are the last axis of every
array; loops run only over iterations.

A put is exercised below its upper boundary. If yield < rate < 0 it is exercised only above a lower
one too, and the two may meet: with more time than that, it is not exercised. Each boundary solves
its own integral equation, that of smooth fit (FP-A in Andersen, Lake and Offengenden,
"High-performance American option pricing", 2015; two boundaries: Andersen and Lake, "Fast American
option pricing: the double-boundary case", 2021). ln²(B/X), with X the limit at expiry, is a
Chebyshev interpolant in √τ. Three things differ from the papers. The integrals over u run in the
angle θ with ``u = τ cos²θ``, which removes the roots at both ends. Newton's method on all nodes at
once, first on few nodes, replaces the fixed point: it needs three rounds and is stable for a large
drift. Its matrix also gives the derivatives of the boundary. A boundary is solved for no more time
than it takes to become that of the perpetual put.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from greeks.chains import Floats
from greeks.maths.boundaries.guess import INVERSE_ROOT_TWO_PI, PutTerms, Start, density, first_guess
from greeks.maths.boundaries.normal import cumulative

# Contracts whose working arrays fit the processor's second-level cache.
_BLOCK = 192
# Newton's rounds at most on each grid.
_ROUNDS = 16
_SETTLED = 0.02
# A step changes ln(B/X) at most by this factor, and is shortened by it if it does not help.
_BACK = 0.4
# The interpolant of ln² may dip to 0 between nodes: no derivative below this share of the node's.
_FLOOR = 0.3


class Grid:
    """Nodes in √(τ/T), and the quadrature of the equation at every node but the first."""

    def __init__(self, intervals: int, points: int) -> None:
        self.intervals, self.points = intervals, points
        self.nodes = 0.5 * (1.0 - np.cos(np.pi * np.arange(intervals + 1) / intervals))
        self.root = self.nodes[1:, None]
        abscissa, weight = np.polynomial.legendre.leggauss(points)
        angle = 0.25 * np.pi * (1.0 + abscissa)
        sine, cosine = np.sin(angle), np.cos(angle)
        # √(τ−u), √u and weights of du, (intervals, points).
        self.wait_root, self.other_root = self.root * sine, self.root * cosine
        self.weight = self.root**2 * (0.5 * np.pi * weight * sine * cosine)
        self.cosine = cosine
        self.to_coefficients = np.linalg.inv(chebyshev(self.nodes, intervals))
        # From values at the nodes after the first, where it is 0, to values at the points.
        self.to_points = chebyshev(self.other_root.ravel(), intervals)
        self.to_points = self.to_points @ self.to_coefficients[:, 1:]
        self.by_node = self.to_points.reshape(intervals, points, intervals)


def chebyshev(root: Floats, degree: int) -> Floats:
    return np.polynomial.chebyshev.chebvander(2.0 * root - 1.0, degree).astype(np.float64)


COARSE, FINE = Grid(7, 6), Grid(14, 10)
_REFINE: Floats = chebyshev(FINE.nodes[1:], COARSE.intervals) @ COARSE.to_coefficients[:, 1:]


class Solved(NamedTuple):
    """ln²(B/X) at the nodes after the first (nodes, contracts), and derivatives if asked for.

    These are by the deviation and by the rate or yield: of ln(B/X) at those nodes (2, nodes,
    contracts) and of ln X (2, contracts).
    """

    square: Floats
    moved: Floats
    limit: Floats


def solve(terms: PutTerms, start: Start, by_yield: NDArray[np.bool_] | None = None) -> Solved:
    """Solve boundaries; with ``by_yield`` (contracts,) also how they move."""
    with np.errstate(all="ignore"):
        distance = first_guess(terms, start, COARSE.root)
        _newton(COARSE, terms, start, distance, np.arange(distance.shape[1]), _ROUNDS)
        distance = np.sqrt(np.maximum(_REFINE @ (distance * distance), 1e-300))
        unsettled = [
            _newton(FINE, terms, start, distance, rows, 1) for rows in _blocks(terms.deviation.size)
        ]
        # The few that need more share the cost of their rounds.
        _newton(FINE, terms, start, distance, np.concatenate(unsettled), _ROUNDS)
        square = distance * distance
        if by_yield is None:
            return Solved(square, np.empty((2, FINE.intervals, 0)), np.empty((2, 0)))
        moved, limit = np.empty((2, *square.shape)), np.zeros((2, square.shape[1]))
        for rows in _blocks(terms.deviation.size):
            equation = _Equation(FINE, terms.take(rows), start.take(rows))
            limit[1, rows] = equation.limit_moved(by_yield[rows])
            moved[..., rows] = equation.moved(distance[:, rows], by_yield[rows], limit[1, rows])
        return Solved(square, moved, limit)


def _blocks(count: int) -> list[NDArray[np.intp]]:
    return [np.arange(at, min(at + _BLOCK, count)) for at in range(0, count, _BLOCK)]


def _newton(
    grid: Grid,
    terms: PutTerms,
    start: Start,
    distance: Floats,
    rows: NDArray[np.intp],
    rounds: int,
) -> NDArray[np.intp]:
    """Improve ``distance`` |ln(B/X)| (nodes, contracts) of ``rows``; return those not settled.

    A row leaves when a step moves ln B by less than _SETTLED: the next would by its square. A step
    that makes the error larger, or leads where the equation has no value, is shortened.
    """
    result, distance = distance, distance[:, rows]
    size, best, step = np.full(rows.size, np.inf), distance, np.zeros_like(distance)
    share = np.ones(rows.size)
    equation = _Equation(grid, terms.take(rows), start.take(rows))
    for _ in range(rounds if rows.size else 0):
        error, found = equation.step(distance)
        now = (np.abs(error) * grid.root).sum(axis=0)
        better = now < size
        share = np.where(better, 1.0, _BACK * share)
        size, best = np.where(better, now, size), np.where(better, distance, best)
        step = np.where(better, found, step)
        distance = np.where(size < np.inf, best + share * step, _BACK * distance)
        distance = equation.within(distance, best)
        result[:, rows] = distance
        least = _SETTLED * np.minimum(best[-1], 1.0)
        kept = np.flatnonzero((np.abs(distance - best) > least).any(axis=0))
        if kept.size < rows.size:
            rows, size, share = rows[kept], size[kept], share[kept]
            best, step, distance = best[:, kept], step[:, kept], distance[:, kept]
            if not rows.size:
                break
            equation = _Equation(grid, terms.take(rows), start.take(rows))
    return rows


class _Equation:
    """ln B = ln N − ln D at the nodes (nodes, contracts), N and D integrals over the boundary."""

    def __init__(self, grid: Grid, terms: PutTerms, start: Start) -> None:
        self.grid, self.terms, self.start = grid, terms, start
        rate_time, yield_time, deviation = terms
        drift = rate_time - yield_time
        span, weight = grid.wait_root[..., None], grid.weight[..., None]
        self.wait = span * span
        self.inverse = 1.0 / (deviation * span)
        self.rate_weight = weight * np.exp(-rate_time * self.wait) * self.inverse
        self.yield_weight = weight * np.exp(-yield_time * self.wait)
        self.rate_weight *= INVERSE_ROOT_TWO_PI
        self.shift = drift * self.wait * self.inverse
        self.half = 0.5 * deviation * span
        self.time = np.square(grid.root)
        self.last_inverse = 1.0 / (deviation * grid.root)
        self.last_shift = drift * self.time * self.last_inverse
        self.last_half = 0.5 * deviation * grid.root
        # The lower boundary has no term of the expiry: there it is not exercised.
        alone = start.side > 0.0
        self.bond = np.where(alone, np.exp(-rate_time * self.time), 0.0)
        self.stock = np.where(alone, np.exp(-yield_time * self.time), 0.0)

    def step(self, distance: Floats) -> tuple[Floats, Floats]:
        """Return the error at ``distance`` \\|ln(B/X)\\| (nodes, contracts), NaN where the

        equation has no value, and Newton's step.
        """
        self._evaluate(distance)
        error, matrix = self.error, self.matrix
        if not np.isfinite(error.sum() + matrix.sum()):
            wrong = ~np.isfinite(error).all(axis=0) | ~np.isfinite(matrix).all(axis=(1, 2))
            matrix[wrong] = np.eye(self.grid.intervals)
            error[:, wrong] = np.nan
        step = _solved(matrix, error.T[..., None])[..., 0].T
        return error, -self.start.side * step

    def within(self, distance: Floats, before: Floats) -> Floats:
        """Return distances inside the bounds, and not too far from those before."""
        start = self.start
        far = np.where(start.side > 0.0, start.log - start.lowest, start.highest - start.log)
        # NaN steps are rejected before; a distance of more than 0 keeps its derivative.
        low = np.minimum(_BACK * before, far)
        result: Floats = np.clip(distance, low, np.minimum(before / _BACK, far))
        return result

    def _evaluate(self, distance: Floats) -> None:
        grid, side = self.grid, self.start.side
        rate_time, yield_time, _ = self.terms
        shape = (grid.intervals, grid.points, distance.shape[-1])
        root = (grid.to_points @ (distance * distance)).reshape(shape)
        np.maximum(root, 0.0, out=root)
        np.sqrt(root, out=root)
        middle = root - distance[:, None, :]
        middle *= self.inverse
        middle *= side
        middle += self.shift
        self.lower = lower = middle - self.half
        self.upper = upper = middle + self.half
        log = self.start.log - side * distance
        last = log * self.last_inverse + self.last_shift
        self.last_lower, self.last_upper = last - self.last_half, last + self.last_half
        self.bond_density = self.bond * density(self.last_lower) * self.last_inverse
        self.stock_density = self.stock * density(self.last_upper)
        self.stock_tail = self.stock * ndtr(self.last_upper)
        # Per 1 of the rate or yield, which may be 0.
        self.rate_part = rate_part = np.exp(-0.5 * lower * lower) * self.rate_weight
        bell = np.exp(-0.5 * upper * upper)
        self.yield_part = yield_part = cumulative(side * upper, bell)
        yield_part *= side * self.yield_weight
        bell *= self.yield_weight
        bell *= INVERSE_ROOT_TWO_PI
        self.yield_density = yield_density = bell
        yield_part += yield_density * self.inverse
        self.above = above = self.bond_density + rate_time * rate_part.sum(axis=1)
        self.below = below = self.stock_density * self.last_inverse + self.stock_tail
        below += yield_time * yield_part.sum(axis=1)
        self.error = np.log(above / below) - log
        gain = rate_part * lower
        gain *= -rate_time / above[:, None]
        loss = yield_density * (1.0 - upper * self.inverse)
        loss *= yield_time / below[:, None]
        gain -= loss
        gain *= self.inverse
        self.last = -self.bond_density * self.last_lower / above
        self.last -= self.stock_density * (1.0 - self.last_upper * self.last_inverse) / below
        self.last *= self.last_inverse
        own = gain.sum(axis=1) + self.last
        small = root <= _FLOOR * distance[:, None, :] * grid.cosine[:, None]
        gain /= root
        gain[small] = 0.0
        matrix = np.matmul(gain.transpose(0, 2, 1), grid.by_node)
        matrix *= distance.T
        matrix = np.ascontiguousarray(matrix.transpose(1, 0, 2))
        node = np.arange(grid.intervals)
        matrix[:, node, node] += 1.0 - own.T
        self.matrix = matrix

    def moved(self, distance: Floats, by_yield: NDArray[np.bool_], limit: Floats) -> Floats:
        """Derivatives (2, nodes, contracts) of ln(B/X) by the deviation, and by rate or yield."""
        self._evaluate(distance)
        rate_time, yield_time, deviation = self.terms
        inverse, last_inverse = self.inverse, self.last_inverse
        both, last_both = self.lower * self.upper - 1.0, self.last_lower * self.last_upper - 1.0
        above = self.bond_density * last_both
        above += rate_time * (self.rate_part * both).sum(axis=1)
        below = self.stock_density * (last_both * last_inverse - self.last_lower)
        below += yield_time * (self.yield_density * (both * inverse - self.lower)).sum(axis=1)
        by_deviation = (above / self.above - below / self.below) / deviation
        # Rate and yield move the drift in opposite directions.
        sign = np.where(by_yield, -1.0, 1.0)
        wait, time = self.wait, self.time
        drifted = self.rate_part * self.lower * wait
        drifted *= inverse
        above = -self.bond_density * self.last_lower * time * last_inverse
        above -= rate_time * drifted.sum(axis=1)
        drifted = self.yield_density * (1.0 - self.upper * inverse) * wait
        drifted *= inverse
        below = self.stock_density * (1.0 - self.last_upper * last_inverse) * time * last_inverse
        below += yield_time * drifted.sum(axis=1)
        above, below = sign * above, sign * below
        kept = self.rate_part * (1.0 - rate_time * wait)
        above += np.where(by_yield, 0.0, kept.sum(axis=1) - time * self.bond_density)
        kept = self.yield_part * (1.0 - yield_time * wait)
        final = self.stock_density * last_inverse + self.stock_tail
        below += np.where(by_yield, kept.sum(axis=1) - time * final, 0.0)
        by_carry = above / self.above - below / self.below
        right = np.stack([by_deviation, by_carry + (self.last - 1.0) * limit])
        wrong = ~np.isfinite(right).all(axis=(0, 1)) | ~np.isfinite(self.matrix).all(axis=(1, 2))
        self.matrix[wrong] = np.eye(self.grid.intervals)
        right[..., wrong] = 0.0
        return _solved(self.matrix, right.transpose(2, 1, 0)).transpose(2, 1, 0)

    def limit_moved(self, by_yield: NDArray[np.bool_]) -> Floats:
        """Derivative of ln X."""
        rate_time, yield_time, _ = self.terms
        moves = np.where(by_yield, -1.0 / yield_time, 1.0 / rate_time)
        return np.where(self.start.log != 0.0, moves, 0.0)


def _solved(matrix: Floats, right: Floats) -> Floats:
    """Solve one small system per contract."""
    try:
        return np.linalg.solve(matrix, right).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        # One is exactly singular: none is after so small a change.
        return _solved(matrix + 1e-9 * np.eye(matrix.shape[-1]), right)
