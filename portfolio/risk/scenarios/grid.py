"""The grid over spot × volatility × days, and what one cell of it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from config.core.errors import InvalidInput
from greeks.maths import american, discrete_dividends
from portfolio.exposure.columns import BetaWeights, FloatArray, column, ratio
from portfolio.risk.legs import RiskLeg
from portfolio.risk.scenarios.axes import Axes
from portfolio.risk.scenarios.book import LeftOut, ScenarioBook

#: Numbers (cells × legs) that one answer may be made of: some tens of megabytes while it is.
MOST_NUMBERS = 5_000_000
MOVES = ("uniform", "beta")
_SAME_MONEY = 0.005


def check_size(axes: Axes, legs: int) -> None:
    """Raises ``InvalidInput`` naming ``spot`` where the book is too large for so many cells."""
    if axes.cells * legs > MOST_NUMBERS:
        most = MOST_NUMBERS // legs
        problem = f"{axes.cells} cells are too many for {legs} legs: at most {most}."
        raise InvalidInput(problem, fields={"spot": problem})


def spot_factors(
    book: ScenarioBook, percent: Sequence[float], *, move: str, weights: BetaWeights
) -> FloatArray:
    """What multiplies the spots: the same for all, (S,), or by beta, (S, legs).

    With ``move="beta"`` the percentages are those of the benchmark; a spot ends at nought. Legs
    without a beta are NaN: ``with_betas`` leaves them out before.
    """
    moves = np.asarray(percent, dtype=np.float64) / 100.0
    if move == "uniform":
        return 1.0 + moves
    betas = column(weights.beta(leg.leg.underlying) for leg in book.legs)
    return np.maximum(1.0 + np.outer(moves, betas), 0.0)


def without_beta(legs: Sequence[RiskLeg], weights: BetaWeights) -> list[LeftOut]:
    """The legs that a beta-weighted move cannot say anything about."""
    return [
        LeftOut(leg, f"no beta to {weights.benchmark}")
        for leg in legs
        if weights.beta(leg.leg.underlying) is None
    ]


def leg_pnl(
    book: ScenarioBook, axes: Axes, *, move: str = "uniform", weights: BetaWeights
) -> FloatArray:
    """P&L of every leg over the axes: (days, volatilities, spots, legs)."""
    check_size(axes, len(book.legs))
    factors = spot_factors(book, axes.spot, move=move, weights=weights)
    return book.pnl(factors, np.asarray(axes.vol) / 100.0, axes.days)


def cell_body(
    book: ScenarioBook,
    pnl: FloatArray,
    *,
    spot: float,
    vol: float,
    days: int,
    net_liquidation: Any,
) -> dict[str, Any]:
    """One cell with each leg's P&L and share of it, largest first. ``pnl`` is by leg."""
    whole = float(pnl.sum())
    order = np.argsort(-np.abs(pnl), kind="stable")
    part = ratio(whole, net_liquidation)
    return {
        "spot": spot,
        "vol": vol,
        "days": days,
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
    """(day, volatility, spot) of the worst or best cell; the first of those equal to a cent.

    Where rounding decided, the cell would jump about while nothing changes.
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
    """The most that the American model's stated error may make of a cell, as money.

    A P&L is the difference of two prices, each of them so far off.
    """
    options = book.options
    error = np.full(len(options), american.PRICE_ERROR)
    if options.dividends is not None:
        error[options.dividends.amounts.any(axis=1)] = discrete_dividends.PRICE_ERROR
    off = 2.0 * error * np.maximum(options.spot, options.strike)
    return float((np.abs(book.scale[: len(options)]) * off)[options.is_american].sum())
