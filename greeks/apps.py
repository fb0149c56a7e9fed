from __future__ import annotations

from django.apps import AppConfig


class GreeksConfig(AppConfig):
    name = "greeks"
    verbose_name = "Greeks and instruments"
    default_auto_field = "django.db.models.BigAutoField"
