"""Signals, their sources, shadow positions and exit rules in the admin. A user sees their own."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin

from auth_tokens.models import User
from config.core.admin import AnyModelForm, AnyTabularInline, OwnRows, ReadOnlyAdmin
from config.core.errors import ApplicationError
from portfolio.accounts.access import accounts_visible_to
from trades.models import (
    ExitRule,
    ExitSignal,
    ShadowPosition,
    SignalChange,
    SignalSource,
    TradeSignal,
)
from trades.trade_signals.moving import move_signal
from trades.trade_signals.reading import sources_of
from trades.trade_signals.receiving import enter_signal
from trades.trade_signals.states import Status


@admin.register(SignalSource)
class SignalSourceAdmin(OwnRows):
    """Sources. Tokens are made on the page, where they are shown once; no digest is shown."""

    list_display = ("name", "owner", "enabled", "token_prefix", "window_minutes", "hold_days",
                    "shadow_slippage", "created_at")  # fmt: skip
    list_filter = ("enabled",)
    list_select_related = ("owner",)
    search_fields = ("name",)
    fields = ("owner", "name", "enabled", "token_prefix", "window_minutes", "hold_days",
              "shadow_slippage")  # fmt: skip
    readonly_fields = ("token_prefix",)
    raw_id_fields = ("owner",)


class _LegInline(AnyTabularInline):
    model = ShadowPosition
    extra = 0
    can_delete = False
    fields = readonly_fields = ("instrument", "quantity", "status", "entry_price", "opened_at",
                                "price", "close_price", "closed_at", "pnl")  # fmt: skip

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class _ChangeInline(AnyTabularInline):
    model = SignalChange
    extra = 0
    can_delete = False
    fields = readonly_fields = ("at", "before", "after", "reason", "user")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class _SignalForm(AnyModelForm):
    """Enters a signal as the page does, so that it is checked and has its legs."""

    class Meta:
        model = TradeSignal
        fields = ("source", "symbol", "direction", "quantity", "account", "order_reference",
                  "confidence", "expires_at", "note")  # fmt: skip

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if self.errors:
            return given
        values = {
            name: value for name, value in given.items() if value not in (None, "") and
            name not in ("source", "account", "quantity")
        }  # fmt: skip
        if given["account"]:
            values["account_id"] = given["account"].pk
        values["quantity"] = float(given["quantity"])
        source = given["source"]
        try:
            self.instance = enter_signal(user=self.user, source=source, values=values)
        except ApplicationError as error:
            self.add_error(None, error.message)
        return given

    #: Who enters it; set by the admin.
    user: User

    def _post_clean(self) -> None:
        """Leave the recorded signal as it is."""

    def save(self, commit: bool = True) -> TradeSignal:
        signal: TradeSignal = self.instance
        return signal

    def save_m2m(self) -> None:
        """Nothing is left to save."""


@admin.register(TradeSignal)
class TradeSignalAdmin(OwnRows, ReadOnlyAdmin):
    """Signals: entered here, or come by webhook and page; the actions move them on."""

    owner_field = "source__owner"
    list_display = ("created_at", "source", "direction", "symbol", "status", "expires_at",
                    "tied_by", "opening")  # fmt: skip
    list_filter = ("status", "source", "tied_by")
    list_select_related = ("source", "opening")
    search_fields = ("symbol", "underlying", "order_reference")
    inlines = (_LegInline, _ChangeInline)
    actions = ("take_up", "cancel")

    def has_add_permission(self, request: HttpRequest) -> bool:
        # The base class has read-only rows.
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.inlines if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if change:
            return super().get_form(request, obj, change, **kwargs)
        user = cast("User", request.user)
        own = type("SignalForm", (_SignalForm,), {"user": user})
        form: Any = super().get_form(request, obj, change, form=own, fields=_SignalForm.Meta.fields)
        for name, rows in (("source", sources_of(user)), ("account", accounts_visible_to(user))):
            form.base_fields[name].queryset = rows
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The form has recorded it."""

    @admin.action(description="Take up", permissions=["view"])
    def take_up(self, request: HttpRequest, chosen: QuerySet[TradeSignal]) -> None:
        self._move(request, chosen, Status.ACTIVE, "Taken up in the admin")

    @admin.action(description="Cancel", permissions=["view"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[TradeSignal]) -> None:
        self._move(request, chosen, Status.CANCELLED, "Cancelled in the admin")

    def _move(
        self, request: HttpRequest, chosen: QuerySet[TradeSignal], to: str, reason: str
    ) -> None:
        moved = 0
        for signal in chosen:
            try:
                move_signal(signal, to=to, reason=reason, user=cast("User", request.user))
            except ApplicationError as error:
                self.message_user(request, f"{signal}: {error.message}", messages.WARNING)
            else:
                moved += 1
        self.message_user(request, f"Changed: {moved}.")


@admin.register(ShadowPosition)
class ShadowPositionAdmin(OwnRows, ReadOnlyAdmin):
    owner_field = "signal__source__owner"
    list_display = ("opened_at", "signal", "instrument", "quantity", "status", "entry_price",
                    "price", "close_price", "closed_at", "pnl")  # fmt: skip
    list_filter = ("status",)
    list_select_related = ("signal", "instrument")
    search_fields = ("instrument__symbol",)


@admin.register(ExitRule)
class ExitRuleAdmin(OwnRows, SimpleHistoryAdmin):  # type: ignore[misc]
    """Rules with their history; they are changed on the page, which checks their numbers."""

    list_display = ("name", "owner", "kind", "threshold", "band", "account", "strategy", "tag",
                    "enabled")  # fmt: skip
    list_filter = ("kind", "enabled")
    list_select_related = ("owner", "account")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ExitSignal)
class ExitSignalAdmin(OwnRows, ReadOnlyAdmin):
    owner_field = "rule__owner"
    list_display = ("fired_at", "rule", "account", "underlying", "status", "value", "executed_at")
    list_filter = ("status",)
    list_select_related = ("rule", "account")
    search_fields = ("underlying",)
