"""Admin of instruments and dividends."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from config.core.admin import AnyModelAdmin, AnyTabularInline, ReadOnlyAdmin
from greeks.models import ContractGreeks, Dividend, Instrument, InstrumentAlias


class InstrumentAliasInline(AnyTabularInline):
    model = InstrumentAlias
    extra = 0


@admin.register(Instrument)
class InstrumentAdmin(AnyModelAdmin):
    """Contracts by identity, with each provider's own key. Held ones cannot be deleted."""

    list_display = ("symbol", "kind", "underlying", "expiry", "strike", "right", "currency")
    list_filter = ("kind", "currency", "right")
    search_fields = ("symbol", "underlying", "key", "aliases__key")
    readonly_fields = ("key", "created_at")
    show_full_result_count = False
    inlines = (InstrumentAliasInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: contracts come from providers, whose key makes the identity."""
        return False


@admin.register(ContractGreeks)
class ContractGreeksAdmin(ReadOnlyAdmin):
    """The latest Greeks of each contract and their sources."""

    list_display = (
        "instrument", "delta", "gamma", "theta", "vega", "implied_volatility", "source", "as_of",
    )  # fmt: skip
    list_filter = ("source",)
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol", "instrument__underlying")


@admin.register(Dividend)
class DividendAdmin(AnyModelAdmin):
    """Cash dividends for option models. Rows entered by hand have the source “set”."""

    list_display = ("underlying", "ex_date", "amount", "currency", "source", "as_of")
    list_filter = ("source", "currency")
    search_fields = ("underlying",)
    date_hierarchy = "ex_date"
    ordering = ("-ex_date", "underlying")
    show_full_result_count = False
