from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from auth_tokens.broker_tokens.sources import register_token_provider
from config.core.background.beat_schedule import write_schedule_after_migrate
from config.core.front_door.resources import register_resource
from config.core.health import heartbeat_check, register_check
from config.core.http.servers import register_server
from config.core.live.streams import register_stream
from config.core.sandbox.registry import (
    register_sandbox_listener,
    register_sandbox_server,
)
from greeks.providers.chain_registry import register_chain_module


class PortfolioConfig(AppConfig):
    name = "portfolio"
    verbose_name = "Portfolio"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portfolio import tasks  # noqa: F401
        from portfolio.accounts import receivers  # noqa: F401
        from portfolio.brokers.ibkr_socket.state import check_gateway
        from portfolio.dashboard.resources import declare_dashboard
        from portfolio.streams import chains  # noqa: F401
        from portfolio.updates import announcing, metrics  # noqa: F401

        post_migrate.connect(
            write_schedule_after_migrate,
            sender=apps.get_app_config("django_celery_beat"),
            dispatch_uid="desk.schedule",
        )
        # Each successful call is a heartbeat of its provider; an unused provider is fine.
        for provider in ("ibkr_portal", "ibkr_socket", "tastytrade", "tastytrade_dxlink"):
            heartbeat_check(f"provider.{provider}", 120.0, expected=False)
        register_check("gateway.ibkr_socket")(check_gateway)
        for provider in ("ibkr_flex", "ibkr_portal", "tastytrade"):
            register_server(provider, f"portfolio.brokers.servers.describe_{provider}")
        register_resource(
            "risk_monitor",
            path="/api/portfolio/risk-monitor/fast",
            source="portfolio.risk_monitor.prepared.RiskMonitorSource",
        )
        register_resource(
            "dashboard",
            path="/api/dashboard",
            source="portfolio.dashboard.front_door.DashboardSource",
            is_live=True,
        )
        declare_dashboard()
        for provider, token_source in (
            ("ibkr_flex", "ibkr_flex.token_source.FlexTokenSource"),
            ("ibkr_portal", "ibkr_portal.token_source.PortalTokenSource"),
            ("tastytrade", "tastytrade.token_source.TastytradeTokenSource"),
        ):
            register_token_provider(provider, f"portfolio.brokers.{token_source}")
        register_chain_module("portfolio.brokers.ibkr_portal.chains")
        register_stream("sessions", "portfolio.streams.sessions.keep_sessions")
        register_stream("prices", "portfolio.streams.publishing.keep_prices_stored")
        register_stream("updates", "portfolio.streams.updates.update_portfolios")
        register_stream("dxlink", "portfolio.streams.dxlink.stream_dxlink")
        register_stream("ibkr_socket", "portfolio.streams.ibkr_socket.own_gateway")
        register_sandbox_server(
            "ibkr_portal", "portfolio.sandbox.ibkr_portal.server.PortalServer", base_path="/v1/api"
        )
        register_sandbox_listener(
            "ibkr_socket", "portfolio.sandbox.ibkr_socket.server.GatewayServer"
        )
        register_sandbox_server("ibkr_flex", "portfolio.sandbox.ibkr_flex.server.build_server")
        register_sandbox_server("tastytrade", "portfolio.sandbox.tastytrade.server.build_server")
        register_sandbox_server(
            "dxlink", "portfolio.sandbox.dxlink.server.build_server", base_path="/realtime"
        )
