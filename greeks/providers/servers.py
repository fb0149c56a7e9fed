"""The market-data servers shown on ``/system``; their clients count calls by the same names."""

from __future__ import annotations

from django.conf import settings

from config.core.http.budget import CallBudget
from config.core.http.servers import ProviderServer
from greeks.providers.polygon.client import server_name as polygon_name
from greeks.providers.upstox.client import WINDOWS
from greeks.providers.upstox.client import server_name as upstox_name
from greeks.providers.upstox.provider import is_configured as upstox_is_configured


def describe_upstox() -> ProviderServer | None:
    if not upstox_is_configured():
        return None
    name = upstox_name(settings.UPSTOX_URL)
    return ProviderServer(
        url=settings.UPSTOX_URL,
        budgets=[
            CallBudget(f"{name}.{seconds:g}s", limit=limit, seconds=seconds)
            for limit, seconds in WINDOWS
        ],
    )


def describe_polygon() -> ProviderServer | None:
    if not settings.POLYGON_API_KEY:
        return None
    allowed, name = settings.POLYGON_CALLS_PER_MINUTE, polygon_name(settings.POLYGON_URL)
    budgets = [CallBudget(name, limit=allowed, seconds=60)] if allowed else []
    return ProviderServer(url=settings.POLYGON_URL, budgets=budgets)


def describe_cboe() -> ProviderServer | None:
    return ProviderServer(url=settings.CBOE_URL) if settings.CBOE_URL else None
