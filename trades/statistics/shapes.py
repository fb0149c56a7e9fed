"""Bodies of the statistics. Each figure is defined in docs/statistics.md."""

from __future__ import annotations

from typing import Annotated

from config.core.api import shapes as base
from config.core.api.shapes import Double, Number, Shape, about


class Measures(Shape, kw_only=True):
    trades: int
    wins: int
    losses: int
    net: Annotated[Double, about("After costs, of trades closed in the days.")]
    win_rate: Annotated[Number, about("wins / (wins + losses); results under 0.005 are neither.")]
    profit_factor: Annotated[Number, about("null without losses.")]
    expectancy: Annotated[Number, about("Mean net of a trade.")]
    expectancy_r: Annotated[Number, about("Mean of net / initial risk, where that is limited.")]
    trades_with_risk: int
    average_win: Number
    average_loss: Number
    largest_win: Number
    largest_loss: Number


class Group(Shape, kw_only=True):
    dimension: str
    label: str
    rank: Annotated[int | None, about("By expectancy; null with fewer than 20 trades.")]
    measures: Measures


class Day(Shape, kw_only=True):
    date: base.Day
    net: Annotated[Double, about("Realised that day, after costs.")]
    cumulative: Double


class Month(Shape, kw_only=True):
    month: Annotated[str, about("YYYY-MM")]
    net: Annotated[Double, about("Realised in the month. The months add up to `realised`.")]
    trades: Annotated[int, about("Closed in the month.")]


class Bin(Shape, kw_only=True):
    low: Double
    high: Annotated[Double, about("Not included.")]
    trades: int


class OtherCurrency(Shape, kw_only=True):
    currency: str
    trades: int


class Returns(Shape, kw_only=True):
    days: Annotated[int, about("Session days with a closing balance.")]
    skipped: Annotated[int, about("Days without a return.")]
    time_weighted: Number
    money_weighted: Annotated[Number, about("XIRR, a year; null over less than 28 days.")]
    sharpe: Annotated[Number, about("Per year; null over less than 28 days.")]
    starting_balance: Number
    accounts_left_out: Annotated[int, about("In other currencies.")]


class Exit(Shape, kw_only=True):
    rule: Annotated[str, about("25, 50, 75: percent of the maximum profit; 21: days to expiry.")]
    trades: Annotated[int, about("With marks, to which the rule applies.")]
    reached: int
    net: Annotated[Double, about("Had each closed at the first mark that reached it.")]
    actual: Annotated[Double, about("What the same trades brought.")]


class Marks(Shape, kw_only=True):
    trades: Annotated[int, about("With at least one mark.")]
    seen: Annotated[int, about("Minutes with a mark of every leg.")]
    expected: Annotated[int, about("Minutes of sessions while the trades were open.")]
    average_worst: Annotated[Number, about("Mean maximum adverse excursion.")]
    average_best: Annotated[Number, about("Mean maximum favourable excursion.")]
    exits: list[Exit]


class Statistics(Shape, kw_only=True):
    currency: str
    start: base.Day
    end: base.Day
    realised: Annotated[Double, about("In the days, closed parts of open trades included.")]
    gross: Double
    costs: Double
    measures: Measures
    drawdown: Annotated[Double, about("The deepest fall of realised money from its peak.")]
    drawdown_share: Annotated[Number, about("Of the peak; null without a starting balance.")]
    returns: Returns
    unknown_basis: Annotated[int, about("Closed trades left out: their opening is not known.")]
    other_currencies: list[OtherCurrency]
    marks: Marks
    groups: list[Group]
    days: list[Day]
    months: list[Month]
    distribution: list[Bin]
