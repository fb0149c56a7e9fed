"""Admin of alerts: read only. No address is shown."""

from __future__ import annotations

from typing import ClassVar, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from auth_tokens.models import User
from config.core.admin import ReadOnlyAdmin
from greeks.models import AlertChannel, AlertEvent, AlertRule


class OwnRowsAdmin(ReadOnlyAdmin):
    """All rows for superusers; other staff see their own."""

    list_select_related: ClassVar[tuple[str, ...]] = ("user",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        rows: QuerySet[AlertRule] = super().get_queryset(request)
        user = cast("User", request.user)
        return rows if user.is_superuser else rows.filter(user=user)


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
