"""Shapes of a portfolio's state at a moment."""

from __future__ import annotations

from typing import Annotated

from config.core.api.shapes import Day, Double, Moment, Number, Shape, about


class PositionThen(Shape, kw_only=True):
    account_id: str
    symbol: str
    instrument_type: str
    underlying: str
    expiry: Day | None
    strike: Number
    right: str | None
    dte: Annotated[int | None, about("Calendar days to expiry at the moment.")]
    quantity: Double
    multiplier: Double
    currency: str
    opened_at: Annotated[Moment, about("Of the oldest lot.")]
    avg_price: Annotated[Number, about("null: the basis of a lot is not known.")]
    price: Number
    price_source: str | None
    price_as_of: Moment | None
    market_value: Number
    unrealized_pnl: Annotated[Number, about("Before costs.")]
    delta: Annotated[Number, about("Greeks are per unit of the underlying.")]
    gamma: Number
    theta: Number
    vega: Number
    iv: Number
    underlying_price: Number
    greeks_source: str | None
    greeks_as_of: Moment | None


class AccountThen(Shape, kw_only=True):
    account_id: str
    currency: str
    net_liquidation: Number
    source: str | None
    as_of: Moment | None


class TotalsThen(Shape, kw_only=True):
    currency: str
    market_value: Number
    unrealized_pnl: Number
    dollar_delta: Number
    dollar_gamma: Number
    theta: Number
    vega: Number
    legs: int
    legs_without_greeks: int
    unconverted: Annotated[list[str], about("Currencies without a rate: their legs are left out.")]


class PortfolioState(Shape, kw_only=True):
    at: Moment
    accounts: list[AccountThen]
    positions: list[PositionThen]
    totals: TotalsThen
    unknown_openings: Annotated[
        int, about("Lots closed later whose opening is not known: perhaps held, not listed.")
    ]
