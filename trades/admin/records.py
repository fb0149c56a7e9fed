"""Review of the journal. Fills are read-only: the record is permanent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from auth_tokens.models import User
from config.core.background.task import enqueue
from portfolio.accounts.access import accounts_administered_by
from portfolio.admin import AdministeredAccounts, BookAdmin
from trades.importing.retrying import retry_rows
from trades.models import (
    CashMovementRow,
    JournalRun,
    QuarantinedExecution,
    TradeExecution,
    TradeLot,
)

_BY_ACCOUNT = ("account", AdministeredAccounts)


def plain(name: str) -> Callable[[Any], str | bool]:
    """Return a column of numbers without the zeros that fill the database's digits."""

    @admin.display(description=name.replace("_", " "), ordering=name)
    def shown(row: Any) -> str | bool:
        value = getattr(row, name)
        return "-" if value is None else f"{value.normalize():f}"

    return shown


def _document(payload: Any) -> str:
    return format_html("<pre>{}</pre>", json.dumps(payload, indent=2, default=str))


class _StateFilter(admin.SimpleListFilter):
    """Whether a fill counts."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "Counts"), ("superseded", "Corrected"), ("cancelled", "Cancelled")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[TradeExecution]
    ) -> QuerySet[TradeExecution]:
        conditions = {
            "live": Q(superseded=False, cancelled_by=""),
            "superseded": Q(superseded=True),
            "cancelled": ~Q(cancelled_by=""),
        }
        wanted = conditions.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(wanted)


@admin.register(TradeExecution)
class TradeExecutionAdmin(BookAdmin):
    """Every fill and every other event of the accounts, with what the broker sent."""

    list_display = (
        "execution_time", "symbol", "account", "kind", "side", plain("quantity"), plain("price"),
        plain("commission"), plain("fees"), "currency", "source", "is_live",
    )  # fmt: skip
    list_filter = (_BY_ACCOUNT, "kind", "side", _StateFilter, "source")
    list_select_related = ("account", "instrument")
    search_fields = ("symbol", "broker_execution_id", "order_id", "transaction_id", "trade_id")
    search_help_text = "Symbol, or the broker's id of the fill, the order or the transaction"
    exclude = ("raw_payload",)
    readonly_fields = ("sent",)

    @admin.display(description="what was sent")
    def sent(self, row: TradeExecution) -> str:
        return _document(row.raw_payload)

    @admin.display(description="counts", boolean=True)
    def is_live(self, row: TradeExecution) -> bool:
        return row.is_live


@admin.register(TradeLot)
class TradeLotAdmin(BookAdmin):
    """Open and closed lots, computed from the fills."""

    list_display = (
        "instrument", "account", plain("quantity"), "opened_at", plain("open_price"),
        "closed_at", plain("close_price"), "closed_kind", "awaiting", plain("gross"),
        plain("net"), "currency",
    )  # fmt: skip
    list_filter = (
        _BY_ACCOUNT,
        ("closed_at", admin.EmptyFieldListFilter),
        "closed_kind",
        "awaiting",
    )
    list_select_related = ("account", "instrument")
    search_fields = ("instrument__symbol", "instrument__underlying")
    # Last computed first: a journal of a million fills has no cheaper order.
    ordering = ("-id",)


@admin.register(CashMovementRow)
class CashMovementAdmin(BookAdmin):
    """Deposits, dividends, interest and fees."""

    list_display = (
        "moved_at", "account", "kind", plain("amount"), "currency", "symbol", "description",
        "source",
    )  # fmt: skip
    list_filter = (_BY_ACCOUNT, "kind", "currency", "source")
    list_select_related = ("account",)
    search_fields = ("description", "symbol", "broker_movement_id")
    exclude = ("raw_payload",)
    readonly_fields = ("sent",)

    @admin.display(description="what was sent")
    def sent(self, row: CashMovementRow) -> str:
        return _document(row.raw_payload)


class _OwnOrNobodys(BookAdmin):
    """Rows of own accounts; superusers also see those of no known account."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        person = cast("User", request.user)
        own = Q(account__in=accounts_administered_by(person))
        wanted = own | Q(account=None) if person.is_superuser else own
        return super(BookAdmin, self).get_queryset(request).filter(wanted)


@admin.register(QuarantinedExecution)
class QuarantinedExecutionAdmin(_OwnOrNobodys):
    """Rows that could not be recorded, with the reason and what was sent."""

    list_display = (
        "kind", "reason", "account_number", "source", "times_seen", "last_seen_at", "resolved_at",
    )  # fmt: skip
    list_filter = (
        _BY_ACCOUNT, "kind", "source", ("resolved_at", admin.EmptyFieldListFilter),
    )  # fmt: skip
    search_fields = ("reason", "account_number")
    exclude = ("payload",)
    readonly_fields = ("sent",)
    actions = ("retry",)

    @admin.action(description="Try to record again", permissions=["view"])
    def retry(self, request: HttpRequest, chosen: QuerySet[QuarantinedExecution]) -> None:
        """Record what can be recorded now; say what cannot, and why."""
        accounts = accounts_administered_by(cast("User", request.user))
        found = retry_rows(chosen.order_by("pk"), accounts=accounts)
        for account_id in sorted(found.ask):
            enqueue("trades.reconcile_account", {"account_id": account_id}, expires=600)
        self.message_user(request, f"Recorded: {found.recorded}.")
        for reason, number in found.refused.items():
            self.message_user(request, f"Refused again: {number}. {reason}", messages.WARNING)
        if found.ask:
            names = ", ".join(sorted(found.ask))
            self.message_user(request, f"The broker is asked again for {names}.")

    @admin.display(description="what was sent")
    def sent(self, row: QuarantinedExecution) -> str:
        return _document(row.payload)


@admin.register(JournalRun)
class JournalRunAdmin(_OwnOrNobodys):
    """Imports and looks at the brokers, newest first, and how they ended."""

    list_display = (
        "started_at", "account", "source", "file_name", "requested_by", "outcome", "error",
        "finished_at",
    )  # fmt: skip
    list_filter = (_BY_ACCOUNT, "outcome", "source")
    list_select_related = ("account", "requested_by")
    search_fields = ("file_name", "error")
