"""Admin of alerts: read only. No address is shown."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin

from config.core.admin import OwnRows, ReadOnlyAdmin
from greeks.models import AlertChannel, AlertEvent, AlertRule


class OwnRowsAdmin(OwnRows, ReadOnlyAdmin):
    owner_field = "user"
    list_select_related: ClassVar[tuple[str, ...]] = ("user",)


@admin.register(AlertRule)
class AlertRuleAdmin(OwnRowsAdmin):
    list_display = (
        "user", "instrument", "expiry", "metric", "side", "measure", "comparison", "threshold",
        "enabled", "last_event_minute",
    )  # fmt: skip
    list_filter = ("enabled", "metric", "instrument")
    list_select_related = ("user", "instrument")


@admin.register(AlertChannel)
class AlertChannelAdmin(OwnRowsAdmin):
    list_display = (
        "user", "name", "service", "host", "enabled", "failures", "last_sent_at", "last_error",
    )  # fmt: skip
    list_filter = ("enabled", "service")
    exclude = ("address_encrypted",)


@admin.register(AlertEvent)
class AlertEventAdmin(OwnRowsAdmin):
    list_display = ("created_at", "user", "kind", "title", "text", "read_at")
    list_filter = ("kind",)
    search_fields = ("title", "text")
