"""Bodies of the journal's API."""

from __future__ import annotations

from typing import Annotated

from config.core.api.shapes import Double, Moment, Number, Shape, about


class Execution(Shape, kw_only=True):
    id: str
    account_id: str
    broker_execution_id: str
    symbol: str
    underlying: str
    kind: str
    side: Annotated[str | None, about("null: the broker does not say which side it removed.")]
    quantity: Double
    price: Number
    multiplier: Double
    currency: str
    execution_time: Moment
    position_effect: str
    order_id: str
    commission: Annotated[Number, about("Paid: positive. null until it is reported.")]
    fees: Number
    source: str
    live: Annotated[bool, about("false: corrected or cancelled since.")]


class Executions(Shape, kw_only=True):
    executions: list[Execution]
    next: Annotated[str | None, about("Pass as `before` for the next page; null at the end.")]
