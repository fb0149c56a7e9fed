from __future__ import annotations

from django.apps import AppConfig

from config.core.sandbox.registry import register_sandbox_books, register_sandbox_server


class PortfolioConfig(AppConfig):
    name = "portfolio"
    verbose_name = "Portfolio"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portfolio import receivers  # noqa: F401

        register_sandbox_books("portfolio.sandbox.books.SimulatedBooks")
        register_sandbox_server(
            "ibkr_portal", "portfolio.sandbox.ibkr_portal.build_server", base_path="/v1/api"
        )
