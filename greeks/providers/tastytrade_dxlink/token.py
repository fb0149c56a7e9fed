"""The token that opens Tastytrade's quote streamer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from config.core.errors import MalformedResponse
from greeks.domain import GreeksSource

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamerToken:
    """Valid for ``lifetime`` seconds from the request.

    Raises ``MalformedResponse`` for a URL that would expose the token on the way.
    """

    token: str
    url: str
    lifetime: float

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "wss" and not (parts.scheme == "ws" and self.is_local):
            raise MalformedResponse(
                "dxlink-url is not a secure websocket address", provider=GreeksSource.TASTYTRADE
            )

    @property
    def is_local(self) -> bool:
        return urlsplit(self.url).hostname in LOOPBACK

    def __repr__(self) -> str:
        return f"StreamerToken(url={self.url!r})"
