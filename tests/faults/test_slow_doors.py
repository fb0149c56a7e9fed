"""A body that never comes is cut off at the deadline at every address, without a thread."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver

from config import asgi
from config.core.serving import request_bodies
from tests.served import served

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]

ANNOUNCED, CHUNKED = "Content-Length: 100", "Transfer-Encoding: chunked"
KINDS = (("POST", ANNOUNCED), ("POST", CHUNKED), ("PUT", ANNOUNCED), ("DELETE", CHUNKED))
#: Connections at once.
MOST = 400
SECONDS = 60


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def every_address() -> list[str]:
    """Return each route of the URLconf with a value for each parameter."""
    found: list[str] = []

    def walk(patterns: Any, prefix: str) -> None:
        for pattern in patterns:
            path = prefix + re.sub(r"^\^|\\Z$|\$$", "", str(pattern.pattern))
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, path)
            else:
                found.append("/" + re.sub(r"<[^>]*>|\(.*?\)", "1", path))

    walk(get_resolver().url_patterns, "")
    return sorted({re.sub(r"[^\w/.-]", "", path) for path in found})


async def _status(port: int, sent: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        line = await reader.readline()
        # The connection ends too.
        await reader.read()
        return int(line.split()[1])
    finally:
        writer.close()


async def test_no_door_waits_longer_for_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    async def taken(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError(f"a thread was taken for {scope['path']}")

    monkeypatch.setattr(request_bodies, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(asgi.django_application, "application", taken)
    addresses = every_address()
    assert {"/accounts/login", "/risk/what-if", "/api/signals", "/admin/login/"} <= set(addresses)
    doors = [
        (method, address, line)
        for address in addresses
        for method, line in KINDS
        if address != "/health"
    ]
    limit = asyncio.Semaphore(MOST)

    async def ask(door: tuple[str, str, str]) -> int:
        method, address, line = door
        head = f"{method} {address} HTTP/1.1\r\nHost: testserver\r\n{line}\r\n\r\n"
        async with limit:
            return await _status(port, head.encode())

    async with served(asgi.application) as port, asyncio.timeout(SECONDS):
        statuses = await asyncio.gather(*map(ask, doors))
    assert {
        door: status for door, status in zip(doors, statuses, strict=True) if status != 408
    } == {}
