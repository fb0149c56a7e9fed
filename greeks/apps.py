from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings

from config.core.caching.resources import declare_resource
from config.core.front_door.resources import register_resource
from config.core.http.servers import register_server
from config.core.live.streams import register_stream
from config.core.sandbox.registry import register_sandbox_server


class GreeksConfig(AppConfig):
    name = "greeks"
    verbose_name = "Greeks and instruments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from config.core.caching import warmer  # noqa: F401 - its health checks
        from greeks import receivers, tasks  # noqa: F401
        from greeks.alerts import checks  # noqa: F401
        from greeks.alerts.metrics import register_chain_metrics
        from greeks.gex.resource import GEX
        from greeks.polling import health as market_health  # noqa: F401
        from greeks.polling.instruments import polled_underlyings
        from greeks.providers import health  # noqa: F401
        from greeks.providers.chain_registry import register_underlyings

        self.register_market_data()
        register_underlyings(polled_underlyings)
        register_chain_metrics()
        declare_resource(GEX)
        register_stream("cache_warmer", "config.core.caching.warmer.warm_for_ever")
        for provider in ("upstox", "polygon", "cboe"):
            register_server(provider, f"greeks.providers.servers.describe_{provider}")
        register_sandbox_server("polygon", "greeks.sandbox.polygon.server.build_server")
        register_sandbox_server("upstox", "greeks.sandbox.upstox.server.build_server")
        register_sandbox_server("cboe", "greeks.sandbox.cboe.server.build_server")

    @staticmethod
    def register_market_data() -> None:
        """Let the front door serve public market data."""
        if settings.MARKET_DATA_PUBLIC:
            register_resource(
                "market_data",
                path="/market/data",
                source="greeks.market.bodies.front_door.MarketSource",
                is_public=True,
            )
