"""One renewal for all: a process's threads wait for one thread, processes for one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from auth_tokens.broker_tokens.claims import (
    Claim,
    broker_token_row,
    claim_renewal,
    complete_renewal,
    extend_renewal,
    fail_renewal,
    release_renewal,
    try_spend,
)
from auth_tokens.broker_tokens.copies import TokenCopy, announce_version, keep_copy
from auth_tokens.broker_tokens.crypto import Undecryptable, decrypt
from auth_tokens.broker_tokens.errors import NotConfigured, TokenBeingRenewed, TokenError, error_of
from auth_tokens.broker_tokens.screenshots import save_screenshot
from auth_tokens.broker_tokens.sources import TokenSource
from auth_tokens.broker_tokens.tries import check_tries
from auth_tokens.models import BrokerToken
from config.core.clock import now
from config.core.errors import ProviderClosed, ProviderError
from config.core.redaction import remember_secret
from config.core.redis.process_copies import ProcessCopies

logger = structlog.get_logger(__name__)

#: How long to wait for another's renewal: a browser log-in ends within a minute.
WAIT_SECONDS: Final = 75.0
_LOOK_SECONDS: Final = 0.1

# Refused threads of any number of callers wait here for one, which alone polls the database.
_renewing: ProcessCopies[threading.Lock] = ProcessCopies(threading.Lock)


def stored_copy(row: BrokerToken, source: TokenSource) -> TokenCopy | None:
    """Return the stored token as this process's copy if it is good."""
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


def renewed_copy(
    provider: str,
    source: TokenSource,
    *,
    held: str,
    is_refused: bool = False,
    is_patient: bool = True,
) -> TokenCopy:
    """Return another token than ``held``. ``is_refused``: the provider refused that one."""
    ended_before = broker_token_row(provider).tries
    with _one_thread(provider):
        give_up_at = time.monotonic() + WAIT_SECONDS
        while True:
            row = broker_token_row(provider)
            stored = stored_copy(row, source)
            if stored is not None and stored.text != held:
                return stored
            if row.tries != ended_before and row.last_error_code:
                # Another caller's try ended while this one waited: share its error.
                raise error_of(row.last_error_code, row.last_error, provider=provider)
            credentials = source.credentials()
            _check_allowed(row, source, credentials, is_patient=is_patient)
            claim = claim_renewal(row=row, credentials=credentials)
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
    """Raise whatever forbids a try now; changed credentials start afresh."""
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
    check_tries(provider=row.provider, credentials=credentials, limits=source.limits)


def _obtained(
    claim: Claim, source: TokenSource, replaced: TokenCopy | None, *, is_refused: bool
) -> TokenCopy:
    """Ask the source and record the outcome in every case but the process's death."""
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
        release_renewal(claim=claim)
        raise
    else:
        remember_secret(obtained.text)
        version = complete_renewal(claim=claim, obtained=obtained)
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
        keep_copy(claim.provider, None)
    fail_renewal(
        claim=claim,
        error=error,
        is_refused=is_refused,
        longest_pause=source.longest_pause,
        screenshot=attempt.screenshot,
    )
    # Drop the cause: its frames may hold what was typed.
    raise error from None


class _Attempt:
    """One renewal as its source sees it."""

    def __init__(self, claim: Claim, source: TokenSource, *, refused: str) -> None:
        self.refused = refused
        self.screenshot = ""
        self._claim = claim
        self._source = source

    def going_on(self) -> None:
        if not extend_renewal(claim=self._claim):
            raise TokenBeingRenewed(
                f"{self._claim.provider}: another process renews the token.",
                provider=self._claim.provider,
            )

    def spend_try(self) -> None:
        try_spend(claim=self._claim, limits=self._source.limits)

    def keep_screenshot(self, picture: bytes) -> None:
        self.screenshot = save_screenshot(self._claim.provider, picture)
