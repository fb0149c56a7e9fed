"""Bodies of the portfolio's API."""

from __future__ import annotations

from typing import Annotated, Literal

from config.core.api.shapes import Day, Moment, Number, Shape, about
from portfolio.book.shapes import OrderRow, PositionRow
from portfolio.risk.shapes import Exposures
from portfolio.sync.shapes import Fault


class Clock(Shape):
    now: Annotated[Moment | None, about("Where the market's clock stands; null while it runs.")]
    frozen: bool


class AccountRow(Shape):
    account_id: str
    broker: str
    label: str
    currency: str
    net_liquidation: Number
    buying_power: Number
    excess_liquidity: Number
    maint_margin: Number
    unrealized_pnl: Number
    unrealized_pnl_source: Annotated[
        str | None, about("broker, or positions where the broker gives none.")
    ]
    realized_pnl: Number
    cash: Number
    last_synced: Moment | None
    as_of: Moment | None
    source: str | None
    stale: bool
    simulated: bool
    unconfirmed_empty: bool
    last_outcome: Annotated[
        Literal["succeeded", "partial", "unconfirmed", "failed"] | None,
        about("Of the last finished sync. partial: stored, without what error names."),
    ]
    error: Fault | None


class Group(Exposures):
    daily_change: Number


class UnderlyingGroup(Group):
    underlying: Annotated[str, about("SPY; /ES with all its months; Z:GBP outside the dollar.")]


class ExpiryGroup(Group):
    expiry: Day
    dte: int


class CurrencyGroup(Shape):
    currency: str
    legs: int
    market_value: Number
    daily_change: Number
    dollar_delta: Number
    theta: Number
    vega: Number


class Totals(Exposures):
    currency: str
    net_liquidation: Number
    maint_margin: Number
    unrealized_pnl: Number
    daily_change: Number
    daily_change_percent: Annotated[Number, about("Of net liquidation.")]
    theta_to_net_liq: Number
    margin_use: Number
    legs_without_daily_change: int
    legs_without_dollar_delta: int
    legs_without_beta: int
    unconverted: list[str]
    value_conflicts: Annotated[
        list[str], about("Positions whose broker's value or P&L the price contradicts, and how.")
    ]
    by_currency: list[CurrencyGroup]
    by_underlying: list[UnderlyingGroup]
    by_expiry: list[ExpiryGroup]


class WorstCell(Shape):
    spot: Annotated[float, about("Move of every spot in percent.")]
    vol: Annotated[float, about("Change of volatility in points.")]
    days: int
    pnl: float
    as_of: Moment
    version: Annotated[int, about("Of the book that it was computed from.")]
    left_out: Annotated[int, about("Legs that could not be valued.")]


class Scenarios(Shape):
    worst: WorstCell | None
    grid_url: str


class RiskMonitor(Shape):
    schema: int
    version: int
    as_of: Moment | None
    stale: bool
    refreshing: Annotated[
        bool, about("A refresh of Greeks was asked for, and has not been committed yet.")
    ]
    simulated: bool
    clock: Clock
    accounts: list[AccountRow]
    positions: list[PositionRow]
    totals: Totals
    scenarios: Scenarios


class Accounts(Shape):
    as_of: Moment | None
    accounts: list[AccountRow]


class Positions(Shape):
    as_of: Moment | None
    positions: list[PositionRow]


class Orders(Shape):
    orders: list[OrderRow]


class Series(Shape):
    at: list[Moment]
    net_liquidation: list[Number]
    dollar_delta: list[Number]
    dollar_gamma: list[Number]
    theta: list[Number]
    vega: list[Number]


class History(Shape):
    schema: int
    account_ids: list[str]
    resolution: Literal["minute", "day"]
    start: Day | None
    end: Day | None
    currency: str
    series: Series
