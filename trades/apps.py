from __future__ import annotations

from django.apps import AppConfig


class TradesConfig(AppConfig):
    name = "trades"
    verbose_name = "Journal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from trades import tasks  # noqa: F401
