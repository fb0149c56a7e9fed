"""The tokens of all providers, for every adapter, renewed automatically.

``get_token`` answers from the process's copy. ``renew_token`` makes one renewal however many
threads and processes ask: the first claims it in the database, the others wait and share its token
or failure. Failures are retried after growing pauses, within limits that never lock an account
(``auth_tokens.broker_tokens.errors`` says what follows each).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
from django.db import DatabaseError, connection

from auth_tokens.broker_tokens.claims import broker_token_row, reset_renewal
from auth_tokens.broker_tokens.copies import present_copy
from auth_tokens.broker_tokens.errors import TokenError
from auth_tokens.broker_tokens.renewing import renewed_copy, stored_copy
from auth_tokens.broker_tokens.sources import token_source
from config.core.clock import now
from config.core.errors import ProviderError

logger = structlog.get_logger(__name__)


def get_token(provider: str) -> str:
    """Return the current token, fetching one if needed.

    Raise ``UnknownTokenProvider``; ``TokenError`` or another ``ProviderError`` if there is no
    token and none can be fetched now. The provider is called only if the last try is long enough
    ago.
    """
    source = token_source(provider)
    with _database_errors(provider):
        copy = present_copy(provider) or stored_copy(broker_token_row(provider), source)
        if copy is None or not copy.opens(source.credentials()):
            copy = renewed_copy(provider, source, held="")
        return copy.text


def renew_token(provider: str, *, refused: str) -> str:
    """Return another token than ``refused``: the stored one if it differs, else a new one."""
    with _database_errors(provider):
        return renewed_copy(provider, token_source(provider), held=refused, is_refused=True).text


def held_token(provider: str) -> str:
    """Return the stored token if it is still good, else an empty text. Fetch nothing."""
    with _database_errors(provider):
        stored = stored_copy(broker_token_row(provider), token_source(provider))
    return stored.text if stored is not None else ""


def ensure_valid(provider: str) -> bool:
    """Renew the token if it is missing, expired or due; ``True`` if renewed.

    Raises as ``get_token`` does, also if a token that is still good could not be replaced in time.
    """
    source = token_source(provider)
    with _database_errors(provider):
        row = broker_token_row(provider)
        stored = stored_copy(row, source)
        if stored is not None and not source.is_due(row, now()):
            return False
        renewed_copy(provider, source, held=stored.text if stored is not None else "")
        return True


def refresh_token(provider: str, *, reset: bool = False) -> None:
    """Fetch a new token now for an operator, ignoring pauses but not limits and stops.

    ``reset``: the operator fixed the cause, so forget stops and used tries.
    """
    source = token_source(provider)
    with _database_errors(provider):
        if reset:
            reset_renewal(provider=provider)
        stored = stored_copy(broker_token_row(provider), source)
        held = stored.text if stored is not None else ""
        renewed_copy(provider, source, held=held, is_patient=False)


class ProviderToken:
    """Two callbacks for ``HttpCaller``: headers of each try, and the reaction to a 401."""

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
            # No token was sent: the refusal was our own and is not repeated.
            raise error
        renew_token(self._provider, refused=getattr(self._sent, "token", ""))


@contextmanager
def _database_errors(provider: str) -> Iterator[None]:
    """Raise a ``TokenError`` if the database is down: there is no token then."""
    try:
        yield
    except DatabaseError as error:
        logger.warning("token.database_away", token_provider=provider, reason=type(error).__name__)
        # Nobody else repairs a long-lived thread's connection.
        connection.close_if_unusable_or_obsolete()
        raise TokenError(
            f"{provider}: the token cannot be read ({type(error).__name__}).", provider=provider
        ) from None
