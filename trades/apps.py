from __future__ import annotations

from django.apps import AppConfig


class TradesConfig(AppConfig):
    name = "trades"
    verbose_name = "Journal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portfolio.book.day_fills import register_fill_reader
        from trades import tasks  # noqa: F401
        from trades.analytics.resources import declare_analytics
        from trades.trade_signals.dashboard.resources import declare_signals

        register_fill_reader("trades.executions.day_fills.read_day_fills")
        declare_analytics()
        declare_signals()
