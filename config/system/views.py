"""The state of the desk, for staff: works without JavaScript; script refreshes its parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from auth_tokens.broker_tokens.claims import reset_renewal
from auth_tokens.broker_tokens.sources import registered_token_providers
from auth_tokens.tasks import ensure_token_task
from config.core.background.task import enqueue
from config.core.errors import NotFound
from config.core.web.parts import answer_parts
from config.system.page import SystemPage

_PARTS = (
    "processes", "responses", "calls", "tokens", "chains",
    "cache", "queue", "servers", "calendars", "checks",
)  # fmt: skip
PARTS = {name: (f"system/{name}.html",) for name in _PARTS}


def staff_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Send visitors to the log-in and refuse users who are not staff (403)."""

    @wraps(view)
    def wrapped(request: HttpRequest, *arguments: object, **named: object) -> HttpResponse:
        if not getattr(request.user, "is_staff", False):
            raise PermissionDenied
        return view(request, *arguments, **named)

    guarded: Callable[..., HttpResponse] = login_required(wrapped)
    return guarded


@never_cache
@staff_only
@require_safe
def system(request: HttpRequest) -> HttpResponse:
    """Show processes, tokens, polled chains, providers, calendars and health checks."""
    context = {"page": SystemPage()}
    parts = answer_parts(request, PARTS, context)
    return parts or render(request, "system/page.html", context)


@staff_only
@require_POST
def reset_token(request: HttpRequest, provider: str) -> HttpResponse:
    """Clear a token's failures and try it again at once, after an operator fixed the cause.

    The reset is recorded with the operator's name.
    """
    if provider not in registered_token_providers():
        raise NotFound("No such token.")
    reset_renewal(provider=provider)
    enqueue(ensure_token_task, {"provider": provider}, expires=240)
    messages.success(request, f"The token of {provider} is being renewed.")
    return redirect("system")
