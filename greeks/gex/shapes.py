"""Bodies of gamma exposure."""

from __future__ import annotations

from typing import Annotated, Literal

from config.core.api.shapes import Column, Day, Moment, Number, Shape, about


class ZeroGamma(Shape):
    level: Annotated[Number, about("The crossing nearest to the spot; null: see reason.")]
    reason: Annotated[
        Literal["thin", "one_sided", "edge"] | None, about("Why there is no headline level.")
    ]
    crossings: Annotated[list[float], about("All of them, ascending, within 0.8 to 1.2 of spot.")]


class GexSums(Shape):
    """Sums of exposure, signed, in the currency: gamma a 1 % move, vanna a volatility point,
    charm a calendar day."""

    gamma_exposure: Annotated[Number, about("Net: calls and puts, each with the dealers' sign.")]
    absolute_exposure: Annotated[Number, about("Regardless of sign.")]
    call_exposure: Number
    put_exposure: Number
    vanna_exposure: Number
    charm_exposure: Number
    call_wall: Annotated[Number, about("At or above the spot, the most call exposure.")]
    put_wall: Annotated[Number, about("At or below the spot, the most put exposure.")]
    largest_call_strike: Annotated[Number, about("The most call exposure at any strike.")]
    largest_put_strike: Number
    zero_gamma: ZeroGamma


class GexDefinition(Shape):
    name: str
    version: Annotated[str, about("Stored with each snapshot; history shows one version only.")]
    words: str
    dealers: str
    dealers_words: str


class GexStrikes(Shape):
    strike: list[float]
    call: Column
    put: Column
    vanna: Column
    charm: Column


class GexExpiries(Shape):
    expiry: list[Day]
    zero_dte: list[bool]
    call: Column
    put: Column
    vanna: Column
    charm: Column


class GexCells(Shape):
    """The heat map: net exposure of the strikes with the most, by the nearest expiries."""

    strike: list[float]
    expiry: list[Day]
    net: list[Column]


class GexProfile(Shape):
    """Net exposure with every option priced anew at each level of the spot."""

    level: Column
    net: Column
    without_zero_dte: Column


class GexCounts(Shape):
    contracts: Annotated[int, about("Summed.")]
    unpriced: Annotated[int, about("Of those, without a volatility: at the vendor's gamma.")]
    undetermined: Annotated[int, about("Left out: neither volatility nor gamma.")]
    expired: int
    without_open_interest: Annotated[int, about("Left out: open interest unknown.")]
    adjusted: Annotated[int, about("Left out: their deliverable is not a hundred units.")]


class GexData(GexSums):
    """Gamma exposure of one underlying. An external service gives sums only: no ``detail``."""

    schema: int
    symbol: str
    name: str
    currency: str
    source: str
    simulated: bool
    spot: Number
    timestamp: Annotated[Moment, about("Of the oldest quotes it is made of.")]
    computed_at: Moment
    open_interest_as_of: Day | None
    definition: GexDefinition
    zero_dte_share: Annotated[Number, about("Today's expiry's share of the absolute exposure.")]
    expiries: Annotated[list[Day], about("Those chosen; empty: all.")]
    detail: GexDetail | None
    version: int
    session_date: Day
    spot_source: Annotated[
        str, about("quoted; or parity: no spot was sent, put-call parity of the quotes gives it.")
    ] = "quoted"
    cached: bool = False
    cache_age_seconds: Number = None
    stale: Annotated[bool, about("It could not be computed anew: this is the last good one.")] = (
        False
    )
    problem: Annotated[str | None, about("Why it could not.")] = None
    snapshots: Annotated[
        list[Moment], about("With a date: the snapshots of that day that can be replayed.")
    ] = []


class GexDetail(Shape):
    without_zero_dte: GexSums
    by_strike: GexStrikes
    by_expiry: GexExpiries
    cells: GexCells
    profile: GexProfile
    counts: GexCounts


class GexHistory(Shape):
    """The snapshots of a day, one definition only. Columns of one length."""

    symbol: str
    session_date: Day
    definition: GexDefinition
    dates: Annotated[list[Day], about("The days with snapshots of this definition.")]
    at: list[Moment]
    spot: Column
    gamma_exposure: Column
    gamma_without_zero_dte: Column
    zero_gamma: Column
    call_wall: Column
    put_wall: Column


class GexRefresh(Shape):
    symbol: str
