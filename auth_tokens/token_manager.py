"""The tokens of all providers: what every adapter asks for, renewed by itself.

``get_token`` answers from the process's copy. ``renew_token`` makes one renewal for however many
threads and processes ask: the first claims it in the database, the others wait and get what it
stored, or share its failure. Failures are repeated after growing pauses and within limits that
never lock an account (``auth_tokens.errors`` says what follows each).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog
from django.db import DatabaseError, connection

from auth_tokens.crypto import Undecryptable, decrypt
from auth_tokens.errors import NotConfigured, TokenBeingRenewed, TokenError, error_of
from auth_tokens.login_flows.screenshots import screenshot_keep
from auth_tokens.models import BrokerToken
from auth_tokens.services.token_renewal import (
    Claim,
    broker_token_row,
    renewal_claim,
    renewal_extend,
    renewal_fail,
    renewal_release,
    renewal_reset,
    renewal_succeed,
    tries_check,
    try_spend,
)
from auth_tokens.token_copies import (
    TokenCopy,
    announce_version,
    drop_copy,
    keep_copy,
    present_copy,
)
from auth_tokens.token_sources import (
    HeldToken,
    TokenSource,
    register_token_provider,
    registered_token_providers,
    token_source,
)
from config.core.clock import now
from config.core.errors import ProviderClosed, ProviderError
from config.core.process_copies import ProcessCopies
from config.core.redaction import remember_secret

__all__ = [
    "ProviderToken",
    "ensure_valid",
    "get_copy",
    "get_token",
    "held_token",
    "refresh_token",
    "register_token_provider",
    "registered_token_providers",
    "renew_copy",
    "renew_token",
]
logger = structlog.get_logger(__name__)

#: How long a caller waits for another's renewal: a log-in by browser ends within a minute.
WAIT_SECONDS: Final = 75.0
_LOOK_SECONDS: Final = 0.1

_renewing: ProcessCopies[threading.Lock] = ProcessCopies(threading.Lock)


def get_token(provider: str) -> str:
    """The present token, obtained first where there is none.

    Raises ``UnknownTokenProvider``; ``TokenError`` or another ``ProviderError`` where there is no
    token and none can be had now. A call to the provider is made only when no try is too recent.
    """
    return get_copy(provider).text


def renew_token(provider: str, *, refused: str) -> str:
    """Another token than ``refused``: the stored one where it differs, else a new one."""
    return renew_copy(provider, refused=refused).text


def held_token(provider: str) -> str:
    """The stored token, if it opens, else an empty text. Nothing is obtained."""
    with _database_errors(provider):
        stored = _stored(broker_token_row(provider), token_source(provider))
    return stored.text if stored is not None else ""


def get_copy(provider: str) -> TokenCopy:
    """As ``get_token``, with the token's end."""
    source = token_source(provider)
    with _database_errors(provider):
        copy = present_copy(provider) or _stored(broker_token_row(provider), source)
        if copy is not None and copy.opens(source.credentials()):
            return copy
        return _renewed(provider, source, held="")


def renew_copy(provider: str, *, refused: str) -> TokenCopy:
    """As ``renew_token``, with the token's end."""
    with _database_errors(provider):
        return _renewed(provider, token_source(provider), held=refused, is_refused=True)


def ensure_valid(provider: str) -> bool:
    """See to it that the token opens, and go on doing so: ``True`` where it was renewed.

    Raises as ``get_token`` does, also when a token that still opens could not be replaced in time.
    """
    source = token_source(provider)
    row = broker_token_row(provider)
    held = _stored(row, source)
    if held is None:
        _renewed(provider, source, held="")
        return True
    moment = HeldToken(
        text=held.text,
        source=row.source,
        obtained_at=row.obtained_at or now(),
        expires_at=row.expires_at,
    )
    if not source.is_due(moment, now()):
        return False
    _renewed(provider, source, held=held.text)
    return True


def refresh_token(provider: str, *, reset: bool = False) -> None:
    """A new token now, as an operator asks: pauses do not count, limits and stops do.

    ``reset``: the operator has removed the cause, so that stops and used tries are forgotten.
    """
    source = token_source(provider)
    if reset:
        renewal_reset(provider=provider)
    held = _stored(broker_token_row(provider), source)
    _renewed(provider, source, held=held.text if held else "", is_patient=False)


class ProviderToken:
    """The two functions that ``HttpCaller`` wants: headers of each try, and what a 401 does."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        # What this thread sent last: a 401 for it says nothing about a token renewed since.
        self._sent = threading.local()

    def authorise(self) -> Mapping[str, str]:
        self._sent.token, self._sent.error = "", None
        try:
            self._sent.token = get_token(self._provider)
        except ProviderError as error:
            self._sent.error = error
            raise
        return {"Authorization": f"Bearer {self._sent.token}"}

    def renew(self) -> None:
        """Replace the token this thread sent last, unless it has been replaced already."""
        error = getattr(self._sent, "error", None)
        if error is not None:
            # No token was ever sent: the refusal was our own, and is not repeated.
            raise error
        renew_token(self._provider, refused=getattr(self._sent, "token", ""))


# --- One renewal for all ------------------------------------------------------------------------
@contextmanager
def _database_errors(provider: str) -> Iterator[None]:
    """A database that is away leaves no token, and says so as a provider's failure does."""
    try:
        yield
    except DatabaseError as error:
        logger.warning("token.database_away", token_provider=provider, reason=type(error).__name__)
        # A connection of a thread that lives long is not mended by anybody else.
        connection.close_if_unusable_or_obsolete()
        raise TokenError(
            f"{provider}: the token cannot be read ({type(error).__name__}).", provider=provider
        ) from None


def _stored(row: BrokerToken, source: TokenSource) -> TokenCopy | None:
    """The stored token as this process's copy, if it opens."""
    if not row.ciphertext:
        return None
    try:
        text = decrypt(row.ciphertext, provider=row.provider)
    except Undecryptable as error:
        logger.error("token.undecryptable", token_provider=row.provider, reason=str(error))
        return None
    copy = TokenCopy(text, row.version, row.credentials, row.expires_at)
    if not copy.opens(source.credentials()):
        return None
    remember_secret(text)
    keep_copy(row.provider, copy)
    return copy


def _renewed(
    provider: str,
    source: TokenSource,
    *,
    held: str,
    is_refused: bool = False,
    is_patient: bool = True,
) -> TokenCopy:
    """Another token than ``held``. ``is_refused``: that one is worth nothing any more."""
    ended_before = broker_token_row(provider).tries
    with _one_thread(provider):
        give_up_at = time.monotonic() + WAIT_SECONDS
        while True:
            row = broker_token_row(provider)
            stored = _stored(row, source)
            if stored is not None and stored.text != held:
                return stored
            if row.tries != ended_before and row.last_error_code:
                # Somebody's try ended while this one waited: its answer is everybody's.
                raise error_of(row.last_error_code, row.last_error, provider=provider)
            credentials = source.credentials()
            _check_allowed(row, source, credentials, is_patient=is_patient)
            claim = renewal_claim(row=row, credentials=credentials)
            if claim is not None:
                return _obtained(claim, source, stored, is_refused=is_refused)
            if time.monotonic() > give_up_at:
                raise TokenBeingRenewed(
                    f"{provider}: the token is being renewed by another process.",
                    provider=provider,
                )
            threading.Event().wait(_LOOK_SECONDS)


@contextmanager
def _one_thread(provider: str) -> Iterator[None]:
    with _renewing.lock:
        lock = _renewing.get(provider)
    if not lock.acquire(timeout=WAIT_SECONDS):
        raise TokenBeingRenewed(f"{provider}: the token is being renewed.", provider=provider)
    try:
        yield
    finally:
        lock.release()


def _check_allowed(
    row: BrokerToken, source: TokenSource, credentials: str, *, is_patient: bool
) -> None:
    """Raises what stands against a try now; other credentials than the last start afresh."""
    at = now()
    if not source.is_configured():
        raise NotConfigured(
            f"{row.provider} is not connected: its credentials are not set (see .env.example).",
            provider=row.provider,
        )
    if (opens_at := source.closed_until(at)) is not None:
        raise ProviderClosed(
            f"{row.provider} is closed until {opens_at:%H:%M %Z}.",
            provider=row.provider,
            retry_after=(opens_at - at).total_seconds(),
        )
    if row.credentials == credentials:
        pausing = is_patient and row.next_try_at is not None and row.next_try_at > at
        if pausing or row.status == BrokerToken.Status.STOPPED:
            raise error_of(row.last_error_code, row.last_error, provider=row.provider)
    tries_check(provider=row.provider, credentials=credentials, limits=source.limits)


def _obtained(
    claim: Claim, source: TokenSource, replaced: TokenCopy | None, *, is_refused: bool
) -> TokenCopy:
    """Ask the source, and write down how it ended, whatever happens but the process's death."""
    attempt = _Attempt(claim, source, refused=replaced.text if replaced and is_refused else "")
    error: ProviderError
    try:
        obtained = source.obtain(attempt)
    except ProviderError as raised:
        error = raised
    except Exception as raised:
        logger.exception("token.renewal_broke", token_provider=claim.provider)
        error = TokenError(
            f"{claim.provider}: the renewal broke ({type(raised).__name__}).",
            provider=claim.provider,
        )
    except BaseException:
        renewal_release(claim=claim)
        raise
    else:
        remember_secret(obtained.text)
        version = renewal_succeed(claim=claim, obtained=obtained)
        if version is None:
            raise TokenBeingRenewed(
                f"{claim.provider}: the renewal took so long that another process began one.",
                provider=claim.provider,
            )
        copy = TokenCopy(obtained.text, version, claim.credentials, obtained.expires_at)
        keep_copy(claim.provider, copy)
        announce_version(claim.provider, version)
        return copy
    if is_refused:
        drop_copy(claim.provider)
    renewal_fail(
        claim=claim,
        error=error,
        is_refused=is_refused,
        longest_pause=source.longest_pause,
        screenshot=attempt.screenshot,
    )
    # Without the cause: a frame of it may hold what was typed.
    raise error from None


class _Attempt:
    """One renewal, as its source sees it."""

    def __init__(self, claim: Claim, source: TokenSource, *, refused: str) -> None:
        self.refused = refused
        self.screenshot = ""
        self._claim = claim
        self._source = source

    def going_on(self) -> None:
        if not renewal_extend(claim=self._claim):
            raise TokenBeingRenewed(
                f"{self._claim.provider}: another process renews the token.",
                provider=self._claim.provider,
            )

    def spend_try(self) -> None:
        try_spend(claim=self._claim, limits=self._source.limits)

    def keep_screenshot(self, picture: bytes) -> None:
        self.screenshot = screenshot_keep(self._claim.provider, picture)
