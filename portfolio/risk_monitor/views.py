"""Pages of the portfolio."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import ApplicationError
from portfolio.accounts.access import accounts_visible_to
from portfolio.risk_monitor.reading import read_risk_monitor
from portfolio.sync.by_user import request_sync_for_user, running_runs


@cache_control(private=True, no_cache=True)
@login_required
@require_safe
def risk_monitor(request: HttpRequest) -> HttpResponse:
    """Show the risk monitor, complete without JavaScript; script keeps it live."""
    account_id = request.GET.get("account_id") or None
    monitor = read_risk_monitor(user=request.user, account_id=account_id)
    query = f"?account_id={account_id}" if account_id else ""
    return render(
        request,
        "risk_monitor/page.html",
        {
            "body": monitor.body,
            "book": monitor.book,
            "benchmark": settings.RISK_BENCHMARK,
            "clock": {"now": market_now(), "frozen": market_clock_is_frozen()},
            "runs": running_runs(request.user),
            "history_url": f"/api/portfolio/history{query}",
            "empty": monitor.never_synced,
            "account_choices": accounts_visible_to(request.user).order_by("account_id"),
            "account_id": account_id,
        },
    )


@login_required
@require_POST
def sync_now(request: HttpRequest) -> HttpResponse:
    """Request a sync and go back: the page's button without JavaScript."""
    try:
        request_sync_for_user(user=request.user, account_id=request.POST.get("account_id") or None)
    except ApplicationError as error:
        messages.error(request, error.message)
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = "/"
    # Not redirect(): it takes a word without a slash for the name of a page.
    return HttpResponseRedirect(target)
