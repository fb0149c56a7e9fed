"""The OAuth session: one access token for all of a process's threads, renewed before it runs out.

Tastytrade blocks an address for hours after repeated refused log-ins. So log-ins are single flight
in a process, and after three refused in a row no process tries again for a quarter of an hour. The
sessions of the desk get their tokens from the token manager (``token_source``), which makes the
log-ins single flight in all processes and keeps the token between them.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from config.core.errors import (
    CircuitOpen,
    ForbiddenError,
    MalformedResponse,
    PermanentError,
    ProviderError,
    UnauthorisedError,
)
from config.core.http.breaker import CircuitBreaker
from portfolio.brokers.tastytrade.contracts import SOURCE

logger = structlog.get_logger(__name__)

#: Seconds that a token lives when the answer does not say.
TOKEN_LIFETIME: Final = 900.0
#: A token is renewed this many seconds before it runs out.
RENEWAL_MARGIN: Final = 60.0
REFUSALS_BEFORE_PAUSE: Final = 3
PAUSE_SECONDS: Final = 900.0


class TokenCaller(Protocol):
    """The part of ``HttpCaller`` that a log-in needs."""

    def request_json(
        self, method: str, path: str, *, json: Any = None, retry: bool | None = None
    ) -> Any: ...


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token, and for how many seconds it is used: less than it lives."""

    token: str
    seconds: float

    def __repr__(self) -> str:
        return f"Grant(seconds={self.seconds:.0f})"


class TastytradeSession:
    """Access token of one set of credentials, shared by every adapter of the process.

    ``authorise`` and ``renew`` are what ``HttpCaller`` calls: headers for each try, and one
    renewal after a 401. Both raise ``UnauthorisedError`` where the credentials are refused, or
    were refused so often that no further try is made yet. ``grant`` is asked for another token
    than the one it is given, where this session makes no log-ins of its own.
    """

    def __init__(
        self,
        caller: TokenCaller,
        *,
        client_secret: str,
        refresh_token: str,
        clock: Callable[[], float] = time.monotonic,
        grant: Callable[[str], Grant] | None = None,
    ) -> None:
        self._caller = caller
        self._client_secret = client_secret
        self._refresh_token = refresh_token
        self._clock = clock
        self._grant = grant or (lambda _: self.log_in())
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._finished = 0
        self._last_error: ProviderError | None = None
        # What this thread sent last: a 401 for it says nothing about a token renewed since.
        self._sent = threading.local()
        # New credentials are tried at once, whatever became of the old ones.
        credentials = hashlib.sha256(f"{client_secret}\n{refresh_token}".encode()).hexdigest()
        self._breaker = CircuitBreaker(
            f"{SOURCE}.log_in.{credentials[:12]}",
            failures=REFUSALS_BEFORE_PAUSE,
            cool_down=PAUSE_SECONDS,
        )

    def authorise(self) -> Mapping[str, str]:
        """The Authorization header, with a token that lives for at least another minute."""
        self._sent.token = ""
        token = self._token
        if not token or self._clock() >= self._renew_at:
            token = self._renewed(refused=token)
        self._sent.token = token
        return {"Authorization": f"Bearer {token}"}

    def renew(self) -> None:
        """Replace the token this thread sent last, unless another thread already has."""
        sent = getattr(self._sent, "token", "")
        error = self._last_error
        if not sent and error is not None:
            # No token was ever sent: the refusal was the log-in's own, and is not repeated.
            raise error
        self._renewed(refused=sent)

    def _renewed(self, *, refused: str) -> str:
        finished_before = self._finished
        with self._lock:
            if self._token and self._token != refused:
                return self._token
            if self._finished != finished_before and self._last_error is not None:
                # Somebody's try ended while this thread waited: its answer is everybody's.
                raise self._last_error
            self._last_error = None
            try:
                started = self._clock()
                grant = self._grant(refused)
                self._token, self._renew_at = grant.token, started + grant.seconds
            except ProviderError as error:
                self._token = ""
                self._last_error = error
                raise
            finally:
                self._finished += 1
            return self._token

    def log_in(self) -> Grant:
        """Log in, whatever token there is. Raises as ``authorise`` does."""
        if not (self._client_secret and self._refresh_token):
            raise UnauthorisedError(
                "Tastytrade is not connected: set TASTYTRADE_CLIENT_SECRET and"
                " TASTYTRADE_REFRESH_TOKEN.",
                provider=SOURCE,
            )
        try:
            self._breaker.check()
        except CircuitOpen:
            raise UnauthorisedError(
                f"Tastytrade refused the log-in {REFUSALS_BEFORE_PAUSE} times in a row. The next"
                f" try follows within {PAUSE_SECONDS / 60:.0f} minutes, because refused log-ins"
                " block this address. Check the client secret and the refresh token.",
                provider=SOURCE,
            ) from None
        try:
            answer = self._caller.request_json(
                "POST",
                "/oauth/token",
                json={
                    "grant_type": "refresh_token",
                    "client_secret": self._client_secret,
                    "refresh_token": self._refresh_token,
                },
                retry=False,
            )
        except MalformedResponse:
            raise
        except (UnauthorisedError, ForbiddenError, PermanentError) as error:
            # OAuth answers 400 for a revoked grant, others 401 or 403: all are refusals.
            self._breaker.record_failure()
            logger.warning("tastytrade.log_in_refused", reason=type(error).__name__)
            raise UnauthorisedError(
                f"Tastytrade refused the log-in: {error.message}", provider=SOURCE
            ) from None
        grant = Grant(_token_of(answer), _seconds_to_renewal(answer))
        self._breaker.record_success()
        return grant


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
