"""The pages of signals: the list, one signal, its sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.utils.timezone import get_current_timezone, is_naive
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_POST, require_safe

from auth_tokens.models import User
from config.core.api.parameters import QueryParameters, whole_number
from config.core.errors import ApplicationError, InvalidInput, invalid
from config.core.web.filter_fields import FilterField, choice_field, date_field, symbol_field
from portfolio.accounts.access import accounts_visible_to
from trades.models import SignalSource, TradeSignal
from trades.reviewing.detail import trade_for_user
from trades.trade_signals.listing import (
    FILTERS,
    SignalFilter,
    list_signals,
    read_signal_filter,
    rows_of,
    trades_to_tie,
)
from trades.trade_signals.moving import move_signal
from trades.trade_signals.performance import complete_days, source_performance
from trades.trade_signals.reading import signal_for_user, sources_of
from trades.trade_signals.receiving import enter_signal
from trades.trade_signals.sources import create_source, renew_token, source_by_hand
from trades.trade_signals.states import LIVE, Status
from trades.trade_signals.ties.tying import tie_by_hand, untie

_private = cache_control(private=True, no_cache=True)


@_private
@login_required
@require_safe
def signals(request: HttpRequest) -> HttpResponse:
    """Show the user's signals, filtered by the address."""
    return _list_page(request)


@login_required
@require_POST
def enter(request: HttpRequest) -> HttpResponse:
    """Record a signal by hand."""
    user = cast("User", request.user)
    try:
        signal = enter_signal(user=user, source=source_by_hand(user), values=_sent(request.POST))
    except ApplicationError as error:
        return _list_page(request, problem=error.message, typed=request.POST, status=error.status)
    messages.success(request, f"Signal on {signal.symbol} recorded.")
    return redirect("trade_signal", signal.pk)


@never_cache
@login_required
@require_POST
def sources(request: HttpRequest) -> HttpResponse:
    """Make a source, or give one a new token, and show the token once."""
    user = cast("User", request.user)
    number = whole_number(request.POST.get("source", ""))
    try:
        if number is None:
            issued = create_source(user=user, name=request.POST.get("name", ""))
        else:
            issued = renew_token(user=user, source_id=number)
    except ApplicationError as error:
        messages.error(request, error.message)
        return redirect("trade_signals")
    return _list_page(request, issued=issued, status=201)


@_private
@login_required
@require_safe
def signal(request: HttpRequest, signal_id: int) -> HttpResponse:
    """Show one signal: its legs, its history, its trade."""
    QueryParameters(request.GET, allowed=())
    found = signal_for_user(request.user, signal_id)
    (row,) = rows_of([found])
    return render(
        request,
        "trades/signals/signal.html",
        {
            "signal": found,
            "row": row,
            "changes": found.changes.select_related("user"),
            "is_live": found.status in LIVE,
            "trades": trades_to_tie(request.user, found),
        },
    )


@login_required
@require_POST
def change_signal(request: HttpRequest, signal_id: int) -> HttpResponse:
    """Take up, cancel or tie one signal."""
    found = signal_for_user(request.user, signal_id)
    action = _ACTIONS.get(request.POST.get("action", ""))
    try:
        if action is None:
            raise InvalidInput("No such action.", fields={"action": "unknown"})
        messages.success(request, action(request, found))
    except ApplicationError as error:
        messages.error(request, error.message)
    return redirect("trade_signal", found.pk)


def _take_up(request: HttpRequest, found: TradeSignal) -> str:
    user = cast("User", request.user)
    move_signal(found, to=Status.ACTIVE, reason="Taken up by hand", user=user)
    return "The signal is active."


def _cancel(request: HttpRequest, found: TradeSignal) -> str:
    user = cast("User", request.user)
    move_signal(found, to=Status.CANCELLED, reason="Cancelled by hand", user=user)
    return "The signal is cancelled."


def _tie(request: HttpRequest, found: TradeSignal) -> str:
    key = whole_number(request.POST.get("trade", ""))
    if key is None:
        raise InvalidInput("Choose a trade.", fields={"trade": "none"})
    user = cast("User", request.user)
    tie_by_hand(user=user, signal=found, trade=trade_for_user(user, key))
    return "The trade follows the signal."


def _untie(request: HttpRequest, found: TradeSignal) -> str:
    untie(user=cast("User", request.user), signal=found)
    return "No trade follows the signal."


_ACTIONS: dict[str, Callable[[HttpRequest, TradeSignal], str]] = {
    "take_up": _take_up,
    "cancel": _cancel,
    "tie": _tie,
    "untie": _untie,
}


def _list_page(
    request: HttpRequest, *, status: int = 200, typed: Any = None, **more: Any
) -> HttpResponse:
    asked = read_signal_filter(QueryParameters.of_form(request.GET, allowed=FILTERS))
    user = cast("User", request.user)
    days = complete_days(user, start=asked.start, end=asked.end)
    page = list_signals(user, asked)
    sources = list(sources_of(user))
    address = request.GET.copy()
    address.pop("page", None)
    context = {
        "page": page,
        "rows": rows_of(list(page.object_list)),
        "fields": _filter_fields(asked, sources),
        "sources": sources,
        "performance": source_performance(user, **days),
        "performance_days": days,
        "accounts": accounts_visible_to(user),
        "typed": typed or {},
        "address": f"{address.urlencode()}&" if address else "",
        **more,
    }
    return render(request, "trades/signals/list.html", context, status=status)


def _filter_fields(asked: SignalFilter, sources: Iterable[SignalSource]) -> list[FilterField]:
    named = [(str(source.pk), source.name) for source in sources]
    return [
        choice_field("status", "Status", asked.status, Status.choices),
        choice_field("source", "Source", str(asked.source or ""), named),
        symbol_field("symbol", "Symbol", asked.symbol, longest=64),
        choice_field("taken", "Taken", asked.taken, (("yes", "Taken"), ("no", "Not taken"))),
        date_field("start", "From", asked.start),
        date_field("end", "To", asked.end),
    ]


def _sent(form: QueryDict) -> dict[str, Any]:
    """Return a form's fields as the webhook would send them; what was left blank is absent.

    Raises InvalidInput naming the field.
    """
    texts = {name: text for name, value in form.items() if (text := str(value).strip())}
    sent: dict[str, Any] = {
        name: texts[name]
        for name in ("symbol", "direction", "account_id", "order_reference", "note")
        if name in texts
    }
    sent.setdefault("symbol", "")
    for name in ("quantity", "confidence"):
        if name in texts:
            sent[name] = _number(name, texts[name])
    if "expires_at" in texts:
        sent["expires_at"] = _moment(texts["expires_at"])
    if "legs" in texts:
        sent["legs"] = [_leg(line) for line in texts["legs"].splitlines() if line.strip()]
    return sent


def _leg(line: str) -> dict[str, Any]:
    quantity, _, symbol = line.strip().partition(" ")
    if not symbol.strip():
        raise invalid("legs", "A leg is a quantity and a symbol: -1 SPY 260117P00600000.")
    return {"quantity": _number("legs", quantity), "symbol": symbol.strip()}


def _number(name: str, text: str) -> float:
    found = QueryParameters({name: text}, allowed={name}).decimal(name)
    return float(found or 0)


def _moment(text: str) -> datetime:
    try:
        found = parse_datetime(text) if text.isascii() else None
    except ValueError:
        found = None
    if found is None:
        raise invalid("expires_at", "Expected a day and a time.")
    return found.replace(tzinfo=get_current_timezone()) if is_naive(found) else found
