"""Upstox's token: the settings' analytics token, or a browser log-in."""

from __future__ import annotations

import time as monotonic_time
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from django.conf import settings

from auth_tokens.broker_log_ins.totp import OneTimeCodes
from auth_tokens.broker_log_ins.upstox import PROVIDER, UpstoxLogIn, UpstoxLogInDetails
from auth_tokens.broker_tokens.errors import CredentialsRefused, TokenError
from auth_tokens.broker_tokens.sources import (
    Attempt,
    HeldToken,
    ObtainedToken,
    TryLimit,
    fingerprint,
)
from config.core.clock import now
from config.core.errors import MalformedResponse, ProviderClosed, ProviderError
from config.core.http.caller import HttpCaller

ANALYTICS: Final = "analytics"
BROWSER: Final = "browser"
INDIA: Final = ZoneInfo("Asia/Kolkata")
#: A token expires at the next 03:30 in India; the API is closed from midnight to 05:30.
ENDS_AT: Final = time(3, 30)
OPENS_AT: Final = time(5, 30)
#: A token from this hour or later is wanted every day, until its market closes.
RENEWED_AT: Final = time(8, 55)
RENEWED_UNTIL: Final = time(15, 30)
_DIALOG_PATH: Final = "/v2/login/authorization/dialog"
_TOKEN_PATH: Final = "/v2/login/authorization/token"  # noqa: S105 - an address
_NEEDED: Final = (
    "UPSTOX_API_KEY",
    "UPSTOX_API_SECRET",
    "UPSTOX_REDIRECT_URI",
    "UPSTOX_MOBILE",
    "UPSTOX_TOTP_SECRET",
    "UPSTOX_PIN",
)
_REFUSED_CODES: Final = frozenset({"UDAPI100016", "UDAPI100068", "UDAPI100069", "UDAPI100060"})
_CLOSED_CODE: Final = "UDAPI100074"


class UpstoxTokenSource:
    """``TokenSource`` of Upstox. With an analytics token no browser starts."""

    # A handful of wrong entries locks the account: allow fewer log-ins than that in a short time,
    # and per day a few more than the one renewal and a token that dies.
    limits = (TryLimit(3, 900.0), TryLimit(8, 86_400.0))
    longest_pause = 1800.0
    keeps_ready = True

    def is_configured(self) -> bool:
        return bool(settings.UPSTOX_ANALYTICS_TOKEN) or all(map(_setting, _NEEDED))

    def credentials(self) -> str:
        if settings.UPSTOX_ANALYTICS_TOKEN:
            return fingerprint(ANALYTICS, settings.UPSTOX_URL, settings.UPSTOX_ANALYTICS_TOKEN)
        return fingerprint(BROWSER, settings.UPSTOX_URL, *map(_setting, _NEEDED))

    def closed_until(self, at: datetime) -> datetime | None:
        local = at.astimezone(INDIA)
        if settings.UPSTOX_ANALYTICS_TOKEN or settings.DEMO or local.time() >= OPENS_AT:
            return None
        return datetime.combine(local.date(), OPENS_AT, INDIA)

    def is_due(self, held: HeldToken, at: datetime) -> bool:
        """Return whether the morning's renewal is still to be made.

        A missed one is made up until the session ends, but never before its hour.
        """
        if held.source == ANALYTICS:
            return False
        local = at.astimezone(INDIA)
        slot = datetime.combine(local.date(), RENEWED_AT, INDIA)
        obtained_at = held.obtained_at or at
        return slot <= local and local.time() < RENEWED_UNTIL and obtained_at < slot

    def obtain(self, attempt: Attempt) -> ObtainedToken:
        if settings.UPSTOX_ANALYTICS_TOKEN:
            return self._analytics(attempt)
        return self._logged_in(attempt)

    def _analytics(self, attempt: Attempt) -> ObtainedToken:
        token = settings.UPSTOX_ANALYTICS_TOKEN
        if attempt.refused == token:
            raise CredentialsRefused(
                "Upstox refuses the analytics token: make a new one (they live for a year) and set"
                " UPSTOX_ANALYTICS_TOKEN, or unset it to log in by browser.",
                provider=PROVIDER,
            )
        return ObtainedToken(text=token, expires_at=None, source=ANALYTICS)

    def _logged_in(self, attempt: Attempt) -> ObtainedToken:
        # Imported when needed: Selenium takes several megabytes of a worker's memory.
        from auth_tokens.broker_log_ins.browser import HeadlessBrowser

        details = UpstoxLogInDetails(
            dialog_url=settings.UPSTOX_LOGIN_URL or f"{settings.UPSTOX_URL}{_DIALOG_PATH}",
            api_key=settings.UPSTOX_API_KEY,
            redirect_uri=settings.UPSTOX_REDIRECT_URI,
            mobile=settings.UPSTOX_MOBILE,
            totp_secret=settings.UPSTOX_TOTP_SECRET,
            pin=settings.UPSTOX_PIN,
        )
        codes = _one_time_codes(details.totp_secret, attempt)
        with HeadlessBrowser(provider=PROVIDER) as browser:
            flow = UpstoxLogIn(details, browser=browser, attempt=attempt, codes=codes)
            code = flow.authorisation_code()
        attempt.going_on()
        return ObtainedToken(text=_token_for(code), expires_at=next_end(now()), source=BROWSER)


def next_end(at: datetime) -> datetime:
    """Return when a token obtained now expires: the next 03:30 in India."""
    local = at.astimezone(INDIA)
    ends_at = datetime.combine(local.date(), ENDS_AT, INDIA)
    return ends_at if local < ends_at else ends_at + timedelta(days=1)


def _one_time_codes(secret: str, attempt: Attempt) -> OneTimeCodes:
    try:
        return OneTimeCodes(secret, pause=_pause_of(attempt))
    except ValueError:
        # Drop the cause, which quotes the secret.
        raise CredentialsRefused(
            "UPSTOX_TOTP_SECRET is not base32 text: copy the text behind the QR code.",
            provider=PROVIDER,
        ) from None


def _pause_of(attempt: Attempt) -> Callable[[float], None]:
    def pause(seconds: float) -> None:
        attempt.going_on()
        monotonic_time.sleep(seconds)

    return pause


def _token_for(code: str) -> str:
    """Buy the token with the code, which works once: never repeat this call."""
    caller = HttpCaller(
        f"{PROVIDER}.log_in",
        settings.UPSTOX_URL,
        timeout=settings.PROVIDER_TIMEOUT_SECONDS,
        explain=_explain,
    )
    try:
        answer = caller.request_json(
            "POST",
            _TOKEN_PATH,
            data={
                "code": code,
                "client_id": settings.UPSTOX_API_KEY,
                "client_secret": settings.UPSTOX_API_SECRET,
                "redirect_uri": settings.UPSTOX_REDIRECT_URI,
                "grant_type": "authorization_code",
            },
            retry=False,
        )
    finally:
        caller.close()
    token = answer.get("access_token") if isinstance(answer, dict) else None
    # It becomes a header: visible ASCII only.
    if not isinstance(token, str) or not token or not all("!" <= c <= "~" for c in token):
        raise MalformedResponse("log-in: the answer holds no access token", provider=PROVIDER)
    return token


def _explain(status: int, body: bytes, message: str) -> ProviderError | None:
    """Map Upstox's own codes if they say more than the status."""
    code = _error_code(body)
    if code == _CLOSED_CODE:
        at = now()
        local = at.astimezone(INDIA)
        opens_at = datetime.combine(local.date(), OPENS_AT, INDIA)
        wait = (opens_at - at).total_seconds()
        return ProviderClosed(message, provider=PROVIDER, retry_after=max(wait, 300.0))
    if code in _REFUSED_CODES:
        return CredentialsRefused(
            f"{message}: check UPSTOX_API_KEY, UPSTOX_API_SECRET and UPSTOX_REDIRECT_URI.",
            provider=PROVIDER,
        )
    if status < 500 and status != 429:
        return TokenError(message, provider=PROVIDER)
    return None


def _error_code(body: bytes) -> str:
    try:
        errors: Any = msgspec.json.decode(body)["errors"]
        return str(errors[0]["errorCode"])
    except (msgspec.DecodeError, LookupError, TypeError, UnicodeDecodeError):
        return ""


def _setting(name: str) -> str:
    return str(getattr(settings, name)).strip()
