"""The brokers' servers on ``/system``, under the names their callers count by."""

from __future__ import annotations

from django.conf import settings

from config.core.http.servers import ProviderServer
from portfolio.brokers.ibkr_flex.client import call_budgets as flex_budgets
from portfolio.brokers.ibkr_portal.gateway import call_budgets


def describe_ibkr_portal() -> ProviderServer | None:
    if settings.IBKR_CONNECTION != "portal":
        return None
    # The budget for all calls; endpoint budgets cover one call each.
    budgets = [budget for path, budget in call_budgets().items() if not path]
    return ProviderServer(url=settings.IBKR_PORTAL_URL, budgets=budgets)


def describe_ibkr_flex() -> ProviderServer | None:
    if not (settings.IBKR_FLEX_TOKEN and settings.IBKR_FLEX_QUERY_ID):
        return None
    return ProviderServer(url=settings.IBKR_FLEX_URL, budgets=flex_budgets())


def describe_tastytrade() -> ProviderServer | None:
    if not settings.TASTYTRADE_REFRESH_TOKEN:
        return None
    return ProviderServer(url=settings.TASTYTRADE_URL)
