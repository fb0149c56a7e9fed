"""The page of exit rules: current signals, the rules, and a dry run on past trades."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from auth_tokens.models import User
from config.core.api.parameters import QueryParameters, whole_number
from config.core.errors import ApplicationError, InvalidInput
from portfolio.accounts.access import accounts_visible_to
from trades.models import ExitRule
from trades.strategies.naming import Strategy
from trades.trade_signals.exits.dry_run import DAYS, dry_run
from trades.trade_signals.exits.listing import exit_rows
from trades.trade_signals.exits.rules import clock_words, number_words
from trades.trade_signals.exits.writing import (
    RuleValues,
    filled_rule,
    remove_rule,
    rule_for_user,
    save_rule,
)

_private = cache_control(private=True, no_cache=True)
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


@_private
@login_required
@require_safe
def rules(request: HttpRequest) -> HttpResponse:
    """Show the user's exit rules and their current signals."""
    parameters = QueryParameters.of_form(request.GET, allowed={"edit"})
    asked = whole_number(parameters.text("edit") or "")
    edited = None if asked is None else rule_for_user(cast("User", request.user), asked)
    return _page(request, edited=edited, typed=_typed(edited) if edited else {})


@login_required
@require_POST
def change_rules(request: HttpRequest) -> HttpResponse:
    """Save a rule, remove one, or try one on past trades without saving it."""
    user = cast("User", request.user)
    number = whole_number(request.POST.get("rule", ""))
    edited = None if number is None else rule_for_user(user, number)
    action = request.POST.get("action", "")
    try:
        if action == "remove" and number is not None:
            name = remove_rule(user=user, rule_id=number)
            messages.success(request, f"The rule “{name}” is removed.")
            return redirect("exit_rules")
        values = _values(request.POST)
        if action == "try":
            rule = filled_rule(ExitRule(owner=user), values)
            accounts = accounts_visible_to(user).values_list("pk", flat=True)
            tried = dry_run(rule, accounts=list(accounts))
            return _page(request, edited=edited, typed=request.POST, tried=tried, rule=rule)
        rule = save_rule(user=user, values=values, rule_id=number)
    except ApplicationError as error:
        return _page(
            request, edited=edited, typed=request.POST, problem=error.message, status=error.status
        )
    messages.success(request, f"The rule “{rule.name}” is saved.")
    return redirect("exit_rules")


def _page(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    user = cast("User", request.user)
    found = ExitRule.objects.filter(owner=user).select_related("account")
    context = {
        "rows": exit_rows(user),
        "rules": [(rule, number_words(rule.kind, rule.threshold)) for rule in found],
        "kinds": ExitRule.Kind.choices,
        "strategies": Strategy,
        "accounts": accounts_visible_to(user),
        "days": DAYS,
        **more,
    }
    return render(request, "trades/signals/rules.html", context, status=status)


def _typed(rule: ExitRule) -> dict[str, Any]:
    is_clock = rule.kind == ExitRule.Kind.TIME_OF_DAY
    return {
        "name": rule.name,
        "kind": rule.kind,
        "threshold": clock_words(rule.threshold) if is_clock else f"{rule.threshold:g}",
        "band": f"{rule.band:g}",
        "account_id": rule.account_id or "",
        "strategy": rule.strategy,
        "tag": rule.tag,
        "enabled": "on" if rule.enabled else "",
    }


def _values(form: QueryDict) -> RuleValues:
    """Read the form. Raises InvalidInput naming the field."""
    threshold = form.get("threshold", "").strip()
    clock = _CLOCK.fullmatch(threshold)
    if form.get("kind") == ExitRule.Kind.TIME_OF_DAY:
        if clock is None:
            raise InvalidInput(
                "threshold: Expected a time: 15:45.", fields={"threshold": "a time: 15:45"}
            )
        number = float(int(clock[1]) * 60 + int(clock[2]))
    else:
        number = _number("threshold", threshold)
    return RuleValues(
        name=form.get("name", ""),
        kind=form.get("kind", ""),
        threshold=number,
        band=_number("band", form.get("band", "").strip() or "0"),
        account_id=form.get("account_id", ""),
        strategy=form.get("strategy", ""),
        tag=form.get("tag", ""),
        enabled=bool(form.get("enabled")),
    )


def _number(name: str, text: str) -> float:
    found = QueryParameters({name: text}, allowed={name}).decimal(name)
    return float(found or 0)
