"""An ASGI application as the front door sees it (ASGI specification, 3.0), and an answer of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LARGEST_PAGE: Final = 4_000_000


class PassingAnswer:
    """Passes messages on and collects a page's.

    ``is_replaceable``: an answer that says the database is away is held back.
    """

    def __init__(self, send: Send, *, is_replaceable: bool) -> None:
        self._send = send
        self._is_replaceable = is_replaceable
        self._parts: list[bytes] = []
        self._size = 0
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self.encoding = b""
        self.has_begun = self.is_lost = self.is_given_up = self.is_page = False

    async def take(self, message: Message) -> None:
        if self.is_given_up or self.is_lost:
            return
        if message["type"] == "http.response.start":
            self.has_begun = True
            if self._is_replaceable and message["status"] == 503:
                self.is_lost = True
                return
            self._look_at(message)
        elif self.is_page:
            self._parts.append(message.get("body", b""))
            self._size += len(self._parts[-1])
            self.is_page = self._size <= _LARGEST_PAGE
        await self._send(message)

    def _look_at(self, message: Message) -> None:
        self.headers = tuple(message.get("headers", ()))
        named = dict(self.headers)
        self.encoding = named.get(b"content-encoding", b"")
        self.is_page = (
            message["status"] == 200
            and named.get(b"content-type", b"").startswith(b"text/html")
            and self.encoding in (b"", b"gzip")
            and b"no-store" not in named.get(b"cache-control", b"")
        )

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)
