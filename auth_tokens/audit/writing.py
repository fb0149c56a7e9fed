"""Write the audit trail: who did what to access and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from auth_tokens.audit.actor import current_actor
from auth_tokens.models import AuditEvent, User


def record_audit_event(
    *,
    event: str,
    subject: str = "",
    detail: Mapping[str, Any] | None = None,
    actor: User | None = None,
) -> AuditEvent:
    """Append one event, named ``noun.verb_past``. ``detail`` holds JSON values and no secret.

    The actor defaults to the person behind the current request; the request id comes from the
    logging context, so the trail and the logs can be read together.
    """
    actor = actor or current_actor()
    return AuditEvent.objects.create(
        event=event,
        subject=subject[:96],
        detail=dict(detail or {}),
        actor=actor if actor is not None and actor.pk is not None else None,
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", ""))[:64],
    )
