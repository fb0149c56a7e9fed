"""Tastytrade's access token in the token manager: one OAuth log-in for all processes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from auth_tokens.broker_tokens.sources import (
    Attempt,
    HeldToken,
    ObtainedToken,
    TokenSource,
    TryLimit,
    fingerprint,
)
from config.core.http.breaker import CircuitBreaker
from config.core.http.caller import HttpCaller
from portfolio.brokers.tastytrade.contracts import SOURCE
from portfolio.brokers.tastytrade.log_in import log_in

#: The schedule's interval plus half a minute for the queue.
LOOKED_AT_EVERY: Final = timedelta(seconds=330)


class TastytradeTokenSource(TokenSource):
    """``TokenSource`` of Tastytrade. A token counts as expired a minute early."""

    # Normally one log-in in a quarter of an hour; ``log_in`` pauses by itself after three refusals.
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

    def is_due(self, held: HeldToken, at: datetime) -> bool:
        """Return whether it expires before the schedule's next look, so no call waits for one."""
        return held.expires_at is not None and held.expires_at - at < LOOKED_AT_EVERY

    def obtain(self, attempt: Attempt) -> ObtainedToken:
        caller = HttpCaller(
            SOURCE,
            settings.TASTYTRADE_URL,
            timeout=settings.PROVIDER_TIMEOUT_SECONDS,
            # Not the data calls' breaker: the call that probes it may need a log-in first.
            breaker=CircuitBreaker(f"{SOURCE}.oauth"),
        )
        attempt.spend_try()
        try:
            return log_in(
                caller,
                client_secret=settings.TASTYTRADE_CLIENT_SECRET,
                refresh_token=settings.TASTYTRADE_REFRESH_TOKEN,
            )
        finally:
            caller.close()
