"""Body of the latest chain, in the shape in which a poll stores it."""

from __future__ import annotations

from typing import Annotated

from config.core.api.shapes import Day, Moment, Number, Shape, about

SumsByGreek = dict[str, dict[str, Number]]


class Contract(Shape):
    """One contract. Its numbers may be NaN, which msgspec writes as null."""

    key: str
    bid: Number
    ask: Number
    last: Number
    iv: Number
    delta: Number
    gamma: Number
    theta: Number
    vega: Number
    greeks_source: Annotated[
        str | None, about("The vendor, model, or null where nobody computed them.")
    ]
    volume: Number
    open_interest: Number
    previous_open_interest: Number


class Strike(Shape):
    """Both sides of a strike; an unlisted side is null."""

    strike: Number
    call: Contract | None
    put: Contract | None


class MarketChain(Shape):
    schema: int
    slug: str
    name: str
    instrument_key: str
    expiry: Day
    as_of: Moment
    source: str
    simulated: bool
    spot: Number
    lot_size: int | None
    counts_contracts: bool
    sums: Annotated[SumsByGreek, about("By Greek and side.")]
    vendor: Annotated[SumsByGreek, about("By Greek and side, of the vendor's own Greeks.")]
    strikes: list[Strike]
    max_pain: Number = None
    minute: Annotated[
        Moment | None, about("The minute of a past day whose close this is; null: the latest poll.")
    ] = None
    kept_minutes: Annotated[
        list[Moment], about("With a date: the minutes of that day that have a chain.")
    ] = []
