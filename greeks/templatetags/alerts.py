"""The current user's alerts, for any page that includes their panel."""

from __future__ import annotations

from typing import Any

from django import template

from greeks.alerts.page import AlertsPage
from greeks.alerts.reading import events_of, unread_count
from greeks.models import AlertEvent

register = template.Library()

#: Alerts on the risk monitor, as MOST_RECENT in static/js/alerts/everywhere.js.
RECENT = 3


@register.simple_tag(takes_context=True)
def alerts_panel(context: dict[str, Any]) -> AlertsPage | None:
    """Return the page's own alerts if its view made them, else those of the request's user.

    ``None`` if nobody is signed in: alerts are personal.
    """
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return None
    own = context.get("alerts")
    return own if isinstance(own, AlertsPage) else AlertsPage(request)


@register.simple_tag(takes_context=True)
def recent_alerts(context: dict[str, Any]) -> dict[str, Any]:
    """Return the user's newest ``events``, how many are ``unread``, and the ``mould`` of a row."""
    user = context["request"].user
    return {
        "events": events_of(user, count=RECENT),
        "unread": unread_count(user),
        "mould": AlertEvent(),
    }
