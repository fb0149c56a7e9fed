"""The journal's pages: results, fills, reconciliation, import."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from auth_tokens.models import User
from config.core.api.parameters import QueryParameters
from config.core.errors import ApplicationError, NotFound
from config.core.web.filter_fields import choice_field, date_field, symbol_field
from portfolio.accounts.access import accounts_syncable_by, accounts_visible_to
from trades.annotations.writing import set_lot_method
from trades.importing.uploads import parse_offset, preview_upload, take_upload
from trades.journal.api import FILTERS, KINDS, execution_filter
from trades.journal.filter_fields import account_field
from trades.journal.reading import accounts_of_journal, executions_of, results_by_contract
from trades.journal.reconciling import reconcile_positions
from trades.journal.unlinked import unlinked_deliveries
from trades.models import JournalRun, JournalSettings

RESULTS_A_PAGE = 100
_KINDS = [(kind, kind.replace("_", " ").capitalize()) for kind in KINDS[1:]]
_private = cache_control(private=True, no_cache=True)


@_private
@login_required
@require_safe
def contracts(request: HttpRequest) -> HttpResponse:
    """Show what each contract has brought."""
    parameters = QueryParameters.of_form(request.GET, allowed={"account_id", "underlying", "page"})
    account_id = parameters.identifier("account_id")
    underlying = parameters.text("underlying", maximum_length=32) or ""
    accounts = accounts_of_journal(request.user, account_id)
    results = Paginator(results_by_contract(accounts, underlying=underlying), RESULTS_A_PAGE)
    number = parameters.integer("page", default=1, minimum=1, maximum=100_000)
    address = request.GET.copy()
    address.pop("page", None)
    return _page(
        request,
        "trades/results.html",
        {
            "results": results.get_page(number),
            "fields": [
                account_field(accounts_visible_to(request.user), account_id),
                symbol_field("underlying", "Underlying", underlying),
            ],
            "address": f"{address.urlencode()}&" if address else "",
            "own": accounts_syncable_by(cast("User", request.user)),
            "methods": JournalSettings.Method.choices,
            "chosen": dict(
                JournalSettings.objects.filter(account__in=accounts).values_list(
                    "account_id", "lot_method"
                )
            ),
        },
    )


@login_required
@require_POST
def choose_lot_method(request: HttpRequest) -> HttpResponse:
    """Choose how an account's lots are matched."""
    user = cast("User", request.user)
    account = accounts_syncable_by(user).filter(pk=request.POST.get("account_id", "")).first()
    try:
        if account is None:
            raise NotFound("No such account.")
        set_lot_method(user=user, account=account, method=request.POST.get("method", ""))
    except ApplicationError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"Lots and trades of {account} are computed again.")
    return redirect("trades_contracts")


@_private
@login_required
@require_safe
def executions(request: HttpRequest) -> HttpResponse:
    """Show the fills, newest first, filtered by the address."""
    parameters = QueryParameters.of_form(request.GET, allowed=FILTERS)
    account_id, wanted = parameters.identifier("account_id"), execution_filter(parameters)
    accounts = accounts_of_journal(request.user, account_id)
    rows, following = executions_of(accounts, wanted, before=parameters.text("before") or "")
    address = request.GET.copy()
    address["before"] = following
    return _page(
        request,
        "trades/executions.html",
        {
            "executions": rows,
            "fields": [
                account_field(accounts_visible_to(request.user), account_id),
                symbol_field("underlying", "Underlying", wanted.underlying),
                choice_field("kind", "Kind", wanted.kind, _KINDS),
                date_field("start", "From", wanted.start),
                date_field("end", "To", wanted.end),
            ],
            "older": f"?{address.urlencode()}" if following else "",
            "csv_query": urlencode(
                {name: value for name, value in request.GET.items() if value and name != "before"}
                | {"format": "csv"}
            ),
        },
    )


@_private
@login_required
@require_safe
def reconcile(request: HttpRequest) -> HttpResponse:
    """Compare the journal's open lots with the brokers' positions."""
    parameters = QueryParameters.of_form(request.GET, allowed={"account_id"})
    account_id = parameters.identifier("account_id")
    accounts = accounts_of_journal(request.user, account_id)
    return _page(
        request,
        "trades/reconcile.html",
        {
            "found": reconcile_positions(accounts),
            "unlinked": unlinked_deliveries(accounts),
            "fields": [account_field(accounts_visible_to(request.user), account_id)],
        },
    )


@_private
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def import_page(request: HttpRequest) -> HttpResponse:
    """Show the last imports; preview an upload."""
    user = cast("User", request.user)
    context: dict[str, Any] = {"status": 200}
    if request.method == "POST":
        sent = request.FILES.get("file")
        try:
            if sent is None:
                raise NotFound("Choose a file first.")
            pending, preview = preview_upload(
                user=user,
                file_name=sent.name or "",
                content=sent.read(),
                account_id=request.POST.get("account_id", ""),
            )
        except ApplicationError as error:
            context |= {"problem": error.message, "status": 422}
        else:
            context |= {
                "pending": pending,
                "preview": preview.recorded,
                "realised": preview.realised,
            }
    own = accounts_syncable_by(user)
    runs = JournalRun.objects.filter(requested_by=user).exclude(file_name="")[:20]
    context |= {"runs": runs, "own": own}
    return _page(request, "trades/import.html", context)


@login_required
@require_POST
def take_import(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Record a previewed file."""
    try:
        imported = take_upload(
            user=cast("User", request.user),
            upload_id=upload_id,
            clock_offset=timedelta(seconds=parse_offset(request.POST.get("clock_offset", ""))),
        )
    except ApplicationError as error:
        messages.error(request, error.message)
    else:
        found = imported.recorded
        messages.success(
            request,
            f"Recorded: {found.inserted} new, {found.existing} known, "
            f"{found.quarantined} in quarantine.",
        )
    return redirect("trades_import")


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    status = context.pop("status", 200)
    context["accounts"] = accounts_visible_to(request.user)
    return render(request, template, context, status=status)
