"""The portfolio's resources on the dashboard. Never cached: always read from the database."""

from __future__ import annotations

from config.core.caching.resources import Resource, declare_resource

POSITIONS = Resource(
    name="positions",
    path="/api/positions",
    section="positions",
    parameters=("account_id",),
    fetch="portfolio.dashboard.positions.read_positions",
    shape="portfolio.dashboard.shapes.Positions",
)
HEALTH = Resource(
    name="health",
    path="/health",
    section="health",
    fetch="portfolio.dashboard.health.read_health",
    shape="portfolio.dashboard.shapes.HealthStatus",
    is_public=True,
    has_own_view=True,
)


def declare_dashboard() -> None:
    for resource in (POSITIONS, HEALTH):
        declare_resource(resource)
