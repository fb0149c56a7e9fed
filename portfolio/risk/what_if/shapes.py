"""Bodies of the what-if."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, UnsetType

from config.core.api.shapes import Day, Double, Moment, Number, Shape, about, some
from portfolio.risk.shapes import LegRisk, Quantile, Row, Tenor, Worst


class Change(Shape):
    action: Literal["add", "change", "close"]
    position_id: str | UnsetType = UNSET
    underlying: str | UnsetType = UNSET
    instrument_type: Literal["option", "stock"] | UnsetType = UNSET
    expiry: Day | UnsetType = UNSET
    strike: Double | UnsetType = UNSET
    right: Literal["C", "P"] | UnsetType = UNSET
    quantity: Annotated[Double | UnsetType, about("Signed; of a change, the new one.")] = UNSET
    price: Double | UnsetType = UNSET
    currency: Annotated[
        str | UnsetType, about("Of three letters; needed where a name is known in several.")
    ] = UNSET
    implied_volatility: Annotated[Double | UnsetType, about("As a fraction.")] = UNSET


class WhatIfRequest(Shape, kw_only=True):
    account_id: str | UnsetType = UNSET
    portfolio: int | UnsetType = UNSET
    benchmark: str | UnsetType = UNSET
    changes: Annotated[list[Change], some()]


class WhatIfValueAtRisk(Shape):
    parametric: list[Quantile] | None
    scenario: list[Quantile] | None


class Numbers(Row):
    net_liquidation: Number
    theta_to_net_liq: Number
    vega_by_tenor: list[Tenor]
    worst: Worst | None
    value_at_risk: WhatIfValueAtRisk


class WhatIfLeg(LegRisk):
    price_source: str
    iv_source: str | None


class WhatIf(Shape):
    schema: int
    version: int
    as_of: Moment | None
    currency: str
    before: Numbers
    after: Numbers
    difference: Numbers
    legs: list[WhatIfLeg]
    notes: list[str]
