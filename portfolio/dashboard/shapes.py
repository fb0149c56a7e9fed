"""Bodies of the dashboard. Its sections' own bodies are with the apps that declare them."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, cast

import msgspec

from config.core.api.shapes import Moment, Number, Shape, about
from portfolio.dashboard.sections import dashboard_resources


class Position(Shape):
    id: str
    symbol: str
    quantity: float
    entry_price: Number
    current_price: Number
    pnl: Annotated[Number, about("Unrealised.")]
    currency: Annotated[str, about("Of the prices and the P&L.")]
    status: Annotated[str, about("open or closed")]


#: The section and ``GET /api/positions``.
Positions = list[Position]


class HealthCheck(Shape):
    status: Literal["ok", "degraded", "down"]
    age_seconds: Number
    detail: str


class HealthStatus(Shape):
    status: Annotated[
        Literal["ok", "degraded", "down"], about("down: the database is not reachable.")
    ]
    checks: dict[str, HealthCheck]


class SectionCache(Shape):
    """Where a section's body comes from."""

    hit: bool
    stale: Annotated[bool, about("The last good one: it could not be read anew.")]
    timestamp: Annotated[Moment, about("When the body was read or computed.")]
    ttl_remaining: Annotated[Number, about("Seconds; null for what is never cached.")]
    age_seconds: float


class DashboardMetadata(Shape):
    response_time_ms: float
    cache_hits: Annotated[list[str], about("Sections that the cache answered.")]
    cache_misses: Annotated[list[str], about("Cached sections that had to be computed.")]
    timestamp: Moment
    cache: Annotated[dict[str, SectionCache], about("By section; without those that failed.")]


@cache
def dashboard_shape() -> type[Shape]:
    """Return the body of ``GET /api/dashboard``: a field for each declared section."""
    sections = [(str(each.section), each.body_type | None) for each in dashboard_resources()]
    errors = Annotated[
        dict[str, str] | None, about("What failed, by section; absent if nothing did.")
    ]
    fields: list[Any] = [
        *sections,
        ("metadata", DashboardMetadata),
        ("errors", errors, None),
    ]
    made: Any = msgspec.defstruct("Dashboard", fields, bases=(Shape,), module=__name__)
    return cast("type[Shape]", made)
