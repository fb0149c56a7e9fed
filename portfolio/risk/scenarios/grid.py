"""The grid over spot × volatility × days: leg by leg, one cell, and the worst of the kept ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from config.core.errors import InvalidInput
from greeks.maths import american, discrete_dividends
from portfolio.exposure.columns import BetaWeights, FloatArray, column, ratio
from portfolio.exposure.currencies import rates_into
from portfolio.models import Account, ScenarioGrid
from portfolio.risk.legs import RiskLeg
from portfolio.risk.scenarios.axes import LIMITS, Axes
from portfolio.risk.scenarios.book import LeftOut, ScenarioBook

# Most numbers (cells × legs) in one computation: some tens of megabytes.
MOST_NUMBERS = 5_000_000
MOVES = ("uniform", "beta")
_SAME_MONEY = 0.005


def check_size(axes: Axes, legs: int) -> None:
    """Raise ``InvalidInput`` naming ``spot`` if the book is too large for so many cells."""
    if axes.cells * legs > MOST_NUMBERS:
        most = MOST_NUMBERS // legs
        problem = f"{axes.cells} cells are too many for {legs} legs: at most {most}."
        raise InvalidInput(problem, fields={"spot": problem})


def spot_factors(
    book: ScenarioBook, percent: Sequence[float], *, move: str, weights: BetaWeights
) -> FloatArray:
    """Return the spot multipliers: the same for all, (S,), or by beta, (S, legs).

    With ``move="beta"`` the percentages are the benchmark's; spots are floored at zero. Legs
    without a beta are NaN: ``with_betas`` removes them first.
    """
    moves = np.asarray(percent, dtype=np.float64) / 100.0
    if move == "uniform":
        return 1.0 + moves
    betas = column(weights.beta(leg.leg) for leg in book.legs)
    return np.maximum(1.0 + np.outer(moves, betas), 0.0)


def without_beta(legs: Sequence[RiskLeg], weights: BetaWeights) -> list[LeftOut]:
    """Return the legs without a beta, which a beta-weighted move cannot cover."""
    return [
        LeftOut(leg, f"no beta to {weights.benchmark}")
        for leg in legs
        if weights.beta(leg.leg) is None
    ]


def leg_pnl(
    book: ScenarioBook, axes: Axes, *, move: str = "uniform", weights: BetaWeights
) -> FloatArray:
    """Return P&L of every leg over the axes: (days, volatilities, spots, legs)."""
    check_size(axes, len(book.legs))
    factors = spot_factors(book, axes.spot, move=move, weights=weights)
    return book.pnl(factors, np.asarray(axes.vol) / 100.0, axes.days)


def cell_body(
    book: ScenarioBook, pnl: FloatArray, at: tuple[float, float, int], *, net_liquidation: Any
) -> dict[str, Any]:
    """Return one cell with each leg's P&L and share, largest first. ``pnl`` is by leg, ``at`` spot,
    volatility and days."""
    whole = float(pnl.sum())
    order = np.argsort(-np.abs(pnl), kind="stable")
    part = ratio(whole, net_liquidation)
    return {
        **dict(zip(LIMITS, at, strict=True)),
        "pnl": whole,
        "pnl_percent_of_net_liq": None if part is None else part * 100.0,
        "legs": [
            {
                "id": book.legs[index].id,
                "symbol": book.legs[index].symbol,
                "underlying": book.legs[index].leg.underlying,
                "pnl": float(pnl[index]),
                "share": float(pnl[index]) / whole if whole else None,
            }
            for index in (int(each) for each in order)
        ],
    }


def extreme_cell(totals: FloatArray, *, worst: bool) -> tuple[int, int, int]:
    """Return (day, volatility, spot) of the worst or best cell; the first among cells equal to a
    cent.

    Otherwise rounding would make the cell jump while nothing changes.
    """
    losses = totals if worst else -totals
    first = int(np.argmax(losses <= losses.min() + _SAME_MONEY))
    day, vol, spot = np.unravel_index(first, totals.shape)
    return int(day), int(vol), int(spot)


def left_out_body(left_out: Sequence[LeftOut]) -> list[dict[str, Any]]:
    return [
        {"id": each.leg.id, "symbol": each.leg.symbol, "reason": each.reason} for each in left_out
    ]


def american_error(book: ScenarioBook) -> float:
    """Return the most the American model's stated error can change a cell, as money.

    A P&L is the difference of two prices, each off by that much.
    """
    options = book.options
    error = np.full(len(options), american.PRICE_ERROR)
    if options.dividends is not None:
        error[options.dividends.amounts.any(axis=1)] = discrete_dividends.PRICE_ERROR
    off = 2.0 * error * np.maximum(options.spot, options.strike)
    return float((np.abs(book.scale[: len(options)]) * off)[options.is_american].sum())


def worst_cell_of(accounts: Sequence[Account], currency: str) -> dict[str, Any] | None:
    """Return ``{spot, vol, days, pnl, as_of, version, left_out}`` of the accounts' summed grids.

    ``None`` unless every account has a grid on the same axes that can be converted, and if no leg
    could be valued. ``version`` is the sum of the grids' book versions, ``as_of`` the oldest one's.
    One query, none if ``scenario_grid`` was selected with the accounts; one more for rates if a
    grid is in another currency.
    """
    if not accounts:
        return None
    grids = _grids_of(accounts)
    if len(grids) != len(accounts) or any(grid.axes != grids[0].axes for grid in grids):
        return None
    rates = rates_into(currency, {grid.currency for grid in grids})
    total: Any = 0.0
    for grid in grids:
        rate = 1.0 if grid.currency == currency else rates.get(grid.currency)
        if rate is None:
            return None
        total = total + np.asarray(grid.pnl, dtype=np.float64) * rate
    left_out = sum(grid.left_out for grid in grids)
    if left_out and not total.any():
        return None
    day, vol, spot = extreme_cell(total, worst=True)
    axes = grids[0].axes
    return {
        "spot": axes["spot"][spot],
        "vol": axes["vol"][vol],
        "days": axes["days"][day],
        "pnl": float(total[day, vol, spot]),
        "as_of": min(grid.as_of for grid in grids),
        "version": sum(grid.book_version for grid in grids),
        "left_out": left_out,
    }


def _grids_of(accounts: Sequence[Account]) -> list[ScenarioGrid]:
    name = "scenario_grid"
    if all(name in account._state.fields_cache for account in accounts):
        found = [account._state.fields_cache[name] for account in accounts]
        return [grid for grid in found if grid is not None]
    return list(
        ScenarioGrid.objects.filter(account__in=[account.account_id for account in accounts])
    )
