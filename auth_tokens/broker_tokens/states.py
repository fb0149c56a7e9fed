"""State of the providers' tokens for pages, scripts and ``/health``, never a token itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import Q

from auth_tokens.broker_tokens.sources import registered_token_providers, token_source
from auth_tokens.models import BrokerToken
from config.core.clock import now
from config.core.health import CheckResult, register_check
from config.core.rows.kept_query import KeptObjects

Status = Literal["not_configured", "missing", "valid", "expired", "failing", "stopped", "renewing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenState:
    """What is known of one provider's token.

    ``opens``: there is an unexpired token. ``status`` is "failing" while failed renewals are
    retried at ``next_try_at``, "stopped" if an operator must act.
    """

    provider: str
    status: Status
    opens: bool
    source: str
    obtained_at: datetime | None
    expires_at: datetime | None
    tried_at: datetime | None
    next_try_at: datetime | None
    last_error_code: str
    last_error: str


_stored = KeptObjects(
    BrokerToken,
    lambda: BrokerToken.objects.annotate(has_token=~Q(ciphertext="")),
    without=("ciphertext",),
    also=("has_token",),
)


def token_states() -> tuple[TokenState, ...]:
    """Return all registered providers by name, in one query."""
    rows = {row.provider: row for row in _stored()}
    return tuple(
        _state(rows.get(name) or BrokerToken(provider=name))
        for name in registered_token_providers()
    )


@register_check("tokens")
def check_tokens() -> CheckResult:
    """Degraded if a renewal fails or has stopped, or an existing token has expired."""
    wrong = [
        f"{state.provider}: {state.status}"
        for state in token_states()
        if state.status in ("failing", "stopped", "expired")
    ]
    return CheckResult("degraded" if wrong else "ok", detail="; ".join(wrong))


def _state(row: BrokerToken) -> TokenState:
    at = now()
    # Annotated; a provider without a row has none.
    has_token = bool(getattr(row, "has_token", False))
    source = token_source(row.provider)
    # Results of other credentials say nothing about today's.
    applies = row.credentials == source.credentials()
    ended = row.expires_at is not None and row.expires_at <= at
    opens = has_token and applies and not ended
    status: Status
    if not source.is_configured():
        status = "not_configured"
    elif row.renewing_until is not None and row.renewing_until > at:
        status = "renewing"
    elif applies and row.status in (BrokerToken.Status.STOPPED, BrokerToken.Status.FAILING):
        status = "stopped" if row.status == BrokerToken.Status.STOPPED else "failing"
    elif opens:
        status = "valid"
    else:
        status = "expired" if has_token and applies else "missing"
    return TokenState(
        provider=row.provider,
        status=status,
        opens=opens,
        source=row.source if applies else "",
        obtained_at=row.obtained_at if opens else None,
        expires_at=row.expires_at if has_token and applies else None,
        tried_at=row.tried_at,
        next_try_at=row.next_try_at if applies else None,
        last_error_code=row.last_error_code if applies else "",
        last_error=row.last_error if applies else "",
    )
