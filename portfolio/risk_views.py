"""The risk page: whole without JavaScript, and its parts for the script that takes it over.

Every address answers the whole page. A request that names parts in ``X-Parts`` gets those alone,
rendered by the same templates: the script puts each in the place of the one with its id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from portfolio.risk_page import RiskPage
from portfolio.selectors.books import ENCODER


@dataclass(frozen=True, slots=True)
class Part:
    """Templates of a part, and which values of the page it shows."""

    templates: Sequence[str]
    shows: Sequence[str]


PARTS: Mapping[str, Part] = {
    "report": Part(("state", "strip", "breakdowns", "profile"), ("report",)),
    "scenarios": Part(("scenarios",), ("report", "grid", "day")),
}
SHOWN = (
    "account_choices",
    "account_id",
    "clock",
    "currency",
    "day",
    "grid",
    "grid_problem",
    "portfolio_choices",
    "portfolio_id",
    "report",
    "typed",
)


@cache_control(private=True, no_cache=True)
@login_required
@require_safe
def risk(request: HttpRequest) -> HttpResponse:
    """Totals, breakdowns, scenarios, value at risk; what the address asks for chosen."""
    return _answer(request, RiskPage(request))


def _answer(request: HttpRequest, page: RiskPage) -> HttpResponse:
    # Templates call what can be called: only what they show is read and computed.
    context = {name: partial(getattr, page, name) for name in SHOWN}
    asked = [name for name in request.headers.get("X-Parts", "").split(",") if name in PARTS]
    if not asked:
        return render(request, "portfolio/risk.html", context)
    etag = _etag(request, page, asked) if request.method == "GET" else None
    response: HttpResponse
    if etag and etag in parse_etags(request.headers.get("If-None-Match", "").replace("W/", "")):
        response = HttpResponseNotModified()
    else:
        response = HttpResponse(
            "".join(
                render_to_string(f"portfolio/risk/{name}.html", context, request)
                for part in asked
                for name in PARTS[part].templates
            )
        )
    if etag:
        response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Cookie", "X-Parts"))
    return response


def _etag(request: HttpRequest, page: RiskPage, asked: Sequence[str]) -> str:
    """Changes with what is shown, not with the passing of time alone."""
    facts = {name: getattr(page, name) for part in asked for name in PARTS[part].shows}
    digest = hashlib.blake2b(
        ENCODER.encode([asked, request.GET.urlencode(), facts]), digest_size=12
    )
    return f'"{digest.hexdigest()}"'
