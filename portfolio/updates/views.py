"""The page of portfolios: complete without JavaScript; script refreshes its figures."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_POST

from auth_tokens.account_pages.writing import choose_live_every
from auth_tokens.models import User
from auth_tokens.sessions.revocation import revoke_sessions
from config.core.api.address import AddressValues
from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import Conflict, InvalidInput
from config.core.web.parts import answer_parts
from portfolio.accounts.access import accounts_visible_to
from portfolio.accounts.portfolios import remove_portfolio, save_notices, save_portfolio
from portfolio.updates.asking import refresh_portfolio
from portfolio.updates.days import days_of
from portfolio.updates.queue import queue_portfolio_update
from portfolio.updates.reading import portfolio_of, portfolios_of
from portfolio.updates.rules import Priority

_LONGEST_NUMBER = 16
# Of the sessions on the page.
_SHOWN = timedelta(days=14)
PARTS = {"figures": ("portfolios/figures.html",)}


@cache_control(private=True, no_cache=True)
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def portfolios(request: HttpRequest) -> HttpResponse:
    """Show the user's portfolios; a POST makes one."""
    if request.method == "POST":
        return _save(request, None)
    address, edited = AddressValues(request.GET), None
    if wanted := address.text("edit"):
        found = {row["id"]: row for row in portfolios_of(request.user) if not row["holds_all"]}
        if (edited := found.get(wanted)) is None:
            address.refuse({"edit": "No such portfolio."})
    return _answer(request, edited=edited, typed=edited or {}, address=address)


@login_required
@require_POST
def portfolio(request: HttpRequest, portfolio_id: int) -> HttpResponse:
    """Change one of the user's portfolios."""
    return _save(request, portfolio_id)


@login_required
@require_POST
def refresh(request: HttpRequest, portfolio_id: int) -> HttpResponse:
    """Recalculate one of the user's portfolios now."""
    found = portfolio_of(request.user, portfolio_id)
    if queue_portfolio_update(portfolio_id, priority=Priority.MANUAL):
        messages.success(request, f"“{found['name']}” is being recalculated.")
    else:
        messages.error(request, "Redis does not answer: it is recalculated when it does.")
    return redirect("portfolios")


@login_required
@require_POST
def notices(request: HttpRequest, portfolio_id: int) -> HttpResponse:
    """Set one portfolio's notices."""
    typed = request.POST.get("notice_percent", "").strip()
    try:
        save_notices(
            user=_person(request),
            portfolio_id=portfolio_id,
            notice_percent=_percent(typed) if typed else None,
            daily_summary="daily_summary" in request.POST,
        )
    except InvalidInput as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The notices are saved.")
    return redirect("portfolios")


@login_required
@require_POST
def live(request: HttpRequest) -> HttpResponse:
    """Set how often the user's open pages move."""
    typed = request.POST.get("every_seconds", "")
    offered = {str(seconds): seconds for seconds in User.LiveEvery.values}
    try:
        choose_live_every(user=_person(request), seconds=offered.get(typed, -1))
    except InvalidInput as error:
        messages.error(request, error.message)
    else:
        # Open pages read their user again.
        revoke_sessions(user_ids=[_person(request).pk])
        messages.success(request, "Saved. Pages that are open follow at once.")
    return redirect("portfolios")


@login_required
@require_POST
def remove(request: HttpRequest, portfolio_id: int) -> HttpResponse:
    """Delete one of the user's portfolios; its accounts stay."""
    remove_portfolio(user=_person(request), portfolio_id=portfolio_id)
    messages.success(request, "The portfolio is deleted.")
    return redirect("portfolios")


def _save(request: HttpRequest, portfolio_id: int | None) -> HttpResponse:
    name, account_ids = request.POST.get("name", ""), request.POST.getlist("account_ids")
    edited = None if portfolio_id is None else portfolio_of(request.user, portfolio_id)
    try:
        saved = save_portfolio(
            user=_person(request), name=name, account_ids=account_ids, portfolio_id=portfolio_id
        )
    except (Conflict, InvalidInput) as error:
        typed = {"name": name, "account_ids": account_ids}
        return _answer(request, edited=edited, typed=typed, problem=error.message)
    refresh_portfolio(saved.pk)
    messages.success(request, f"“{saved.name}” is saved.")
    return redirect("portfolios")


def _answer(
    request: HttpRequest,
    *,
    edited: dict[str, Any] | None,
    typed: dict[str, Any],
    problem: str = "",
    address: AddressValues | None = None,
) -> HttpResponse:
    today = market_now().date()
    rows = portfolios_of(request.user)
    days = days_of(rows, start=today - _SHOWN, end=today)
    context = {
        "portfolios": [row | {"days": days[row["id"]]} for row in rows],
        "account_choices": accounts_visible_to(request.user).order_by("account_id"),
        "frequencies": User.LiveEvery.choices,
        "edited": edited,
        "typed": typed,
        "problem": problem,
        "address": address,
        "clock": market_now(),
        "clock_is_frozen": market_clock_is_frozen(),
    }
    return answer_parts(request, PARTS, context) or render(request, "portfolios/page.html", context)


def _percent(typed: str) -> Decimal:
    # Bounded first: a million digits would take the parser's time.
    if len(typed) <= _LONGEST_NUMBER and typed.isascii():
        try:
            number = Decimal(typed)
        except ArithmeticError:
            number = Decimal("NaN")
        if number.is_finite():
            return number
    raise InvalidInput(
        "A percentage is a number such as 1.5.", fields={"notice_percent": "a number such as 1.5"}
    )


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101 - login_required
    return request.user
