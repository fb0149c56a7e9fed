"""What can go wrong with a provider's token. Every class says what the system does next.

Each is an ``UnauthorisedError``, so that adapters and services treat all of them as "no valid
credentials": last good values stay, with their age. ``pause_seconds`` is the least wait before the
next try, doubled with each failure in a row; ``stops_after`` such failures in a row nothing is
tried until the credentials change or an operator runs ``refresh_token PROVIDER --reset``.
"""

from __future__ import annotations

from typing import ClassVar

from config.core.errors import ApplicationError, ProviderError, UnauthorisedError

PAUSE_SECONDS = 60.0


class UnknownTokenProvider(ApplicationError):
    """No provider of this name keeps a token. The caller has a wrong name; nothing is tried."""

    code = "token_provider_unknown"
    status = 404


class TokenError(UnauthorisedError):
    """There is no valid token. The next try follows after a pause, by itself."""

    code = "token_unavailable"
    pause_seconds: ClassVar[float] = PAUSE_SECONDS
    stops_after: ClassVar[int | None] = None


class NotConfigured(TokenError):
    """The settings name no credentials. Nothing is tried until they do."""

    code = "token_not_configured"


class TokenBeingRenewed(TokenError):
    """Another process is renewing and did not end in time. The next call asks again."""

    code = "token_being_renewed"


class TriesUsedUp(TokenError):
    """As many log-ins were made as a window allows. The next try follows when one is free again.

    More would lock the account at the broker.
    """

    code = "token_tries_used_up"


class CredentialsRefused(TokenError):
    """The provider refused key, secret or token. Nothing is tried until an operator acts."""

    code = "token_credentials_refused"
    stops_after = 1


class PinRefused(CredentialsRefused):
    """The PIN is wrong. Nothing is tried until an operator acts: the next tries would lock."""

    code = "token_pin_refused"


class OneTimeCodeRefused(CredentialsRefused):
    """Two one-time codes of different windows were refused: the TOTP secret is wrong.

    Nothing is tried until an operator acts. A clock that is off is no reason: codes are made for
    the time of the log-in site.
    """

    code = "token_one_time_code_refused"


class MobileRefused(CredentialsRefused):
    """The log-in site does not know the mobile number. Nothing is tried until an operator acts."""

    code = "token_mobile_refused"


class AccountLocked(CredentialsRefused):
    """The broker has locked the account. A person unlocks it there, then resets here."""

    code = "token_account_locked"


class StateMismatch(TokenError):
    """The redirect carries another state than was sent: its code is not used. Tried again twice."""

    code = "token_state_mismatch"
    stops_after = 3


class PageChanged(TokenError):
    """The log-in page lacks an element that the flow needs. Tried three times, then it stops.

    A screenshot is kept; the flow has to be adapted, or an analytics token set.
    """

    code = "token_page_changed"
    pause_seconds = 120.0
    stops_after = 3


class LogInBlocked(TokenError):
    """A block page (Cloudflare 1010, captcha) stood before the log-in. No credential was typed.

    The next try follows after half an hour; after three an operator has to look.
    """

    code = "token_log_in_blocked"
    pause_seconds = 1800.0
    stops_after = 3


class LogInTimedOut(TokenError):
    """The log-in took too long or its site did not answer. Tried again after a pause."""

    code = "token_log_in_timed_out"


class BrowserMissing(TokenError):
    """Chromium or its driver is not installed here. Looked for again every few minutes."""

    code = "token_browser_missing"
    pause_seconds = 300.0


class BrowserFailed(TokenError):
    """The browser did not start, or died. Tried again after a pause."""

    code = "token_browser_failed"


def error_of(code: str, message: str, *, provider: str) -> ProviderError:
    """The error that was written down with this code, for whoever shares another's try."""
    kinds = {kind.code: kind for kind in _kinds(ProviderError)}
    return kinds.get(code, TokenError)(message, provider=provider)


def _kinds(kind: type[ProviderError]) -> list[type[ProviderError]]:
    below = [found for child in kind.__subclasses__() for found in _kinds(child)]
    return [kind, *below]
