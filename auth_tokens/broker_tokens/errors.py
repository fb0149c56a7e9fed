"""What can go wrong with a provider's token. Every class says what the system does next.

Each is an ``UnauthorisedError``, so adapters treat all of them as "no valid credentials": last good
values stay, with their age. ``pause_seconds`` is the shortest wait before the next try, doubled
with each failure in a row. After ``stops_after`` such failures in a row nothing is tried until the
credentials change or an operator runs ``refresh_token PROVIDER --reset``.
"""

from __future__ import annotations

from typing import ClassVar

from config.core.errors import ApplicationError, ProviderError, UnauthorisedError

PAUSE_SECONDS = 60.0


class UnknownTokenProvider(ApplicationError):
    """No provider of this name keeps a token. Nothing is tried: the caller's name is wrong."""

    code = "token_provider_unknown"
    status = 404


class TokenError(UnauthorisedError):
    """There is no valid token. Tried again after a pause."""

    code = "token_unavailable"
    pause_seconds: ClassVar[float] = PAUSE_SECONDS
    stops_after: ClassVar[int | None] = None


class NotConfigured(TokenError):
    """The settings hold no credentials. Nothing is tried until they do."""

    code = "token_not_configured"


class TokenBeingRenewed(TokenError):
    """Another process's renewal did not end in time. The next call asks again."""

    code = "token_being_renewed"


class TriesUsedUp(TokenError):
    """A window's log-ins are used up; more would lock the account at the broker.

    Tried again when one is free.
    """

    code = "token_tries_used_up"


class CredentialsRefused(TokenError):
    """The provider refused key, secret or token. Nothing is tried until an operator acts."""

    code = "token_credentials_refused"
    stops_after = 1


class PinRefused(CredentialsRefused):
    """Wrong PIN. Nothing is tried until an operator acts: more tries would lock the account."""

    code = "token_pin_refused"


class OneTimeCodeRefused(CredentialsRefused):
    """Two one-time codes of different windows were refused: the TOTP secret is wrong.

    Nothing is tried until an operator acts. A wrong clock cannot be the cause: codes use the log-in
    site's time.
    """

    code = "token_one_time_code_refused"


class MobileRefused(CredentialsRefused):
    """The log-in site does not know the mobile number. Nothing is tried until an operator acts."""

    code = "token_mobile_refused"


class AccountLocked(CredentialsRefused):
    """The broker locked the account. A person must unlock it there, then reset here."""

    code = "token_account_locked"


class StateMismatch(TokenError):
    """The redirect's state differs from the one sent: its code is not used. Tried again twice."""

    code = "token_state_mismatch"
    stops_after = 3


class PageChanged(TokenError):
    """The log-in page lacks an element the flow needs. Tried three times, then stopped.

    A screenshot is kept; adapt the flow or set an analytics token.
    """

    code = "token_page_changed"
    pause_seconds = 120.0
    stops_after = 3


class LogInBlocked(TokenError):
    """A block page (Cloudflare 1010, captcha) preceded the log-in. No credential was typed.

    Tried again after half an hour; after three failures an operator must look.
    """

    code = "token_log_in_blocked"
    pause_seconds = 1800.0
    stops_after = 3


class LogInTimedOut(TokenError):
    """The log-in took too long or its site did not answer. Tried again after a pause."""

    code = "token_log_in_timed_out"


class BrowserMissing(TokenError):
    """Chromium or its driver is not installed. Checked again every few minutes."""

    code = "token_browser_missing"
    pause_seconds = 300.0


class BrowserFailed(TokenError):
    """The browser did not start, or died. Tried again after a pause."""

    code = "token_browser_failed"


def error_of(code: str, message: str, *, provider: str) -> ProviderError:
    """Return the stored error with this code, for callers that share another's try."""
    kinds = {kind.code: kind for kind in _kinds(ProviderError)}
    return kinds.get(code, TokenError)(message, provider=provider)


def _kinds(kind: type[ProviderError]) -> list[type[ProviderError]]:
    below = [found for child in kind.__subclasses__() for found in _kinds(child)]
    return [kind, *below]
