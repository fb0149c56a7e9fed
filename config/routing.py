"""All websocket routes."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from django.urls import path, re_path

from config.system.feed import SystemConsumer
from greeks.alerts.feed import AlertConsumer
from greeks.gex.feed import GexConsumer
from greeks.market.consumer import MarketConsumer
from portfolio.dashboard.feed import DashboardConsumer
from portfolio.risk_monitor.consumer import PortfolioConsumer
from trades.reviewing.feed import TradesConsumer


async def no_such_socket(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Refuse the handshake on an unknown path."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


websocket_urlpatterns: list[Any] = [
    path("ws/portfolio", PortfolioConsumer.as_asgi()),
    path("ws/dashboard", DashboardConsumer.as_asgi()),
    path("ws/trades", TradesConsumer.as_asgi()),
    path("ws/alerts", AlertConsumer.as_asgi()),
    path("ws/system", SystemConsumer.as_asgi()),
    path("ws/gex/<str:symbol>", GexConsumer.as_asgi()),
    path("ws/market/<slug:slug>", MarketConsumer.as_asgi()),
    re_path("", cast(Any, no_such_socket)),
]
