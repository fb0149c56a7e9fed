"""The page ``/dashboard``."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from config.core.clock import market_clock_is_frozen, market_now
from config.core.web.filter_fields import choice_field, date_field
from config.core.web.parts import PARTS_HEADER, answer_parts
from portfolio.accounts.access import accounts_visible_to
from portfolio.dashboard.api import DASHBOARD_PARAMETERS, read_parameters
from portfolio.dashboard.page import PARTS, DashboardPage
from portfolio.dashboard.reading import Asked


@cache_control(private=True, no_cache=True)
@login_required
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show the dashboard, complete without JavaScript; script keeps it live."""
    given = read_parameters(request.GET, DASHBOARD_PARAMETERS, is_form=True)
    asked = Asked(request.user, **given)
    named = set(request.headers.get(PARTS_HEADER, "").split(",")) & PARTS.keys()
    page = DashboardPage(asked, named or set(PARTS))
    context = {
        "page": page,
        "asked": asked,
        "account_id": asked.account_id or "",
        "clock": {"now": market_now(), "frozen": market_clock_is_frozen()},
    }
    part = answer_parts(request, PARTS, context)
    if part is not None:
        return part
    accounts = accounts_visible_to(request.user)
    choices = ((account.account_id, str(account)) for account in accounts)
    fields = [
        choice_field("account_id", "Account", asked.account_id, choices),
        date_field("start", "Curves from", asked.start),
        date_field("end", "To", asked.end),
    ]
    return render(request, "dashboard/page.html", {**context, "fields": fields})
