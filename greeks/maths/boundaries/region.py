"""When American puts are exercised: the boundaries for all times to expiry.

Units are those of :mod:`greeks.maths.boundaries.solution`. A boundary depends on the time left and
on neither spot nor expiry: solved once, it prices every spot, and every later day.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from greeks.chains import Floats
from greeks.maths.boundaries.guess import PutTerms, Start, start_of
from greeks.maths.boundaries.solution import FINE, chebyshev, solve

# A boundary nears the perpetual one as exp(-relaxation): none is solved beyond this.
_RELAXED = 30.0
# Two boundaries are first solved for a deviation of this share of ln(yield ÷ rate), and until they
# meet in the last tenth of the time solved.
_SOON, _CLOSE, _MEETING_ROUNDS = 0.5, 0.9, 24
_FRACTIONS: Floats = np.linspace(0.0, 1.0, 65)


class Boundary(NamedTuple):
    """ln of a boundary ÷ strike for all times to expiry.

    ``start`` says where it begins; ``window`` (contracts,) is the share of T for which it is
    solved, constant beyond. The ``coefficients`` (intervals + 1, contracts) are those of the
    Chebyshev polynomials in 2√(τ/window) − 1 whose sum is ln²(B/X). ``moved`` (2, intervals + 1,
    contracts) and ``limit`` (2, contracts) give the derivatives of ln B by the deviation and by the
    rate or yield: limit + their polynomial ÷ \\|ln(B/X)\\|.
    """

    start: Start
    window: Floats
    coefficients: Floats
    moved: Floats
    limit: Floats

    def take(self, rows: NDArray[np.intp]) -> Boundary:
        return Boundary(
            self.start.take(rows), self.window[rows], self.coefficients[:, rows],
            self.moved[..., rows] if self.moved.size else self.moved,
            self.limit[..., rows] if self.limit.size else self.limit,
        )  # fmt: skip

    def log_at(self, root: Floats) -> Floats:
        """ln(B ÷ strike) at ``root`` = √(τ/T), (…, contracts)."""
        return self.start.log - self.start.side * self._distance(self._inside(root))

    def moved_at(self, root: Floats) -> tuple[Floats, Floats]:
        root = self._inside(root)
        distance = self._distance(root)
        by_deviation, by_carry = (
            limit + np.where(distance > 0.0, _polynomial(moved, root) / distance, 0.0)
            for limit, moved in zip(self.limit, self.moved, strict=True)
        )
        return by_deviation, by_carry

    def _inside(self, root: Floats) -> Floats:
        if (self.window == 1.0).all():
            return root
        result: Floats = np.minimum(root / np.sqrt(self.window), 1.0)
        return result

    def _distance(self, root: Floats) -> Floats:
        result: Floats = np.sqrt(np.maximum(_polynomial(self.coefficients, root), 0.0))
        return result


class Exercise(NamedTuple):
    """When puts are exercised: below ``upper``, and above ``lower`` if there is one.

    ``until`` (contracts,) is the share of T at which the two meet: with more time left there is no
    exercise. Infinite if they do not.
    """

    upper: Boundary
    lower: Boundary | None
    until: Floats

    def take(self, rows: NDArray[np.intp]) -> Exercise:
        lower = self.lower.take(rows) if self.lower is not None else None
        return Exercise(self.upper.take(rows), lower, self.until[rows])


def exercise_of(terms: PutTerms, by_yield: NDArray[np.bool_] | None = None) -> Exercise:
    """Return when to exercise puts that may be worth it.

    All have a ``rate_time`` ≥ 0 and one boundary, or all a negative one, a lower ``yield_time`` and
    two. ``by_yield`` (contracts,) asks for derivatives by the yield or the rate.
    """
    with np.errstate(all="ignore"):
        window = np.minimum(_RELAXED / np.maximum(relaxation(terms), _RELAXED), 1.0)
        never = np.full_like(window, np.inf)
        if not (terms.rate_time < 0.0).any():
            return Exercise(_boundary(terms, window, by_yield), None, never)
        window, until = _meeting(terms, window)
        upper = _boundary(terms, window, by_yield)
        return Exercise(upper, _boundary(terms, window, by_yield, lower=True), until)


def _boundary(
    terms: PutTerms,
    window: Floats,
    by_yield: NDArray[np.bool_] | None,
    *,
    lower: bool = False,
) -> Boundary:
    start = start_of(terms.scaled(window), lower=lower)
    square, moved, limit = solve(terms.scaled(window), start, by_yield)
    if by_yield is not None:
        scale = np.stack([np.sqrt(window), window])
        limit = scale * limit
        moved = scale[:, None] * moved * np.sqrt(square)
    coefficients = FINE.to_coefficients[:, 1:]
    return Boundary(start, window, coefficients @ square, coefficients @ moved, limit)


def _meeting(terms: PutTerms, relaxed: Floats) -> tuple[Floats, Floats]:
    """Return the share of T to solve two boundaries for, and that at which they meet.

    They are solved for a share, which then shrinks to where they cross or grows where they do not.
    """
    log_ratio = np.log(terms.yield_time / terms.rate_time)
    window = np.minimum(relaxed, np.square(_SOON * log_ratio / terms.deviation))
    until, low, high = np.full_like(window, np.inf), np.zeros_like(window), relaxed.copy()
    rows = np.arange(window.size)
    for _ in range(_MEETING_ROUNDS):
        taken, share = terms.take(rows), window[rows]
        upper, lower = (_boundary(taken, share, None, lower=side) for side in (False, True))
        root = np.sqrt(share) * _FRACTIONS[:, None]
        gap = upper.log_at(root) - lower.log_at(root)
        apart = gap > 0.0
        first, column = np.argmin(apart, axis=0), np.arange(rows.size)
        before, after = gap[first - 1, column], gap[first, column]
        between = np.clip(np.nan_to_num(before / (before - after), nan=0.5), 0.0, 1.0)
        step = _FRACTIONS[first] - _FRACTIONS[first - 1]
        met = share * np.square(_FRACTIONS[first - 1] + between * step)
        met = np.where(first > 0, met, 0.1 * share)
        crossed = ~apart.all(axis=0)
        until[rows[crossed]] = met[crossed]
        never_met = np.isinf(until[rows])
        high[rows[crossed]], low[rows[~crossed]] = share[crossed], share[~crossed]
        done = np.where(crossed, met > _CLOSE * share, share >= high[rows])
        grown = np.where(never_met, 4.0 * share, 0.5 * (share + high[rows]))
        shrunk = np.maximum(1.02 * met, 0.5 * (low[rows] + met))
        renewed = np.where(crossed, shrunk, np.minimum(grown, high[rows]))
        window[rows] = np.where(done, share, renewed)
        rows = rows[~done]
        if not rows.size:
            break
    return window, until


def relaxation(terms: PutTerms) -> Floats:
    rate_time, yield_time, deviation = terms
    trend = rate_time - yield_time - 0.5 * deviation * deviation
    result: Floats = 0.5 * np.square(trend / deviation) + rate_time
    return result


def _polynomial(coefficients: Floats, root: Floats) -> Floats:
    """Sum the Chebyshev polynomials at ``root`` (…, contracts), or (…, 1) for all contracts."""
    if root.ndim > 1 and root.shape[-1] == 1:
        result: Floats = np.tensordot(
            chebyshev(root[..., 0], len(coefficients) - 1), coefficients, axes=1
        )
        return result
    argument = 2.0 * root - 1.0
    double = 2.0 * argument
    later, latest = np.zeros_like(argument), np.zeros_like(argument)
    for coefficient in coefficients[:0:-1]:
        later, latest = double * later - latest + coefficient, later
    summed: Floats = argument * later - latest + coefficients[0]
    return summed
