"""Administration of instruments, dividends and the exchange calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from config.core.admin import AnyModelAdmin, AnyTabularInline, ReadOnlyAdmin
from greeks.exchanges import EXCHANGES
from greeks.models import ContractGreeks, Dividend, ExchangeSession, Instrument, InstrumentAlias

if TYPE_CHECKING:
    SessionModelForm = forms.ModelForm[ExchangeSession]
else:
    SessionModelForm = forms.ModelForm


class InstrumentAliasInline(AnyTabularInline):
    model = InstrumentAlias
    extra = 0


@admin.register(Instrument)
class InstrumentAdmin(AnyModelAdmin):
    """Contracts by identity, with each provider's own key. Positions keep theirs from deletion."""

    list_display = ("symbol", "kind", "underlying", "expiry", "strike", "right", "currency")
    list_filter = ("kind", "currency", "right")
    search_fields = ("symbol", "underlying", "key", "aliases__key")
    readonly_fields = ("key", "created_at")
    show_full_result_count = False
    inlines = (InstrumentAliasInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Contracts come from providers, whose key makes the identity."""
        return False


@admin.register(ContractGreeks)
class ContractGreeksAdmin(ReadOnlyAdmin):
    """The latest Greeks of each contract, with where they come from."""

    list_display = (
        "instrument", "delta", "gamma", "theta", "vega", "implied_volatility", "source", "as_of",
    )  # fmt: skip
    list_filter = ("source",)
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol", "instrument__underlying")


@admin.register(Dividend)
class DividendAdmin(AnyModelAdmin):
    """Cash dividends that option models read. A row can be entered by hand, as source “set”."""

    list_display = ("underlying", "ex_date", "amount", "currency", "source", "as_of")
    list_filter = ("source", "currency")
    search_fields = ("underlying",)
    date_hierarchy = "ex_date"
    ordering = ("-ex_date", "underlying")
    show_full_result_count = False


class ExchangeSessionForm(SessionModelForm):
    """A session whose date is its opening's date at the exchange."""

    class Meta:
        model = ExchangeSession
        fields = ("exchange", "session_date", "opens_at", "closes_at", "kind", "note", "edited")

    exchange = forms.ChoiceField(choices=[(name, name) for name in EXCHANGES])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        opens_at, exchange = cleaned.get("opens_at"), EXCHANGES.get(str(cleaned.get("exchange")))
        if opens_at is not None and exchange is not None:
            there = opens_at.astimezone(exchange.zone)
            if there.date() != cleaned.get("session_date"):
                self.add_error("opens_at", f"Not on the session's date in {exchange.zone.key}.")
        return cleaned


@admin.register(ExchangeSession)
class ExchangeSessionAdmin(AnyModelAdmin):
    """The calendar. What is saved here is marked as edited, and seeding leaves that day alone.

    A day is closed by hand with the kind ``Closed``; deleting its row would let seeding restore it,
    so only rows that were entered by hand can be deleted.
    """

    form = ExchangeSessionForm
    list_display = (
        "session_date", "exchange", "kind", "opens_there", "closes_there", "note", "edited",
    )  # fmt: skip
    list_filter = ("exchange", "kind", "edited")
    search_fields = ("note",)
    date_hierarchy = "session_date"
    ordering = ("-session_date", "exchange")
    show_full_result_count = False
    actions = ("close_days",)

    @admin.display(description="opens (exchange's time)", ordering="opens_at")
    def opens_there(self, session: ExchangeSession) -> str:
        return _local(session, "opens_at")

    @admin.display(description="closes (exchange's time)", ordering="closes_at")
    def closes_there(self, session: ExchangeSession) -> str:
        return _local(session, "closes_at")

    def save_model(
        self, request: HttpRequest, obj: ExchangeSession, form: Any, change: bool
    ) -> None:
        given_back = "edited" in form.changed_data and not obj.edited
        if form.changed_data and not given_back:
            obj.edited = True
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        by_hand = isinstance(obj, ExchangeSession) and obj.edited
        return by_hand and super().has_delete_permission(request, obj)

    @admin.action(description="Close the selected days", permissions=["change"])
    def close_days(self, request: HttpRequest, queryset: QuerySet[ExchangeSession]) -> None:
        closed = 0
        for session in queryset.exclude(kind=ExchangeSession.Kind.CLOSED):
            session.kind, session.edited = ExchangeSession.Kind.CLOSED, True
            session.save(update_fields=["kind", "edited"])
            closed += 1
        self.message_user(request, f"{closed} sessions are closed.")


def _local(session: ExchangeSession, field: str) -> str:
    exchange = EXCHANGES.get(session.exchange)
    at = getattr(session, field)
    return f"{at.astimezone(exchange.zone) if exchange else at:%H:%M %Z}"
