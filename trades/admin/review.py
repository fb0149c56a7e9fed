"""Review of trades: look, annotate, regroup, export. Fills, lots and numbers cannot be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from simple_history.admin import SimpleHistoryAdmin

from auth_tokens.models import User
from config.core.admin import AnyTabularInline
from config.core.errors import ApplicationError
from portfolio.accounts.access import accounts_administered_by
from portfolio.accounts.answers import csv_answer
from portfolio.admin import AdministeredAccounts, BookAdmin
from trades.admin.records import plain
from trades.annotations import writing
from trades.models import (
    JournalSettings,
    Trade,
    TradeLeg,
    TradeNote,
    TradeOverride,
    TradeReview,
    TradeTag,
)
from trades.reviewing.listing import chosen_csv

_BY_ACCOUNT = ("account", AdministeredAccounts)


class _TagForm(ActionForm):
    tag = forms.CharField(required=False, max_length=32, label="Tag")


class _ReviewFilter(admin.SimpleListFilter):
    title = "review"
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in TradeReview.State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trade]) -> QuerySet[Trade]:
        if not self.value():
            return queryset
        looked = TradeReview.objects.exclude(state=TradeReview.State.NEW)
        if self.value() == TradeReview.State.NEW:
            return queryset.exclude(pk__in=looked.values("opening_id"))
        return queryset.filter(pk__in=looked.filter(state=self.value()).values("opening_id"))


class _LegInline(AnyTabularInline):
    model = TradeLeg
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[TradeLeg]:
        return super().get_queryset(request).select_related("instrument")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Trade)
class TradeAdmin(BookAdmin):
    """Trades, computed from the lots. Those chosen can be reviewed, tagged, regrouped, exported."""

    list_display = (
        "opened_at", "underlying", "name", "open_name", "account", "status",
        plain("quantity"), "closed_at", plain("costs"), plain("net"), "currency", "unknown_closes",
    )  # fmt: skip
    list_filter = (_BY_ACCOUNT, "status", "strategy", _ReviewFilter)
    list_select_related = ("account",)
    search_fields = ("underlying", "name")
    search_help_text = "Underlying or strategy"
    action_form = _TagForm
    actions = ("mark_reviewed", "follow_up", "add_tag", "merge", "group_by_rules", "export")
    inlines = (_LegInline,)
    exclude = ("opening",)

    @admin.action(description="Mark reviewed", permissions=["view"])
    def mark_reviewed(self, request: HttpRequest, chosen: QuerySet[Trade]) -> None:
        self._do(request, lambda user: writing.set_review(
            user=user, trades=chosen, state=TradeReview.State.REVIEWED))  # fmt: skip

    @admin.action(description="Mark for follow-up", permissions=["view"])
    def follow_up(self, request: HttpRequest, chosen: QuerySet[Trade]) -> None:
        self._do(request, lambda user: writing.set_review(
            user=user, trades=chosen, state=TradeReview.State.FOLLOW_UP))  # fmt: skip

    @admin.action(description="Add the tag", permissions=["view"])
    def add_tag(self, request: HttpRequest, chosen: QuerySet[Trade]) -> None:
        name = request.POST.get("tag", "")
        self._do(request, lambda user: writing.add_tag(user=user, trades=chosen, name=name))

    @admin.action(description="Merge into one trade", permissions=["view"])
    def merge(self, request: HttpRequest, chosen: QuerySet[Trade]) -> None:
        trades = list(chosen)

        def merge(user: User) -> int:
            writing.merge_trades(user=user, trades=trades)
            return len(trades)

        self._do(request, merge)

    @admin.action(description="Group by the rules again", permissions=["view"])
    def group_by_rules(self, request: HttpRequest, chosen: QuerySet[Trade]) -> None:
        trades = list(chosen)
        self._do(request, lambda user: writing.group_automatically(user=user, trades=trades))

    @admin.action(description="Export as CSV", permissions=["view"])
    def export(self, request: HttpRequest, chosen: QuerySet[Trade]) -> HttpResponseBase:
        return csv_answer(chosen_csv(chosen), "trades")

    def _do(self, request: HttpRequest, act: Callable[[User], int]) -> None:
        try:
            changed = act(cast("User", request.user))
        except ApplicationError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self.message_user(request, f"Changed: {changed}.")


class _AnnotationAdmin(SimpleHistoryAdmin):  # type: ignore[misc]
    """What readers added, with its history. Rows follow the accounts that one may see."""

    show_full_result_count = False
    list_filter = ("created_at",)
    list_select_related = ("opening", "created_by")
    raw_id_fields = ("opening",)
    search_fields: tuple[str, ...] = ("opening__symbol",)
    readonly_fields = ("opening", "created_by", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        accounts = accounts_administered_by(cast("User", request.user))
        found: QuerySet[Any] = super().get_queryset(request).filter(opening__account__in=accounts)
        return found

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(TradeNote)
class TradeNoteAdmin(_AnnotationAdmin):
    list_display = ("created_at", "opening", "text", "created_by", "updated_at")
    search_fields = ("text", "opening__symbol")


@admin.register(TradeTag)
class TradeTagAdmin(_AnnotationAdmin):
    list_display = ("name", "opening", "created_by", "created_at")
    list_filter = ("name",)


@admin.register(TradeReview)
class TradeReviewAdmin(_AnnotationAdmin):
    list_display = ("opening", "state", "created_by", "created_at")
    list_filter = ("state",)


@admin.register(TradeOverride)
class TradeOverrideAdmin(BookAdmin, SimpleHistoryAdmin):  # type: ignore[misc]
    """Changed on the pages, which compute again what follows; so are the settings below."""

    account_field = "opening__account"
    list_display = ("opening", "kind", "anchor", "created_by", "created_at")
    list_filter = ("kind",)
    list_select_related = ("opening", "anchor", "created_by")


@admin.register(JournalSettings)
class JournalSettingsAdmin(BookAdmin, SimpleHistoryAdmin):  # type: ignore[misc]
    list_display = ("account", "lot_method")
