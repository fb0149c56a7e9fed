from __future__ import annotations

from django.apps import AppConfig

from config.core.sandbox.registry import register_sandbox_market, register_sandbox_server


class GreeksConfig(AppConfig):
    name = "greeks"
    verbose_name = "Greeks and instruments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from greeks import receivers  # noqa: F401
        from greeks.providers.polygon import health  # noqa: F401

        register_sandbox_market("greeks.sandbox.market.Market")
        register_sandbox_server("polygon", "greeks.sandbox.polygon.server.build_server")
