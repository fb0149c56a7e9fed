"""Token sources, one per provider, registered by dotted path.

Higher apps register theirs in ``AppConfig.ready()``; a source's module (a browser, an HTTP client)
loads when its first token is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from django.utils.module_loading import import_string

from auth_tokens.broker_tokens.errors import UnknownTokenProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class ObtainedToken:
    """A token as its provider gave it. ``expires_at`` is None if it has no known end.

    ``text`` may be our own mark if the provider's session has no token (a gateway's).
    """

    text: str
    expires_at: datetime | None
    source: str

    def __repr__(self) -> str:
        return f"ObtainedToken(source={self.source!r}, expires_at={self.expires_at!r})"


class HeldToken(Protocol):
    """What is known of the current token."""

    source: str
    obtained_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TryLimit:
    """At most ``tries`` log-ins in ``seconds``, whatever their outcome."""

    tries: int
    seconds: float


class Attempt(Protocol):
    """One renewal as its source sees it."""

    #: The token the provider refused; empty if none.
    refused: str

    def going_on(self) -> None:
        """Report progress to keep the lease. Call at least every twenty seconds."""

    def spend_try(self) -> None:
        """Count a try before using credentials. Raises ``TriesUsedUp`` if none is left."""

    def keep_screenshot(self, picture: bytes) -> None:
        """Keep a picture (PNG) without secrets for the operator."""


class TokenSource(Protocol):
    """Obtains one provider's token. Subclass it for the defaults."""

    #: None if nothing is sent to obtain a token, so that nothing can be locked out.
    limits: tuple[TryLimit, ...] = ()
    #: Upper limit in seconds of the growing pauses after failures.
    longest_pause: float
    #: Whether the schedule keeps a token ready, or a call obtains it when needed.
    keeps_ready: bool

    def is_configured(self) -> bool:
        """Whether the settings hold credentials."""

    def credentials(self) -> str:
        """Return the fingerprint of the current credentials, by ``fingerprint``."""

    def obtain(self, attempt: Attempt) -> ObtainedToken:
        """Fetch a new token. Raises ``ProviderError``, ideally one of ``broker_tokens.errors``."""

    def closed_until(self, at: datetime) -> datetime | None:
        """Return when the provider reopens, if it keeps hours and is closed."""
        return None

    def is_due(self, held: HeldToken, at: datetime) -> bool:
        """Whether to replace a token that is still good. May ask the provider."""
        return False


def fingerprint(*credentials: str) -> str:
    """Hash credentials to tell whether they changed. One-way: one of them must be a long secret."""
    return hashlib.sha256("\n".join(credentials).encode()).hexdigest()[:16]


_paths: dict[str, str] = {}


def register_token_provider(name: str, path: str) -> None:
    """Register the class (a ``TokenSource`` without arguments) that obtains a provider's token."""
    if _paths.setdefault(name, path) != path:
        raise ValueError(f"token provider {name!r} is registered twice")


def registered_token_providers() -> tuple[str, ...]:
    return tuple(sorted(_paths))


def token_source(provider: str) -> TokenSource:
    """Return the provider's source. Raises ``UnknownTokenProvider``."""
    path = _paths.get(provider)
    if path is None:
        known = ", ".join(registered_token_providers()) or "none"
        raise UnknownTokenProvider(f"No token is kept for {provider!r} (known: {known}).")
    return _made(path)


@lru_cache(maxsize=32)
def _made(path: str) -> TokenSource:
    made: Callable[[], TokenSource] = import_string(path)
    return made()
