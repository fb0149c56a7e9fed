"""A log-in with the right password that still waits for its code.

It waits in the visitor's session, which belongs to nobody yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.http import HttpRequest

from auth_tokens.models import User
from config.core.clock import now

LIFETIME: Final = timedelta(minutes=10)
_KEY: Final = "log_in"


@dataclass(frozen=True, slots=True)
class PendingLogIn:
    """``leads_to`` is a checked address of this site."""

    user: User
    backend: str
    leads_to: str


def begin(request: HttpRequest, user: User, *, backend: str, leads_to: str) -> None:
    """Remember whose password was right."""
    request.session.cycle_key()
    request.session[_KEY] = {
        "user": user.pk,
        "proof": user.get_session_auth_hash(),
        "backend": backend,
        "leads_to": leads_to,
        "until": (now() + LIFETIME).isoformat(),
    }


def pending_log_in(request: HttpRequest) -> PendingLogIn | None:
    """Return it; ``None`` if there is none, too old, or of a password changed since."""
    kept = request.session.get(_KEY)
    if not kept or datetime.fromisoformat(kept["until"]) < now():
        return None
    user = User.objects.filter(pk=kept["user"], is_active=True).first()
    if user is None or user.get_session_auth_hash() != kept["proof"]:
        return None
    return PendingLogIn(user, kept["backend"], kept["leads_to"])


def end(request: HttpRequest) -> None:
    request.session.pop(_KEY, None)
