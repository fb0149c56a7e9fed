"""The Django app that starts the monitoring of each process."""

from __future__ import annotations

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "config.core.monitoring"

    def ready(self) -> None:
        from config.core.monitoring import alarms  # noqa: F401
        from config.core.monitoring.queries import time_queries

        time_queries()
