"""Rows of the book in the API. The risk monitor's bodies hold them."""

from __future__ import annotations

from typing import Annotated, Any

from config.core.api.shapes import Day, Moment, Number, Shape, about


class PositionRow(Shape):
    id: str
    account_id: str
    symbol: str
    instrument_type: str
    underlying: str
    group: Annotated[
        str,
        about("Its row of by_underlying: /ES for each month of that future and options on them."),
    ]
    future_expiry: Annotated[
        Day | None, about("Of the future that an option on one delivers, where it is known.")
    ]
    expiry: Day | None
    strike: Number
    right: str | None
    dte: int | None
    quantity: float
    multiplier: float
    currency: str
    avg_price: Number
    price: Number
    price_source: Annotated[
        str | None,
        about("model: our model's, as of the underlying's move, until the option's own comes."),
    ]
    price_as_of: Moment | None
    market_value: Number
    unrealized_pnl: Number
    value_conflict: Annotated[
        str, about("Which of the broker's own figures the price contradicts; else empty.")
    ]
    opening_price: Number
    previous_close: Number
    daily_change: Number
    daily_change_percent: Number
    deliverable: Annotated[
        Number,
        about("Units of the underlying per contract: the multiplier, but of an adjusted option."),
    ]
    deliverable_cash: Annotated[
        Number, about("Money an adjusted option delivers on top, per contract.")
    ]
    exercise_style: Annotated[
        str | None,
        about("european or american; null if unknown, and for what is no option on shares."),
    ]
    delta: Annotated[Number, about("Per unit delivered, per 1 of the underlying.")]
    gamma: Annotated[Number, about("Per unit delivered, per 1 of the underlying.")]
    theta: Annotated[Number, about("Per unit delivered and calendar day.")]
    vega: Annotated[Number, about("Per unit delivered and volatility point.")]
    iv: Annotated[Number, about("Implied volatility as a fraction: 0.25 is 25 %.")]
    open_interest: Annotated[
        int | None, about("Contracts, of all holders; null for what is no option.")
    ]
    greeks_source: str | None
    greeks_as_of: Moment | None
    greeks_last_known: bool
    source: str
    as_of: Moment


class OrderRow(Shape):
    id: str
    account_id: str
    broker_order_id: str
    symbol: str
    description: str
    status: str
    order_type: str
    time_in_force: str
    quantity: Number
    filled_quantity: Number
    limit_price: Number
    currency: Annotated[str | None, about("Of the limit price: that of its legs.")]
    legs: list[dict[str, Any]]
    placed_at: Moment | None
    updated_at: Moment | None
    source: str
    as_of: Moment
