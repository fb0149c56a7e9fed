"""The desk's health as a section of the dashboard."""

from __future__ import annotations

from config.core.health import run_checks
from portfolio.dashboard.shapes import HealthCheck, HealthStatus


def read_health() -> HealthStatus:
    """Run all checks now."""
    health = run_checks()
    return HealthStatus(
        status=health.status,
        checks={
            name: HealthCheck(result.status, result.age_seconds, result.detail)
            for name, result in health.checks.items()
        },
    )
