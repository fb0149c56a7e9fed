"""Tastytrade's access token: one OAuth log-in, kept by the token manager for all processes.

Tastytrade blocks an address for hours after repeated refused log-ins. So after three refusals in a
row no process tries again for a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog
from django.conf import settings

from auth_tokens.broker_tokens.sources import (
    Attempt,
    HeldToken,
    ObtainedToken,
    TokenSource,
    TryLimit,
    fingerprint,
)
from config.core.clock import now
from config.core.errors import (
    CircuitOpen,
    ForbiddenError,
    MalformedResponse,
    PermanentError,
    UnauthorisedError,
)
from config.core.http.breaker import CircuitBreaker
from config.core.http.caller import HttpCaller
from portfolio.brokers.tastytrade.contracts import SOURCE

logger = structlog.get_logger(__name__)

#: Lifetime of a token in seconds if the answer does not tell.
TOKEN_LIFETIME: Final = 900.0
#: Seconds before expiry at which a token is renewed.
RENEWAL_MARGIN: Final = 60.0
REFUSALS_BEFORE_PAUSE: Final = 3
PAUSE_SECONDS: Final = 900.0
#: The schedule's interval plus half a minute for the queue.
LOOKED_AT_EVERY: Final = timedelta(seconds=330)


class TokenCaller(Protocol):
    """The part of ``HttpCaller`` that a log-in needs."""

    def request_json(
        self, method: str, path: str, *, json: Any = None, retry: bool = True
    ) -> Any: ...


def log_in(caller: TokenCaller, *, client_secret: str, refresh_token: str) -> ObtainedToken:
    """Fetch an access token, usable until a minute before it expires.

    Raises ``UnauthorisedError`` if the credentials are missing or refused, or were refused too
    often to try again yet.
    """
    if not (client_secret and refresh_token):
        raise UnauthorisedError(
            "Tastytrade is not connected: set TASTYTRADE_CLIENT_SECRET and"
            " TASTYTRADE_REFRESH_TOKEN.",
            provider=SOURCE,
        )
    # Keyed by the credentials: new ones are tried at once, whatever happened to the old.
    credentials = fingerprint(client_secret, refresh_token)
    breaker = CircuitBreaker(
        f"{SOURCE}.log_in.{credentials[:12]}",
        failures=REFUSALS_BEFORE_PAUSE,
        cool_down=PAUSE_SECONDS,
    )
    try:
        breaker.check()
    except CircuitOpen:
        raise UnauthorisedError(
            f"Tastytrade refused the log-in {REFUSALS_BEFORE_PAUSE} times in a row. The next"
            f" try follows within {PAUSE_SECONDS / 60:.0f} minutes, because refused log-ins"
            " block this address. Check the client secret and the refresh token.",
            provider=SOURCE,
        ) from None
    asked_at = now()
    try:
        answer = caller.request_json(
            "POST",
            "/oauth/token",
            json={
                "grant_type": "refresh_token",
                "client_secret": client_secret,
                "refresh_token": refresh_token,
            },
            retry=False,
        )
    except MalformedResponse:
        raise
    except (UnauthorisedError, ForbiddenError, PermanentError) as error:
        # OAuth answers 400 for a revoked grant, other servers 401 or 403: all are refusals.
        breaker.record_failure()
        logger.warning("tastytrade.log_in_refused", reason=type(error).__name__)
        raise UnauthorisedError(
            f"Tastytrade refused the log-in: {error.message}", provider=SOURCE
        ) from None
    obtained = ObtainedToken(
        text=_token_of(answer),
        expires_at=asked_at + timedelta(seconds=_seconds_to_renewal(answer)),
        source="oauth",
    )
    breaker.record_success()
    return obtained


def _token_of(answer: object) -> str:
    token = answer.get("access_token") if isinstance(answer, dict) else None
    # It becomes a header: visible ASCII only.
    if not isinstance(token, str) or not token or not all("!" <= c <= "~" for c in token):
        raise MalformedResponse("log-in: the answer holds no access token", provider=SOURCE)
    return token


def _seconds_to_renewal(answer: Mapping[str, Any]) -> float:
    lifetime = answer.get("expires_in")
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not lifetime > 0:
        lifetime = TOKEN_LIFETIME
    lifetime = min(float(lifetime), 86_400.0)
    return lifetime - min(RENEWAL_MARGIN, lifetime / 2)


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
        with closing(caller):
            return log_in(
                caller,
                client_secret=settings.TASTYTRADE_CLIENT_SECRET,
                refresh_token=settings.TASTYTRADE_REFRESH_TOKEN,
            )
