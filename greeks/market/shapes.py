"""Bodies of the market's API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, UnsetType

from config.core.api.shapes import Column, Day, Moment, Number, Shape, about


class Session(Shape):
    exchange: str
    zone: str
    opens_at: Moment
    closes_at: Moment
    kind: str


class BaseMinute(Shape):
    minute: Moment
    is_opening: Annotated[bool, about("false: the opening minute is missing, a later one serves.")]


class Sum(Shape):
    close: Column
    change: Annotated[Column, about("Since the minute (or step) before; null after a gap.")]
    from_open: Annotated[Column, about("Since the close of the base minute.")]
    crossed: Annotated[
        Column | UnsetType,
        about(
            "With a delta filter: close less that of the base less from_open, the part of contracts"
            " that entered or left the range."
        ),
    ] = UNSET


class Candle(Sum):
    open: Column | UnsetType = UNSET
    high: Column | UnsetType = UNSET
    low: Column | UnsetType = UNSET


class MarketSides(Shape):
    call: Sum
    put: Sum
    total: Annotated[Candle, about("open, high and low are absent with a delta filter.")]


class MarketSeries(Shape):
    delta: MarketSides
    gamma: MarketSides
    theta: MarketSides
    vega: MarketSides


class VendorSides(Shape):
    call: Column
    put: Column
    total: Column


class Vendor(Shape):
    delta: VendorSides
    gamma: VendorSides
    theta: VendorSides
    vega: VendorSides


class Velocity(Shape):
    change: Number
    second_difference: Number
    word: Literal["accelerating", "slowing", "turning", "steady"] | None


class VelocitySides(Shape):
    call: Velocity
    put: Velocity
    total: Velocity


class Velocities(Shape):
    delta: VelocitySides
    gamma: VelocitySides
    theta: VelocitySides
    vega: VelocitySides


class MarketHead(Shape):
    """What the body says before its columns."""

    schema: int
    stale: Annotated[bool, about("The database is lost: this is the last good body.")]
    slug: str
    name: str
    instrument_key: str
    expiry: Day
    date: Day
    resolution: str
    delta_min: Annotated[Number, about("The range that was summed, in whole buckets of 0.05.")]
    delta_max: Number
    session: Session
    calendar_known_until: Day | None
    base: BaseMinute | None
    opening_spot: Annotated[
        Number, about("What the spot's change since the open counts from, in every resolution.")
    ]
    as_of: Moment | None
    source: str
    simulated: bool
    version: int


class CloseSides(Shape):
    call: Column
    put: Column


class Closes(Shape):
    delta: CloseSides
    gamma: CloseSides
    theta: CloseSides
    vega: CloseSides


class BaseSides(Shape):
    call: Number
    put: Number


class BaseCloses(Shape):
    delta: BaseSides
    gamma: BaseSides
    theta: BaseSides
    vega: BaseSides


class LatestSides(Shape):
    call: Number
    put: Number
    total: Number


class LatestVendor(Shape):
    delta: LatestSides
    gamma: LatestSides
    theta: LatestSides
    vega: LatestSides


class Latest(Shape):
    spot: Number
    call_open_interest: Number
    put_open_interest: Number
    pcr: Number
    max_pain: Number
    atm_implied_volatility: Number
    contracts: Number
    contracts_without_greeks: Number
    contracts_filled: Number
    vendor: Annotated[LatestVendor | None, about("null with a delta filter.")]


class MarketCloses(MarketHead):
    """The body of ``columns=closes``; what it leaves out follows from it."""

    columns: Literal["closes"]
    first_minute: Moment | None
    step_seconds: Annotated[int, about("Minutes are counted from the first.")]
    steps: int
    short: Annotated[
        list[list[int]], about("Of steps with polls missing: place, samples seen, expected.")
    ]
    gap: Annotated[list[int], about("Places of steps without data.")]
    close: Annotated[Closes, about("Both sides together are the sum of calls and puts.")]
    base_close: Annotated[
        BaseCloses | None, about("Since the open is close less this; null with a delta filter.")
    ]
    change: Annotated[Closes | None, about("With a delta filter only.")]
    from_open: Annotated[Closes | None, about("With a delta filter only.")]
    crossed: Annotated[Closes | None, about("With a delta filter only.")]
    velocity: Velocities
    spot: Column
    latest: Annotated[Latest | None, about("Of the last step with data.")]
    forming: Annotated[
        dict[str, Any] | None, about("Null here: the websocket says how the minute forms.")
    ]


class MarketData(MarketHead):
    minutes: list[Moment]
    gap: list[bool]
    samples_seen: list[int]
    samples_expected: list[int]
    series: MarketSeries
    vendor: Annotated[Vendor | None, about("null with a delta filter.")]
    velocity: Velocities
    spot: Column
    call_open_interest: Column
    put_open_interest: Column
    pcr: Column
    max_pain: Column
    atm_implied_volatility: Column
    contracts: Annotated[Column, about("Of the whole chain.")]
    contracts_without_greeks: Column
    contracts_filled: Column
    contracts_in_range: Annotated[list[Number] | None, about("Null without a delta filter.")]
    forming: Annotated[
        dict[str, Any] | None, about("Null here: the websocket says how the minute forms.")
    ]


class OfferedExpiry(Shape):
    expiry: Day
    polled: bool


class ShownSession(Session):
    date: Day
    is_open: bool


class MarketInstrument(Shape):
    slug: str
    name: str
    instrument_key: str
    provider: str
    currency: str
    simulated: bool
    expiries: list[OfferedExpiry]
    dates: list[Day]
    poll_seconds: int
    session: ShownSession | None
    calendar_known_until: Day | None
    as_of: Moment | None


class MarketInstruments(Shape):
    schema: int
    instruments: list[MarketInstrument]
