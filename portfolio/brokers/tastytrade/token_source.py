"""Tastytrade's access token in the token manager: one OAuth log-in for all processes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from auth_tokens.broker_tokens.manager import get_copy, renew_copy
from auth_tokens.broker_tokens.sources import (
    Attempt,
    HeldToken,
    ObtainedToken,
    TryLimit,
    fingerprint,
)
from config.core.clock import now
from config.core.http.breaker import CircuitBreaker
from config.core.http.caller import HttpCaller
from portfolio.brokers.tastytrade.contracts import SOURCE
from portfolio.brokers.tastytrade.session import TOKEN_LIFETIME, Grant, TastytradeSession

OAUTH: Final = "oauth"
#: The schedule's interval, and half a minute for the queue.
LOOKED_AT_EVERY: Final = timedelta(seconds=330)


class TastytradeTokenSource:
    """``TokenSource`` of Tastytrade. A token is stored until a minute before it runs out."""

    # One in a quarter of an hour is usual; refused ones pause by themselves after three.
    limits = (TryLimit(6, 900.0),)
    longest_pause = 900.0
    keeps_ready = True

    def is_configured(self) -> bool:
        return bool(settings.TASTYTRADE_CLIENT_SECRET and settings.TASTYTRADE_REFRESH_TOKEN)

    def credentials(self) -> str:
        return fingerprint(
            settings.TASTYTRADE_URL,
            settings.TASTYTRADE_CLIENT_SECRET,
            settings.TASTYTRADE_REFRESH_TOKEN,
        )

    def closed_until(self, at: datetime) -> datetime | None:
        return None

    def is_due(self, held: HeldToken, at: datetime) -> bool:
        """Whether it would end before the schedule looks again: then no call waits for the next."""
        return held.expires_at is not None and held.expires_at - at < LOOKED_AT_EVERY

    def obtain(self, attempt: Attempt) -> ObtainedToken:
        caller = log_in_caller(settings.TASTYTRADE_URL)
        session = TastytradeSession(
            caller,
            client_secret=settings.TASTYTRADE_CLIENT_SECRET,
            refresh_token=settings.TASTYTRADE_REFRESH_TOKEN,
        )
        attempt.spend_try()
        asked_at = now()
        try:
            grant = session.log_in()
        finally:
            caller.close()
        expires_at = asked_at + timedelta(seconds=grant.seconds)
        return ObtainedToken(text=grant.token, expires_at=expires_at, source=OAUTH)


def managed_grant(refused: str) -> Grant:
    """The token of all processes for one process's session; another than ``refused``."""
    copy = renew_copy(SOURCE, refused=refused) if refused else get_copy(SOURCE)
    if copy.expires_at is None:
        return Grant(copy.text, TOKEN_LIFETIME)
    return Grant(copy.text, (copy.expires_at - now()).total_seconds())


def log_in_caller(base_url: str) -> HttpCaller:
    return HttpCaller(
        SOURCE,
        base_url,
        timeout=settings.PROVIDER_TIMEOUT_SECONDS,
        # Not the data calls' breaker: the call that probes it may need a log-in first.
        breaker=CircuitBreaker(f"{SOURCE}.oauth"),
    )
