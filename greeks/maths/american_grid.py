"""Scenario grids of American legs; work that does not depend on the scenario is shared.

The exercise boundary depends only on rate, yield, volatility and time left. So it is solved once
per leg and volatility, and prices every spot and every later day; with cash dividends one
finite-difference solution does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from greeks.maths import american, american_contracts
from greeks.maths.american_contracts import groups_of
from greeks.maths.black_scholes import Floats
from greeks.maths.boundaries.region import Exercise, exercise_of
from greeks.maths.early_exercise import put_values
from greeks.maths.finite_differences import lattice_values, slices
from greeks.maths.lattice_slice import Contracts

Rows = NDArray[np.intp]

# Contracts (a leg at a volatility) solved together, and those whose values at all spots fit the
# processor's cache.
_SOLVED, _BLOCK = 256, 32
# Below this deviation, with more years than this, a leg's nodes all lie near its own spot.
_THIN, _SOON = 0.03, 7.0 / 365.0


class Axes(NamedTuple):
    """Spots (spots, legs), volatilities (volatilities, legs) and years forward (days,)."""

    spots: Floats
    volatilities: Floats
    forward: Floats


def american_grid(contracts: american_contracts.Contracts, axes: Axes) -> Floats:
    """Return values (days, volatilities, spots, legs) of legs without cash dividends."""
    days, volatilities, spots = axes.forward.size, len(axes.volatilities), len(axes.spots)
    result = np.empty((days, volatilities, spots, contracts.spot.size))
    cells = np.indices((volatilities, contracts.spot.size)).reshape(2, -1)
    flat = contracts.take(cells[1])._replace(volatility=axes.volatilities.ravel())
    groups = groups_of(flat)
    for group in (groups.by_boundary, groups.by_two):
        for start in range(0, group.size, _SOLVED):
            solved = group[start : start + _SOLVED]
            exercise = exercise_of(flat.take(solved).put_terms)
            for first in range(0, solved.size, _BLOCK):
                part = np.arange(first, min(first + _BLOCK, solved.size))
                rows = solved[part]
                volatility, leg = cells[:, rows]
                values = _by_boundary(
                    flat.take(rows), exercise.take(part), axes.spots[:, leg], axes.forward
                )
                result[:, volatility, :, leg] = np.moveaxis(values, -1, 0)
    others = np.setdiff1d(
        np.arange(cells.shape[1]), np.concatenate([groups.by_boundary, groups.by_two])
    )
    if others.size:
        volatility, leg = cells[:, others]
        rest = flat.take(others)
        values = american.price(
            axes.spots[:, leg],
            rest.strike,
            rest.years - axes.forward[:, None, None],
            rest.rate,
            rest.dividend_yield,
            rest.volatility,
            rest.is_call,
        )
        result[:, volatility, :, leg] = np.moveaxis(values, -1, 0)
    return result


def _by_boundary(
    contracts: american_contracts.Contracts, exercise: Exercise, spots: Floats, forward: Floats
) -> Floats:
    """(days, spots, contracts)."""
    result = np.empty((forward.size, *spots.shape))
    terms = contracts.put_terms
    unit = np.where(contracts.is_call, spots, contracts.strike)
    put_spot = np.where(contracts.is_call, contracts.strike / spots, spots / contracts.strike)
    intrinsic = _intrinsic(spots, contracts.strike, contracts.is_call)
    for day, passed in enumerate(forward):
        left = np.maximum(contracts.years - passed, 0.0)
        horizon = left / contracts.years
        ahead = terms.scaled(horizon)
        values = unit * put_values(put_spot, ahead, exercise, horizon=horizon).value
        result[day] = np.where(left > 0.0, np.maximum(values, intrinsic), intrinsic)
    return result


def lattice_grid(contracts: Contracts, axes: Axes) -> Floats:
    """Return values (days, volatilities, spots, legs) of legs with cash dividends.

    Dividends that have gone ex by a later day no longer count: its spots exclude them.
    """
    days, volatilities, spots = axes.forward.size, len(axes.volatilities), len(axes.spots)
    result = np.empty((days, volatilities, spots, contracts.spot.size))
    cells = np.indices((volatilities, contracts.spot.size)).reshape(2, -1)
    flat = Contracts._make(column[cells[1]] for column in contracts)
    flat = flat._replace(volatility=axes.volatilities.ravel())
    thin = (flat.volatility * np.sqrt(flat.years) < _THIN) & (flat.years > _SOON)
    cells_of_lattice = np.flatnonzero(~thin)
    lattice = Contracts._make(column[cells_of_lattice] for column in flat)
    at = np.clip(axes.forward, 0.0, lattice.years[:, None])
    for rows, found in slices(lattice, at):
        volatility, leg = cells[:, cells_of_lattice[rows]]
        spot = axes.spots[:, leg]
        intrinsic = _intrinsic(spot, contracts.strike[leg], contracts.is_call[leg])
        for day, (passed, each) in enumerate(zip(axes.forward, found, strict=True)):
            alive = contracts.years[leg] > passed
            result[day, volatility, :, leg] = np.where(alive, each.at(spot), intrinsic).T
    for cell in np.flatnonzero(thin):
        volatility, leg = cells[:, cell]
        one = Contracts._make(np.repeat(column[cell : cell + 1], spots, axis=0) for column in flat)
        one = one._replace(spot=axes.spots[:, leg])
        for day, passed in enumerate(axes.forward):
            result[day, volatility, :, leg] = _one_by_one(one, passed)
    return result


def _one_by_one(contracts: Contracts, passed: float) -> Floats:
    """Price each spot separately, where the nodes would lie too close to one of them."""
    left = contracts.years - passed
    value = _intrinsic(contracts.spot, contracts.strike, contracts.is_call)
    rows = np.flatnonzero(left > 0.0)
    if rows.size:
        later = contracts._replace(years=left, dividend_times=contracts.dividend_times - passed)
        taken = Contracts._make(column[rows] for column in later)
        value[rows] = lattice_values(*taken).value
    return value


def _intrinsic(spot: Floats, strike: Floats, is_call: NDArray[np.bool_]) -> Floats:
    worth: Floats = np.maximum(np.where(is_call, spot - strike, strike - spot), 0.0)
    return worth
