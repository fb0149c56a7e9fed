"""The alerts page: it works without JavaScript, and script fetches its parts.

A request that names parts in ``X-Parts`` gets only those, rendered by the same templates.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from config.core.errors import ApplicationError, NotFound
from config.core.web.parts import PARTS_HEADER, answer_parts
from greeks.alerts.page import AlertsPage
from greeks.alerts.reading import rule_for_user
from greeks.alerts.rules import (
    create_alert_rule,
    delete_alert_rule,
    mark_alert_events_read,
    switch_alert_rule,
    update_alert_rule,
)
from greeks.alerts.sending.channels import (
    create_alert_channel,
    delete_alert_channel,
    send_test_alert,
)
from greeks.models import AlertRule

PARTS = {name: (f"alerts/{name}.html",) for name in ("events", "rules", "channels")}


@cache_control(private=True, no_cache=True)
@login_required
@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    """Show events, rules and channels."""
    return _answer(request, AlertsPage(request))


@login_required
@require_POST
def save_rule(request: HttpRequest, rule_id: int | None = None) -> HttpResponse:
    """Save a rule, or change one of the user's own."""
    page = AlertsPage(request)
    if rule_id is not None:
        page.edited = rule_for_user(request.user, rule_id)
    values = page.type_rule(request.POST)
    if values is None:
        return _answer(request, page)
    try:
        rule = (
            create_alert_rule(user=request.user, values=values)
            if rule_id is None
            else update_alert_rule(user=request.user, rule_id=rule_id, values=values)
        )
    except NotFound:
        raise
    except ApplicationError as error:
        page.rule_problem = "See the field marked below." if error.fields else error.message
        page.form.refuse(error.message, error.fields)
        return _answer(request, page)
    messages.success(request, f"{_named(rule)} is watched from the next minute on.")
    return _back(request, "alerts-rules")


@login_required
@require_POST
def switch_rule(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Pause or resume one of the user's rules."""
    enabled = request.POST.get("enabled") == "true"
    rule = switch_alert_rule(user=request.user, rule_id=rule_id, enabled=enabled)
    messages.success(request, f"{_named(rule)} is {'watched again' if enabled else 'paused'}.")
    return _back(request, "alerts-rules")


@login_required
@require_POST
def remove_rule(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Delete one of the user's rules."""
    delete_alert_rule(user=request.user, rule_id=rule_id)
    messages.success(request, "The alert is deleted.")
    return _back(request, "alerts-rules")


@login_required
@require_POST
def mark_events_read(request: HttpRequest) -> HttpResponse:
    """Mark everything up to now as read."""
    mark_alert_events_read(user=request.user)
    return _back(request, "alerts-events")


@login_required
@require_POST
def save_channel(request: HttpRequest) -> HttpResponse:
    """Save a channel of the user's own."""
    page = AlertsPage(request)
    typed = page.type_channel(request.POST)
    if typed is None:
        return _answer(request, page)
    try:
        channel = create_alert_channel(user=request.user, **typed)
    except ApplicationError as error:
        page.channel_problem = "See the field marked below." if error.fields else error.message
        page.channel_form.refuse(error.message, error.fields)
        return _answer(request, page)
    messages.success(
        request, f"Messages can go to “{channel.name}”. Send a test message to be sure."
    )
    return _back(request, "alerts-channels")


@login_required
@require_POST
def remove_channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    """Delete one of the user's channels."""
    return _do(
        request,
        lambda: delete_alert_channel(user=request.user, channel_id=channel_id),
        "The channel is deleted.",
    )


@login_required
@require_POST
def send_test_message(request: HttpRequest, channel_id: int) -> HttpResponse:
    """Send a test message to one of the user's channels."""
    return _do(
        request,
        lambda: send_test_alert(user=request.user, channel_id=channel_id),
        "A test message is on its way; the list above will show whether it was sent.",
    )


def _do(request: HttpRequest, act: Callable[[], object], done: str) -> HttpResponse:
    try:
        act()
    except NotFound:
        raise
    except ApplicationError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, done)
    return _back(request, "alerts-channels")


def _named(rule: AlertRule) -> str:
    return f"The alert on {rule.instrument.name}"


def _back(request: HttpRequest, place: str) -> HttpResponse:
    """Redirect to the form's page, at its place."""
    if PARTS_HEADER in request.headers:
        query = "?panel=1" if "panel" in request.GET else ""
        return redirect(f"{reverse('market_alerts')}{query}")
    page = "market" if request.POST.get("page") == "market" else "market_alerts"
    return redirect(f"{reverse(page)}#{place}")


def _answer(request: HttpRequest, page: AlertsPage) -> HttpResponse:
    context = {"alerts": page}
    parts = answer_parts(request, PARTS, context)
    if parts is not None:
        return parts
    wrong = bool(page.rule_problem or page.channel_problem)
    return render(request, "alerts/page.html", context, status=400 if wrong else 200)
