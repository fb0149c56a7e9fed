"""How each provider's token is obtained: sources, registered by dotted path.

Higher apps register theirs in ``AppConfig.ready()``; a source's module (a browser, an HTTP client)
is loaded when its first token is needed.
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
    """A token as its provider gave it. ``expires_at`` is None for one without a known end.

    ``text`` may be a mark of our own where the provider's session has no token (a gateway's).
    """

    text: str
    expires_at: datetime | None
    source: str

    def __repr__(self) -> str:
        return f"ObtainedToken(source={self.source!r}, expires_at={self.expires_at!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldToken:
    """The present token as a source is asked about it."""

    text: str
    source: str
    obtained_at: datetime
    expires_at: datetime | None

    def __repr__(self) -> str:
        return f"HeldToken(source={self.source!r}, expires_at={self.expires_at!r})"


@dataclass(frozen=True, slots=True)
class TryLimit:
    """At most ``tries`` log-ins in ``seconds``, however they end."""

    tries: int
    seconds: float


class Attempt(Protocol):
    """One renewal, as its source sees it."""

    #: The text of the token that the provider refused; empty when none was.
    refused: str

    def going_on(self) -> None:
        """Say that the work goes on: keeps the lease. Called at least every twenty seconds."""
        ...

    def spend_try(self) -> None:
        """Count a try, before credentials are used. Raises ``TriesUsedUp`` when none is left."""
        ...

    def keep_screenshot(self, picture: bytes) -> None:
        """Keep a picture (PNG) that shows no secret, for the operator."""
        ...


class TokenSource(Protocol):
    """Obtains one provider's token."""

    limits: tuple[TryLimit, ...]
    #: Seconds that the growing pauses after failures do not exceed.
    longest_pause: float
    #: Whether a token is kept ready by the schedule, or obtained when a call needs one.
    keeps_ready: bool

    def is_configured(self) -> bool:
        """Whether the settings name credentials."""
        ...

    def credentials(self) -> str:
        """Fingerprint of the credentials in force, by ``fingerprint``."""
        ...

    def obtain(self, attempt: Attempt) -> ObtainedToken:
        """Fetch a new token. Raises ``ProviderError``, best one of ``broker_tokens.errors``."""
        ...

    def closed_until(self, at: datetime) -> datetime | None:
        """When the provider opens again, where it keeps hours and is closed."""
        ...

    def is_due(self, held: HeldToken, at: datetime) -> bool:
        """Whether a token that still opens should be replaced now. May ask the provider."""
        ...


def fingerprint(*credentials: str) -> str:
    """Tells whether credentials changed. One-way: at least one of them must be a long secret."""
    return hashlib.sha256("\n".join(credentials).encode()).hexdigest()[:16]


_paths: dict[str, str] = {}


def register_token_provider(name: str, path: str) -> None:
    """Name the class (a ``TokenSource`` without arguments) that obtains the provider's token."""
    if _paths.setdefault(name, path) != path:
        raise ValueError(f"token provider {name!r} is registered twice")


def registered_token_providers() -> tuple[str, ...]:
    return tuple(sorted(_paths))


def token_source(provider: str) -> TokenSource:
    """The provider's source. Raises ``UnknownTokenProvider``."""
    path = _paths.get(provider)
    if path is None:
        known = ", ".join(registered_token_providers()) or "none"
        raise UnknownTokenProvider(f"No token is kept for {provider!r} (known: {known}).")
    return _made(path)


@lru_cache(maxsize=32)
def _made(path: str) -> TokenSource:
    made: Callable[[], TokenSource] = import_string(path)
    return made()
