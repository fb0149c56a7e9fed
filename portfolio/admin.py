"""Administration of accounts and portfolios; the book is read-only here.

Superusers see all accounts, other staff those they own or were given. Accounts are disabled, not
deleted: the journal is built on their history.
"""

from __future__ import annotations

import json
from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from auth_tokens.models import User
from config.core.admin import (
    AnyModelAdmin,
    AnyModelForm,
    AnyTabularInline,
    OwnRows,
    ReadOnlyAdmin,
)
from config.core.clock import now
from portfolio.accounts.access import accounts_administered_by
from portfolio.models import (
    Account,
    AccountAccess,
    AccountStatus,
    Beta,
    Order,
    Portfolio,
    Position,
    QuarantinedRow,
    Scenario,
    SyncRun,
)


def _person(request: HttpRequest) -> User:
    return cast("User", request.user)


class FixedOwner(AnyModelAdmin):
    """Rows whose owner only superusers may change."""

    autocomplete_fields = ("owner",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if _person(request).is_superuser else (*fields, "owner")


class AccountAccessInline(AnyTabularInline):
    model = AccountAccess
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Account)
class AccountAdmin(FixedOwner):
    """Brokerage accounts and who may see them. Add new ones with ``manage.py add_account``."""

    list_display = (
        "account_id", "broker", "label", "owner", "enabled", "simulated", "sync_seconds",
        "last_synced_at", "last_error_code",
    )  # fmt: skip
    list_filter = ("broker", "enabled", "simulated")
    list_select_related = ("owner",)
    search_fields = ("account_id", "account_number", "label", "owner__username")
    readonly_fields = (
        "account_id", "broker", "account_number", "simulated", "book_version", "next_sync_at",
        "last_synced_at", "last_attempt_at", "last_error_code", "last_error", "empty_book_since",
    )  # fmt: skip
    inlines = (AccountAccessInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        return accounts_administered_by(_person(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        person = _person(request)
        own = not isinstance(obj, Account) or obj.owner_id == person.pk
        return allowed and (own or person.is_superuser)

    def get_inline_instances(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Show who else has access only to the owner and superusers."""
        if obj is not None and not self.has_change_permission(request, obj):
            return []
        return super().get_inline_instances(request, obj)


FIGURES = (
    "currency", "value", "daily_change", "daily_change_percent", "by_currency", "unconverted",
    "legs", "legs_without_change", "last_updated",
)  # fmt: skip


@admin.register(Portfolio)
class PortfolioAdmin(FixedOwner, OwnRows):
    """Named sets of accounts. Their owner sees only accounts they may see anyway.

    Everybody's portfolio of all accounts is kept by the desk and not listed.
    """

    list_display = ("name", "owner", "value", "daily_change", "last_updated")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    filter_horizontal = ("accounts",)
    fields = ("name", "owner", "accounts", *FIGURES)
    readonly_fields = FIGURES

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(holds_all=False)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest | None, **kwargs: Any
    ) -> Any:
        if db_field.name == "accounts" and request is not None:
            kwargs["queryset"] = accounts_administered_by(_person(request))
        return super().formfield_for_manytomany(db_field, cast("HttpRequest", request), **kwargs)

    def save_model(self, request: HttpRequest, obj: Portfolio, form: Any, change: bool) -> None:
        if not change and not _person(request).is_superuser:
            obj.owner = _person(request)
        super().save_model(request, obj, form, change)


class BetaForm(AnyModelForm):
    """A manually set beta: one per pair."""

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for name in ("symbol", "benchmark"):
            if name in values:
                values[name] = values[name].strip().upper()
        symbol = values.get("symbol") or self.instance.symbol
        benchmark = values.get("benchmark") or self.instance.benchmark
        if symbol and symbol == benchmark:
            raise ValidationError("The beta of a benchmark to itself is 1.")
        others = Beta.objects.filter(
            symbol=symbol, benchmark=benchmark, source=Beta.Source.SET
        ).exclude(pk=self.instance.pk)
        if others.exists():
            raise ValidationError(f"The beta of {symbol} to {benchmark} is set already.")
        return values


def _is_computed(obj: Model | None) -> bool:
    return isinstance(obj, Beta) and obj.source == Beta.Source.HISTORY


@admin.register(Beta)
class BetaAdmin(AnyModelAdmin):
    """Betas. A manual one overrides the one from history; deleting it restores history's."""

    form = BetaForm
    list_display = ("symbol", "benchmark", "value", "source", "observations", "as_of")
    list_filter = ("source", "benchmark")
    search_fields = ("symbol", "benchmark")
    fields = ("symbol", "benchmark", "value", "source", "observations", "as_of")
    readonly_fields = ("source", "observations", "as_of")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if obj is None else ("symbol", "benchmark", *fields)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return not _is_computed(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return not _is_computed(obj) and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Beta, form: Any, change: bool) -> None:
        obj.source = Beta.Source.SET
        obj.observations = None
        obj.as_of = now()
        super().save_model(request, obj, form, change)


@admin.register(Scenario)
class ScenarioAdmin(OwnRows, ReadOnlyAdmin):
    """Users' saved scenarios: superusers see all, other staff their own."""

    list_display = ("name", "owner", "days", "updated_at")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")


class BookAdmin(ReadOnlyAdmin):
    """Rows of an account's book, limited to accounts the user administers."""

    account_field = "account"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        accounts = accounts_administered_by(_person(request))
        return super().get_queryset(request).filter(**{f"{self.account_field}__in": accounts})


class AdministeredAccounts(admin.RelatedFieldListFilter):
    """The user's accounts, whether they have rows or not: finding that out would read them all."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[Any, Any]]:
        accounts = accounts_administered_by(_person(request))
        return cast(
            "list[tuple[Any, Any]]",
            field.get_choices(include_blank=False, limit_choices_to={"pk__in": accounts}),
        )


_BY_ACCOUNT = ("account", AdministeredAccounts)


@admin.register(AccountStatus)
class AccountStatusAdmin(BookAdmin):
    """The last good summary of each account."""

    list_display = (
        "account", "net_liquidation", "buying_power", "excess_liquidity", "maint_margin",
        "currency", "source", "as_of",
    )  # fmt: skip
    list_filter = ("currency", "source")
    list_select_related = ("account",)
    search_fields = ("account__account_id", "account__label")


@admin.register(Position)
class PositionAdmin(BookAdmin):
    """The positions of the last good book."""

    list_display = (
        "symbol", "account", "quantity", "avg_price", "price", "market_value", "delta", "gamma",
        "theta", "vega", "greeks_source", "as_of",
    )  # fmt: skip
    list_filter = (_BY_ACCOUNT, "instrument_type", "greeks_source", "source")
    list_select_related = ("account",)
    search_fields = ("symbol", "underlying", "account__account_id")


@admin.register(Order)
class OrderAdmin(BookAdmin):
    """The day's orders as the brokers report them."""

    list_display = (
        "broker_order_id", "account", "symbol", "description", "status", "quantity",
        "filled_quantity", "limit_price", "placed_at",
    )  # fmt: skip
    list_filter = (_BY_ACCOUNT, "status", "source")
    list_select_related = ("account",)
    search_fields = ("broker_order_id", "symbol", "account__account_id")


@admin.register(SyncRun)
class SyncRunAdmin(BookAdmin):
    """Attempts to sync an account, newest first, and how they ended."""

    list_display = (
        "requested_at", "account", "trigger", "step", "progress", "outcome", "error_code", "error",
        "finished_at",
    )  # fmt: skip
    list_filter = (_BY_ACCOUNT, "outcome", "trigger", "error_code")
    list_select_related = ("account",)
    search_fields = ("account__account_id", "error_code", "error")


@admin.register(QuarantinedRow)
class QuarantinedRowAdmin(BookAdmin):
    """Rows that failed validation, with the reason and what the provider sent."""

    list_display = ("kind", "reason", "account", "source", "times_seen", "last_seen_at")
    list_filter = (_BY_ACCOUNT, "kind", "source")
    list_select_related = ("account",)
    search_fields = ("reason", "account__account_id")
    exclude = ("payload",)
    readonly_fields = ("sent",)

    @admin.display(description="what was sent")
    def sent(self, row: QuarantinedRow) -> str:
        return format_html("<pre>{}</pre>", json.dumps(row.payload, indent=2, default=str))
