"""Bodies of a trade's life and its payoff."""

from __future__ import annotations

from typing import Annotated

from config.core.api.shapes import Column, Double, Moment, Number, Shape, about


class LifeSeries(Shape, kw_only=True):
    at: list[Moment]
    pnl: Annotated[Column, about("After costs so far; null where an open leg has no mark.")]
    delta: Annotated[Column, about("In units of the underlying.")]
    gamma: Annotated[Column, about("Delta per 1 of the underlying.")]
    theta: Annotated[Column, about("Money a calendar day.")]
    vega: Annotated[Column, about("Money a volatility point.")]
    underlying: Annotated[Column, about("Its price.")]


class LifeFill(Shape, kw_only=True):
    at: Moment
    role: Annotated[str, about("open or close.")]
    kind: str
    symbol: str
    quantity: Annotated[Double, about("Of the lot that it opened or closed, signed.")]
    price: Number


class TradeLife(Shape, kw_only=True):
    id: str
    currency: str
    minutes_a_point: int
    seen: Annotated[int, about("Points with a mark of every open leg.")]
    expected: Annotated[int, about("Points of sessions from the first opening on.")]
    price_sources: list[str]
    greek_sources: list[str]
    series: LifeSeries
    fills: list[LifeFill]


class TradePayoff(Shape, kw_only=True):
    id: str
    currency: str
    spot: Annotated[Number, about("The underlying's last price.")]
    as_of: Annotated[Moment | None, about("Of the account's book.")]
    strikes: list[Double]
    underlying: Annotated[list[Double], about("Prices at which the columns are computed.")]
    opened: Annotated[
        list[Double] | None, about("At expiry, of what was opened; null with several expiries.")
    ]
    open: Annotated[
        list[Double] | None, about("At the first expiry, of what is open; null without open legs.")
    ]
    now: Annotated[list[Double] | None, about("Of what is open, today, by the models.")]
    lacking: Annotated[list[str], about("What could not be computed, and why.")]
