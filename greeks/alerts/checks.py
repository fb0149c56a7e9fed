"""System check of the alert settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from greeks.alerts.sending.messengers import MESSENGERS


@register()
def check_schemas(**_: Any) -> list[CheckMessage]:
    """Reject unknown services at start-up: a misspelt one would refuse everybody silently."""
    unknown = sorted(set(settings.ALERT_SCHEMAS) - set(MESSENGERS))
    if not unknown:
        return []
    return [
        Error(
            f"ALERT_SCHEMAS names {', '.join(unknown)}.",
            hint=f"Known: {', '.join(MESSENGERS)}.",
            id="greeks.E001",
        )
    ]
