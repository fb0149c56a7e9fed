"""Tastytrade's OAuth log-in: exchange a refresh token for an access token.

Tastytrade blocks an address for hours after repeated refused log-ins. So after three refusals in a
row no process tries again for a quarter of an hour. The token manager stores the token and makes
one log-in serve all processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog

from auth_tokens.broker_tokens.sources import ObtainedToken
from config.core.clock import now
from config.core.errors import (
    CircuitOpen,
    ForbiddenError,
    MalformedResponse,
    PermanentError,
    UnauthorisedError,
)
from config.core.http.breaker import CircuitBreaker
from portfolio.brokers.tastytrade.contracts import SOURCE

logger = structlog.get_logger(__name__)

OAUTH: Final = "oauth"
#: Lifetime of a token in seconds if the answer does not tell.
TOKEN_LIFETIME: Final = 900.0
#: Seconds before expiry at which a token is renewed.
RENEWAL_MARGIN: Final = 60.0
REFUSALS_BEFORE_PAUSE: Final = 3
PAUSE_SECONDS: Final = 900.0


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
    credentials = hashlib.sha256(f"{client_secret}\n{refresh_token}".encode()).hexdigest()
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
        source=OAUTH,
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
