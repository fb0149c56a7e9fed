"""The pages of trades: the list, one trade, and users' annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from auth_tokens.models import User
from config.core.api.parameters import QueryParameters, whole_number
from config.core.errors import ApplicationError, InvalidInput, NotFound
from config.core.web.filter_fields import (
    FilterField,
    choice_field,
    date_field,
    symbol_field,
    text_field,
)
from config.core.web.parts import answer_parts
from portfolio.accounts.access import accounts_visible_to
from portfolio.models import Position
from trades.annotations import writing
from trades.journal.filter_fields import account_field, strategy_field
from trades.journal.reading import accounts_of_journal
from trades.models import Trade, TradeMarks, TradeNote, TradeReview
from trades.reviewing.api import asked_filters
from trades.reviewing.chain import chains_of
from trades.reviewing.detail import held_names, read_detail, trade_for_user, trade_of_position
from trades.reviewing.filters import RESULTS, SORTS, asked_parameters
from trades.reviewing.listing import by_chain, list_trades

GROUPS = ("", "chain")
#: What the chart of one trade offers beside its profit.
GREEKS = [(name, name.capitalize()) for name in ("delta", "gamma", "theta", "vega", "underlying")]
#: What a page that hears of new fills asks for again.
PARTS = {
    "trades-totals": ["trades/totals.html"],
    "trades-part": ["trades/list_part.html"],
}
_private = cache_control(private=True, no_cache=True)


@_private
@login_required
@require_safe
def trades(request: HttpRequest) -> HttpResponse:
    """Show the trades, filtered, sorted and grouped by the query string."""
    parameters = asked_parameters(request.GET)
    account_id = parameters.identifier("account_id")
    accounts = accounts_of_journal(request.user, account_id)
    group = parameters.choice("group", GROUPS, default="")
    page = parameters.integer("page", default=1, minimum=1, maximum=1_000_000)
    asked = asked_filters(parameters)
    listed = list_trades(accounts, asked, page=page)
    address = request.GET.copy()
    address.pop("page", None)
    context = {
        "listed": listed,
        "chains": by_chain(listed.rows) if group else None,
        "group": group,
        "asked": asked,
        "account_id": account_id or "",
        "fields": _fields(request, asked, account_id, group),
        "address": f"{address.urlencode()}&" if address else "",
    }
    return answer_parts(request, PARTS, context) or render(request, "trades/list.html", context)


def _fields(
    request: HttpRequest, asked: Mapping[str, Any], account_id: str | None, group: str
) -> list[FilterField]:
    return [
        account_field(accounts_visible_to(request.user), account_id),
        symbol_field("underlying", "Underlying", asked.get("underlying")),
        strategy_field(asked.get("strategy")),
        choice_field("status", "Status", asked.get("status"), Trade.Status.choices),
        choice_field(
            "result", "Result", asked.get("result"), [(each, each.capitalize()) for each in RESULTS]
        ),
        date_field("start", "From", asked.get("start")),
        date_field("end", "To", asked.get("end")),
        text_field("tag", "Tag", asked.get("tag")),
        choice_field("review", "Review", asked.get("review"), TradeReview.State.choices),
        choice_field("sort", "Order", asked.get("sort"), SORTS.items(), every=None),
        choice_field("group", "Group", group, [("chain", "By chain of rolls")], every="No"),
    ]


@_private
@login_required
@require_safe
def trade(request: HttpRequest, key: int) -> HttpResponse:
    """Show one trade. The key of any of its openings leads to it."""
    QueryParameters(request.GET, allowed=())
    found = trade_for_user(request.user, key)
    if found.key != key:
        return redirect("trade", found.key)
    detail = read_detail(found)
    marks = None
    if found.closed_at is not None:
        # Marks of another close are computed again soon.
        marks = TradeMarks.objects.filter(
            pk=found.key, closed_at=found.closed_at, net=found.net, seen__gt=0
        ).first()
    others = Trade.objects.filter(
        account=found.account_id, underlying=found.underlying, currency=found.currency
    ).exclude(pk=found.key)
    return render(
        request,
        "trades/trade.html",
        {
            "detail": detail,
            "trade": found,
            "others": others.order_by("-opened_at")[:50],
            "reviews": TradeReview.State.choices,
            "marks": marks,
            "chains": chains_of(found),
            "greeks": GREEKS,
            "held": held_names(detail),
        },
    )


@login_required
@require_safe
def trade_with_position(request: HttpRequest, position_id: int) -> HttpResponse:
    """Redirect from a position to the trade that holds it."""
    visible = Position.objects.filter(account__in=accounts_visible_to(request.user))
    position = get_object_or_404(visible, pk=position_id)
    found = trade_of_position(
        request.user, account_id=position.account_id, instrument_id=position.instrument_id
    )
    if found is None:
        messages.info(request, "The journal does not hold the fills of this position yet.")
        return redirect("trades_reconcile")
    return redirect("trade", found.key)


@login_required
@require_POST
def change_trade(request: HttpRequest, key: int) -> HttpResponse:
    """Save one trade's form: a note, tags, review or regrouping."""
    found = trade_for_user(request.user, key)
    action = _ACTIONS.get(request.POST.get("action", ""))
    try:
        if action is None:
            raise InvalidInput("No such action.", fields={"action": "unknown"})
        messages.success(request, action(request, found))
    except ApplicationError as error:
        messages.error(request, error.message)
    return redirect("trade", trade_for_user(request.user, key).key)


@login_required
@require_POST
def change_trades(request: HttpRequest) -> HttpResponse:
    """Annotate the trades selected in the list."""
    user = cast("User", request.user)
    chosen = [trade_for_user(user, key) for key in _keys(request, "trades")]
    try:
        if not chosen:
            raise InvalidInput("Choose some trades first.", fields={"trades": "none"})
        messages.success(request, _to_all(user, chosen, request))
    except ApplicationError as error:
        messages.error(request, error.message)
    back = request.POST.get("back", "")
    return redirect(f"/trades?{back}" if back and "\n" not in back else "trades")


def _to_all(user: User, chosen: list[Trade], request: HttpRequest) -> str:
    action = request.POST.get("action", "")
    if action == "merge":
        writing.merge_trades(user=user, trades=chosen)
        return f"{len(chosen)} trades are one now."
    if action == "tag":
        changed = writing.add_tag(user=user, trades=chosen, name=request.POST.get("tag", ""))
        return f"Tagged: {changed}."
    if action == "automatic":
        return f"{writing.group_automatically(user=user, trades=chosen)} overrides removed."
    changed = writing.set_review(user=user, trades=chosen, state=action)
    return f"Review of {changed} changed."


def _note(request: HttpRequest, found: Trade) -> str:
    user, text = cast("User", request.user), request.POST.get("text", "")
    number = whole_number(request.POST.get("note", ""))
    if number is None:
        writing.add_note(user=user, trade=found, text=text)
        return "Note added."
    note = TradeNote.objects.filter(pk=number, opening__in=writing.opening_keys(found)).first()
    if note is None:
        raise NotFound("No such note.")
    writing.change_note(user=user, note=note, text=text)
    return "Note changed."


def _tags(request: HttpRequest, found: Trade) -> str:
    names = request.POST.get("tags", "").split(",")
    writing.set_tags(user=cast("User", request.user), trade=found, names=names)
    return "Tags changed."


def _review(request: HttpRequest, found: Trade) -> str:
    state = request.POST.get("state", "")
    writing.set_review(user=cast("User", request.user), trades=[found], state=state)
    return "Review changed."


def _split(request: HttpRequest, found: Trade) -> str:
    user, keys = cast("User", request.user), _keys(request, "fills")
    to = whole_number(request.POST.get("to", ""))
    if to is None:
        writing.split_trade(user=user, trade=found, keys=keys)
        return "The chosen fills are a trade of their own now."
    writing.move_fills(user=user, trade=found, keys=keys, to=trade_for_user(user, to))
    return "The chosen fills belong to the other trade now."


def _merge(request: HttpRequest, found: Trade) -> str:
    user = cast("User", request.user)
    others = [trade_for_user(user, key) for key in _keys(request, "with")]
    writing.merge_trades(user=user, trades=[found, *others])
    return "The trades are one now."


def _automatic(request: HttpRequest, found: Trade) -> str:
    removed = writing.group_automatically(user=cast("User", request.user), trades=[found])
    return f"{removed} overrides removed: the trade follows the rules again."


_ACTIONS: dict[str, Callable[[HttpRequest, Trade], str]] = {
    "note": _note,
    "tags": _tags,
    "review": _review,
    "split": _split,
    "merge": _merge,
    "automatic": _automatic,
}


def _keys(request: HttpRequest, name: str) -> list[int]:
    found = [whole_number(str(value)) for value in request.POST.getlist(name)]
    return [key for key in found if key is not None]
