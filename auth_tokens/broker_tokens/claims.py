"""Record a renewal: one process at a time, tries counted, nothing left behind.

Each step is one short statement or transaction; none is open while a provider is called. The fence
is in the database, not in Redis: two processes make one log-in even if one cannot see Redis.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from auth_tokens.audit.actor import current_actor
from auth_tokens.broker_tokens.crypto import encrypt
from auth_tokens.broker_tokens.errors import PAUSE_SECONDS, TokenError
from auth_tokens.broker_tokens.sources import ObtainedToken, TryLimit
from auth_tokens.broker_tokens.tries import check_tries
from auth_tokens.models import BrokerToken, TokenEvent
from auth_tokens.signals import token_failed
from config.core.clock import now
from config.core.errors import ProviderClosed, ProviderError, RateLimitedError
from config.core.redaction import redact_text

Event = TokenEvent.Event
logger = structlog.get_logger(__name__)

#: A renewal silent for this long is over: its process died, and another may begin.
LEASE_SECONDS: Final = 45.0
_LONGEST_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to renew until its lease runs out. ``credentials`` is their fingerprint."""

    provider: str
    holder: str
    credentials: str


def broker_token_row(provider: str) -> BrokerToken:
    """Return the provider's row, creating it on first use."""
    row = BrokerToken.objects.filter(provider=provider).first()
    return row or BrokerToken.objects.get_or_create(provider=provider)[0]


def claim_renewal(*, row: BrokerToken, credentials: str) -> Claim | None:
    """Claim the renewal; ``None`` while somebody else renews, or has since ``row`` was read.

    So nobody renews what was just renewed.
    """
    at = now()
    holder = secrets.token_hex(16)
    free = Q(renewing_until__isnull=True) | Q(renewing_until__lte=at)
    claimed = BrokerToken.objects.filter(free, pk=row.pk, tries=row.tries).update(
        renewing_by=holder, renewing_until=at + timedelta(seconds=LEASE_SECONDS)
    )
    return Claim(row.provider, holder, credentials) if claimed else None


def extend_renewal(*, claim: Claim) -> bool:
    """Extend the lease. ``False``: it ran out and somebody else has it."""
    until = now() + timedelta(seconds=LEASE_SECONDS)
    return bool(_held(claim).update(renewing_until=until))


def release_renewal(*, claim: Claim) -> None:
    """Give up the claim without a result because the process is stopping."""
    _held(claim).update(renewing_by="", renewing_until=None)


def try_spend(*, claim: Claim, limits: Sequence[TryLimit]) -> None:
    """Count a log-in before making it. Raises ``TriesUsedUp`` if no try is left."""
    check_tries(provider=claim.provider, credentials=claim.credentials, limits=limits)
    _record(Event.LOG_IN_STARTED, claim.provider, credentials=claim.credentials)


def complete_renewal(*, claim: Claim, obtained: ObtainedToken) -> int | None:
    """Store the new token; return its version, or ``None`` if the lease was lost."""
    with transaction.atomic():
        row = _held(claim).select_for_update().first()
        if row is None:
            return None
        row.ciphertext = encrypt(obtained.text, provider=claim.provider)
        row.version += 1
        row.source, row.credentials = obtained.source, claim.credentials
        row.obtained_at, row.expires_at = now(), obtained.expires_at
        row.status, row.last_error, row.last_error_code = BrokerToken.Status.VALID, "", ""
        row.failures = 0
        _end(row, next_try_at=None)
        _record(Event.TOKEN_RENEWED, row.provider, source=row.source, credentials=row.credentials)
    logger.info(
        "token.renewed", token_provider=row.provider, source=row.source, expires_at=row.expires_at
    )
    return row.version


def fail_renewal(
    *,
    claim: Claim,
    error: ProviderError,
    is_refused: bool,
    longest_pause: float,
    screenshot: str = "",
) -> None:
    """Record why it failed and when to try again, and alert.

    ``is_refused``: the provider refused the stored token, so drop it. ``longest_pause``: upper
    limit in seconds of the growing pauses.
    """
    message = redact_text(error.message)[:_LONGEST_MESSAGE]
    with transaction.atomic():
        row = _held(claim).select_for_update().first()
        if row is None:
            return
        row.failures = row.failures + 1 if row.credentials == claim.credentials else 1
        stopped = _stops(error, claim)
        row.status = BrokerToken.Status.STOPPED if stopped else BrokerToken.Status.FAILING
        row.last_error, row.last_error_code = message, error.code
        if is_refused or row.credentials != claim.credentials:
            row.ciphertext = ""
        row.credentials = claim.credentials
        _end(row, next_try_at=now() + _pause(error, row.failures, longest_pause))
        _record(
            Event.RENEWAL_STOPPED if stopped else Event.RENEWAL_FAILED,
            row.provider,
            credentials=claim.credentials,
            code=error.code,
            detail=message,
            screenshot=screenshot,
        )
    if isinstance(error, ProviderClosed):
        # Nothing is wrong, and nobody needs an alert.
        return
    logger.error(
        "token.renewal_failed",
        token_provider=row.provider,
        code=error.code,
        reason=message,
        stopped=stopped,
        screenshot=screenshot,
    )
    token_failed.send_robust(
        BrokerToken, provider=row.provider, code=error.code, message=message, stopped=stopped
    )


def reset_renewal(*, provider: str) -> None:
    """Forget failures and restart the count of tries, because an operator fixed the cause."""
    row = broker_token_row(provider)
    with transaction.atomic():
        BrokerToken.objects.filter(pk=row.pk).update(
            status=BrokerToken.Status.VALID if row.ciphertext else BrokerToken.Status.MISSING,
            failures=0,
            next_try_at=None,
            last_error="",
            last_error_code="",
        )
        _record(Event.TOKEN_RESET, provider)


def _held(claim: Claim) -> QuerySet[BrokerToken]:
    return BrokerToken.objects.filter(provider=claim.provider, renewing_by=claim.holder)


def _end(row: BrokerToken, *, next_try_at: datetime | None) -> None:
    row.tries += 1
    row.tried_at = now()
    row.next_try_at = next_try_at
    row.renewing_by, row.renewing_until = "", None
    row.save()


def _stops(error: ProviderError, claim: Claim) -> bool:
    """Return whether this failure ends the tries, after enough of the same in a row."""
    after = error.stops_after if isinstance(error, TokenError) else None
    if after is None:
        return False
    before = TokenEvent.objects.filter(provider=claim.provider).exclude(event=Event.LOG_IN_STARTED)
    alike = [
        (event.event, event.code, event.credentials)
        == (Event.RENEWAL_FAILED, error.code, claim.credentials)
        for event in before[: after - 1]
    ]
    return len(alike) == after - 1 and all(alike)


def _pause(error: ProviderError, failures: int, longest: float) -> timedelta:
    """Return the time to the next try: the provider's wait, else doubled with each failure."""
    if isinstance(error, RateLimitedError) and error.retry_after is not None:
        return timedelta(seconds=error.retry_after)
    first = error.pause_seconds if isinstance(error, TokenError) else PAUSE_SECONDS
    return timedelta(seconds=min(first * 2.0 ** min(failures - 1, 10), longest))


def _record(event: TokenEvent.Event, provider: str, **fields: str) -> None:
    actor = current_actor()
    context = structlog.contextvars.get_contextvars()
    TokenEvent.objects.create(
        at=now(),
        event=event,
        provider=provider,
        actor=actor if actor is not None and actor.pk is not None else None,
        request_id=str(context.get("request_id", ""))[:64],
        **fields,
    )
