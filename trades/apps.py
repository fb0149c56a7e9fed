from __future__ import annotations

from django.apps import AppConfig


class TradesConfig(AppConfig):
    name = "trades"
    verbose_name = "Journal"
    default_auto_field = "django.db.models.BigAutoField"
