"""The risk page: it works without JavaScript, and script fetches its parts.

Every address answers the whole page. A request that names parts in ``X-Parts`` gets only those,
rendered by the same templates; the script replaces the elements with the same ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from config.core.errors import Conflict, InvalidInput
from config.core.web.parts import answer_parts
from portfolio.amounts import ENCODER
from portfolio.risk.page import RiskPage
from portfolio.risk.scenarios.saved import create_scenario, delete_scenario, update_scenario

#: The templates of each part.
PARTS = {
    "report": tuple(f"risk/{name}.html" for name in ("state", "strip", "breakdowns", "profile")),
    "scenarios": ("risk/scenarios.html",),
    "saved": ("risk/saved.html",),
    "ran": ("risk/ran.html",),
    "what-if": ("risk/what_if.html",),
    "what-if-answer": ("risk/what_if_answer.html",),
}
#: The page's values that decide what a part shows.
FACTS: Mapping[str, Sequence[str]] = {
    "report": ("report",),
    "scenarios": ("grid", "day", "net_liquidation"),
    "saved": ("saved", "ran", "edited"),
    "ran": ("ran",),
    "what-if": (),
    "what-if-answer": (),
}
SHOWN = (
    "account_choices",
    "account_id",
    "address",
    "answer",
    "axis_problems",
    "benchmark",
    "clock",
    "day",
    "edited",
    "grid",
    "net_liquidation",
    "portfolio_choices",
    "portfolio_id",
    "ran",
    "report",
    "saved",
    "scenario_form",
    "scenario_problem",
    "shifts",
    "typed",
    "what_if",
)


@cache_control(private=True, no_cache=True)
@login_required
@require_safe
def risk(request: HttpRequest) -> HttpResponse:
    """Show totals, breakdowns, scenarios and value at risk, as the address selects."""
    return _answer(request, RiskPage(request))


@login_required
def what_if(request: HttpRequest) -> HttpResponse:
    """Show the page with the book as it would be after the typed changes. Stores nothing."""
    if request.method != "POST":
        return redirect(f"{reverse('risk')}?{request.GET.urlencode()}")
    page = RiskPage(request)
    page.ask_what_if(request.POST)
    return _answer(request, page)


@login_required
@require_POST
def save_scenario(request: HttpRequest, scenario_id: int | None = None) -> HttpResponse:
    """Save a scenario, or change one of the user's own."""
    page = RiskPage(request)
    typed = page.type_scenario(request.POST)
    if typed is not None:
        try:
            if scenario_id is None:
                kept = create_scenario(user=request.user, values=typed)
            else:
                kept = update_scenario(user=request.user, scenario_id=scenario_id, values=typed)
        except (Conflict, InvalidInput) as error:
            page.scenario_problem = error.message
        else:
            messages.success(request, f"Scenario “{kept['name']}” is saved.")
            return _back(request, scenario=kept["id"])
    return _answer(request, page)


@login_required
@require_POST
def remove_scenario(request: HttpRequest, scenario_id: int) -> HttpResponse:
    """Delete one of the user's own scenarios."""
    delete_scenario(user=request.user, scenario_id=scenario_id)
    messages.success(request, "The scenario is deleted.")
    return _back(request)


def _back(request: HttpRequest, **chosen: str) -> HttpResponse:
    """Redirect to the page, at the saved scenarios, with no scenario open for editing."""
    query = request.GET.copy()
    for name in ("edit", "scenario"):
        query.pop(name, None)
    for name, value in chosen.items():
        query[name] = value
    return redirect(f"{reverse('risk')}?{query.urlencode()}#risk-saved")


def _answer(request: HttpRequest, page: RiskPage) -> HttpResponse:
    # Templates call callables, so only what they show is read and computed.
    context: dict[str, Any] = {name: partial(getattr, page, name) for name in SHOWN}
    parts = answer_parts(request, PARTS, context, partial(_etag, request, page))
    return parts or render(request, "risk/page.html", context)


def _etag(request: HttpRequest, page: RiskPage, asked: Sequence[str]) -> str:
    """Return a tag that changes with the book, the other values shown, and each market minute.

    Scenario values change every second. They follow from the versions and times beside them, so
    the tag hashes those instead of the computed numbers.
    """
    minute = page.clock["now"].replace(second=0, microsecond=0)
    facts = [getattr(page, name) for part in asked for name in FACTS[part]]
    told = ENCODER.encode([asked, request.GET.urlencode(), minute, _without_floats(facts)])
    return f'"{hashlib.blake2b(told, digest_size=12).hexdigest()}"'


def _without_floats(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_floats(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_floats(each) for each in value]
    return None if isinstance(value, float) else value
