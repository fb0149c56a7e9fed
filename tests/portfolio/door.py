"""The front door over the real Django, and what a client of either gets."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import brotli
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.test import Client

from auth_tokens.models import User
from config.asgi import django_application
from config.core.front_door import application as front_door
from config.core.front_door.application import FrontDoor
from config.core.front_door.resources import registered_resources
from config.core.live.hub import hub
from tests.portfolio.reading import FAST

Header = tuple[bytes, bytes]
#: What differs between two answers that are otherwise the same.
OF_ONE_ANSWER = {"date", "x-request-id"}
LONGEST_SECONDS = 10.0


@dataclass(frozen=True)
class Answer:
    """``is_prepared``: the door gave it, and Django was not asked."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    is_prepared: bool

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)

    @property
    def lasting(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return status, sorted headers and body, without headers unique to this answer."""
        kept = sorted(header for header in self.headers if header[0] not in OF_ONE_ANSWER)
        return self.status, kept, self.body


class Desk:
    """One web process: its door, and Django behind it."""

    def __init__(self, **options: Any) -> None:
        self._went_through = 0
        self.door = FrontDoor(self._django, registered_resources(), **options)

    async def _django(self, scope: Any, receive: Any, send: Any) -> None:
        self._went_through += 1
        await django_application(scope, receive, send)

    async def get(
        self,
        *headers: Header,
        path: str = FAST,
        method: str = "GET",
        host: bytes | None = b"testserver",
    ) -> Answer:
        """Through the front door. ``host``: unless the headers name one."""
        before = self._went_through
        status, sent, body = await _exchange(self.door, headers, path, method, host)
        return Answer(status, sent, body, self._went_through == before)

    async def get_of_django(
        self, *headers: Header, path: str = FAST, method: str = "GET"
    ) -> Answer:
        """Through the other one."""
        return Answer(*await _exchange(django_application, headers, path, method), False)

    async def settle(self) -> None:
        """Until the door has done what its last answers made it do."""
        await self.door._work.finish()

    async def prepared(self, *headers: Header, path: str = FAST) -> Answer:
        """Return the first answer that the door gives by itself."""
        async with asyncio.timeout(LONGEST_SECONDS):
            while not (answer := await self.get(*headers, path=path)).is_prepared:
                assert answer.status in (200, 304), answer
                await self.settle()
                await asyncio.sleep(0.01)
        return answer

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONGEST_SECONDS):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def desk(*, renewal_seconds: float = LONGEST_SECONDS, **options: Any) -> AsyncIterator[Desk]:
    """Open a desk. A slow machine makes no renewal late, unless ``renewal_seconds`` says so."""
    opened = Desk(**options)
    try:
        with patch.object(front_door, "_RENEWAL_SECONDS", renewal_seconds):
            yield opened
    finally:
        await opened.door.close()
        await hub().close()


async def _exchange(
    application: Any,
    headers: Iterable[Header],
    path: str,
    method: str,
    host: bytes | None = b"testserver",
) -> tuple[int, list[tuple[str, str]], bytes]:
    path, _, query = path.partition("?")
    messages: list[dict[str, Any]] = []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    needs_host = host is not None and all(name != b"host" for name, _ in headers)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [*([(b"host", host)] if needs_host else []), *headers],
        "client": ("127.0.0.1", 40000),
        "server": ("testserver", 80),
    }
    await application(scope, receive, send)
    sent = [
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in messages[0]["headers"]
    ]
    body = b"".join(message.get("body", b"") for message in messages[1:])
    # A server sends no body after HEAD, whatever it is given.
    return messages[0]["status"], sent, b"" if method == "HEAD" else body


def run(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Run a synchronous call with the database off the event loop; leaves no connection open."""

    def and_close() -> Any:
        try:
            return call(*arguments, **named)
        finally:
            connections.close_all()

    return sync_to_async(and_close, thread_sensitive=True)()


def session_of(user: User) -> tuple[Client, Header]:
    """Return a signed-in client, and its ``Cookie`` header."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return client, (b"cookie", f"{name}={client.cookies[name].value}".encode())


def decoded(answer: Any) -> bytes:
    form = answer.header("content-encoding")
    if form == "br":
        return brotli.decompress(answer.body)
    return gzip.decompress(answer.body) if form == "gzip" else answer.body


async def signed_in(user: User) -> tuple[bytes, bytes]:
    return (await run(session_of, user))[1]
