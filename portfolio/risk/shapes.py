"""Bodies of the risk API."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from config.core.api.shapes import Day, Double, Moment, Number, Shape, about, some


class Exposures(Shape):
    """What the legs of a row add up to, in the report and in the risk monitor."""

    market_value: Number
    delta: Annotated[Number, about("Shares; null over several underlyings.")]
    dollar_delta: Number
    beta_weighted_delta: Annotated[Number, about("Shares of the benchmark.")]
    gamma: Annotated[
        Number, about("Shares per 1 of the underlying; null over several underlyings.")
    ]
    dollar_gamma: Annotated[Number, about("Change of the dollar delta per 1 % of the underlying.")]
    beta_weighted_gamma: Annotated[Number, about("Shares of the benchmark per 1 of the benchmark.")]
    theta: Annotated[Number, about("Per calendar day.")]
    vega: Annotated[Number, about("Per volatility point.")]
    legs: int
    legs_without_greeks: int


class Row(Exposures):
    legs_without_beta: int


class MoneyRow(Row):
    net_liquidation: Number
    maint_margin: Number
    margin_use: Number
    theta_to_net_liq: Number


class AccountRisk(MoneyRow):
    account_id: str
    label: str


class PortfolioRisk(MoneyRow):
    id: str
    name: str


class UnderlyingRisk(Row):
    underlying: Annotated[str, about("SPY; /ES with all its months; Z:GBP outside the dollar.")]
    spot: Annotated[Number, about("In its currency; null over several months of a future.")]
    beta: Number
    beta_source: Literal["set", "history", "self"] | None
    beta_as_of: Moment | None
    beta_observations: int | None


class ExpiryRisk(Row):
    expiry: Day
    dte: int


class LegRisk(Row):
    id: str
    symbol: str
    account_id: str
    underlying: str
    expiry: Day | None
    strike: Number
    right: str | None
    quantity: float
    multiplier: float
    price_currency: Annotated[str, about("Of the price; the figures are in the report's.")]
    price: Number
    iv: Annotated[Number, about("Implied volatility as a fraction: 0.25 is 25 %.")]
    model: Literal["european", "american", "linear"]
    greeks_source: str | None


class Benchmark(Shape):
    symbol: str
    price: Annotated[Number, about("In the report's currency.")]
    price_as_of: Moment | None
    choices: list[str]


class Tenor(Shape):
    tenor: str
    from_days: int
    to_days: int | None
    vega: Number
    legs: int


class Concentration(Shape):
    underlying: str
    gross_dollar_delta_share: Number
    gross_market_value_share: Number


class UnderlyingGamma(Shape):
    underlying: str
    gamma: Number
    dollar_gamma: Number
    legs: int


class GammaNearExpiry(Shape):
    days: int
    gamma: Number
    dollar_gamma: Number
    by_underlying: list[UnderlyingGamma]


class ExpectedMove(Shape):
    underlying: str
    currency: str
    expiry: Day
    dte: int | None
    implied_volatility: Number
    move: Annotated[Number, about("One standard deviation, in the underlying's currency.")]
    move_percent: Number
    source: str


class Quantile(Shape):
    confidence: float
    var: Annotated[float, about("Loss as a positive number.")]
    expected_shortfall: float


class ValueAtRisk(Shape, rename={"from_": "from"}):
    horizon_days: int
    confidences: list[float]
    parametric: list[Quantile] | None
    scenario: list[Quantile] | None
    observations: int
    from_: Day | None
    to: Day | None
    left_out: list[str]
    method: dict[str, str]


class RiskReport(Shape):
    schema: int
    version: int
    as_of: Moment | None
    currency: str
    simulated: bool
    stale: bool
    unconverted: list[str]
    benchmark: Benchmark
    totals: MoneyRow
    accounts: list[AccountRisk]
    portfolios: list[PortfolioRisk]
    underlyings: list[UnderlyingRisk]
    expiries: list[ExpiryRisk]
    legs: list[LegRisk]
    vega_by_tenor: list[Tenor]
    concentration: list[Concentration]
    gamma_near_expiry: GammaNearExpiry
    expected_move: list[ExpectedMove]
    value_at_risk: ValueAtRisk


class Axes(Shape):
    spot: list[float]
    vol: list[float]
    days: list[int]


class LegShare(Shape):
    id: str
    symbol: str
    underlying: str
    pnl: float
    share: Annotated[Number, about("Of the cell's P&L; null where that is nought.")]


class Worst(Shape):
    spot: float
    vol: float
    days: int
    pnl: float
    pnl_percent_of_net_liq: Number


class Cell(Worst):
    legs: list[LegShare]


class LeftOut(Shape):
    id: str
    symbol: str
    reason: str


class Models(Shape):
    european: int
    american: int
    linear: int


class ScenarioGrid(Shape):
    schema: int
    version: int
    as_of: Moment | None
    currency: str
    move: Literal["uniform", "beta"]
    benchmark: str | None
    axes: Axes
    base_value: Annotated[Number, about("What the models say that the legs are worth now.")]
    pnl: Annotated[list[list[list[float]]], about("[day][vol][spot]")]
    worst: Cell | None
    best: Cell | None
    cell: Cell | None
    left_out: list[LeftOut]
    models: Models
    american_error: Annotated[
        float, about("The most that the American models' error may make of a cell.")
    ]
    unconverted: list[str]


class Shift(Shape):
    underlying: Annotated[str, about("A symbol, or * for all others.")]
    spot: Annotated[Double | UnsetType, about("Percent.")] = UNSET
    vol: Annotated[Double | UnsetType, about("Volatility points.")] = UNSET


class ScenarioWrite(Shape, kw_only=True):
    name: Annotated[str, Meta(max_length=64)]
    shifts: Annotated[list[Shift], some()]
    days: int | UnsetType = UNSET


class SavedScenario(Shape):
    id: str
    name: str
    shifts: list[Shift]
    days: int


class SavedScenarios(Shape):
    scenarios: list[SavedScenario]


class ScenarioResult(Shape):
    pnl: float
    pnl_percent_of_net_liq: Number
    legs: list[LegShare]
    left_out: list[LeftOut]
    currency: str
    version: int
    as_of: Moment | None


class ScenarioWithResult(SavedScenario):
    result: ScenarioResult
