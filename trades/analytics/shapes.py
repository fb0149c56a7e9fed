"""Bodies of the P&L curve and the daily returns. Each figure is defined in docs/statistics.md."""

from __future__ import annotations

from typing import Annotated, Literal

from config.core.api import shapes as base
from config.core.api.shapes import Double, Number, Shape, about


class PnLPoint(Shape, kw_only=True):
    date: base.Day
    pnl: Annotated[Double, about("Summed from the start of the days.")]
    change: Annotated[Number, about("Of this day; null where a flow's worth is not known.")]
    realised: Annotated[Double, about("Of closed lots after costs, summed from the start.")]
    drawdown: Annotated[Double, about("Below the highest so far, zero or more.")]


class PnLCurveData(Shape, kw_only=True):
    data_points: list[PnLPoint]
    total_pnl: Annotated[Number, about("The last point's; null without one.")]
    cached: Annotated[bool, about("Whether the cache answered.")] = False
    account_id: Annotated[str | None, about("null: all that the user sees.")]
    currency: str
    start: base.Day
    end: base.Day
    basis: Annotated[
        Literal["net_liquidation", "realised"],
        about("realised: no closing balances are known, so only closed lots count."),
    ]
    max_drawdown: Annotated[Double, about("The deepest fall, in money.")]
    skipped: Annotated[int, about("Days that count nothing: a flow's worth is not known.")]
    flows_converted: Annotated[int, about("Of other currencies, at the latest rates.")]
    accounts_left_out: Annotated[int, about("In other currencies.")]
    other_currencies: Annotated[list[str], about("Of closed lots that are left out.")]


class DailyReturn(Shape, kw_only=True):
    date: base.Day
    return_pct: Annotated[Double, about("In percent, deposits and withdrawals left out.")]


class DailyReturnsData(Shape, kw_only=True):
    returns: list[DailyReturn]
    avg_return: Annotated[Number, about("Mean of the daily returns, in percent.")]
    cached: Annotated[bool, about("Whether the cache answered.")] = False
    account_id: Annotated[str | None, about("null: all that the user sees.")]
    currency: str
    start: base.Day
    end: base.Day
    time_weighted_pct: Annotated[Number, about("The daily returns chained, in percent.")]
    money_weighted_pct: Annotated[
        Number, about("XIRR: percent a year; null over less than 28 days.")
    ]
    sharpe: Annotated[Number, about("Per year; null over less than 28 days.")]
    max_drawdown_pct: Annotated[Number, about("Of the chained returns: percent of the peak.")]
    skipped: Annotated[int, about("Days without a return: no base above zero, or unknown flows.")]
    flows_converted: Annotated[int, about("Of other currencies, at the latest rates.")]
    accounts_left_out: Annotated[int, about("In other currencies.")]
