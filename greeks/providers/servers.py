"""The market-data servers shown on ``/system``; their clients count calls by the same names."""

from __future__ import annotations

from django.conf import settings

from config.core.http.servers import ProviderServer
from greeks.providers.polygon.client import call_budgets as polygon_budgets
from greeks.providers.upstox.client import call_budgets as upstox_budgets
from greeks.providers.upstox.provider import is_configured as upstox_is_configured


def describe_upstox() -> ProviderServer | None:
    if not upstox_is_configured():
        return None
    return ProviderServer(url=settings.UPSTOX_URL, budgets=upstox_budgets(settings.UPSTOX_URL))


def describe_polygon() -> ProviderServer | None:
    if not settings.POLYGON_API_KEY:
        return None
    budgets = polygon_budgets(
        settings.POLYGON_URL, calls_per_minute=settings.POLYGON_CALLS_PER_MINUTE
    )
    return ProviderServer(url=settings.POLYGON_URL, budgets=budgets)


def describe_cboe() -> ProviderServer | None:
    return ProviderServer(url=settings.CBOE_URL) if settings.CBOE_URL else None
