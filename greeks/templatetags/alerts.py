"""The current user's alerts, for any page that includes their panel."""

from __future__ import annotations

from typing import Any

from django import template

from greeks.alerts.page import AlertsPage

register = template.Library()


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
