"""A cookie of escapes took seconds of processor time of whoever read it, log-in or not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from config.core.front_door.server import COOKIE_ESCAPES
from tests.served import served

SECONDS = 60


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def answering(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.anyio
async def test_cookies_with_many_escapes_are_refused_before_they_are_read() -> None:
    half = COOKIE_ESCAPES // 2
    for cookies, status in (
        ([COOKIE_ESCAPES], 204),
        ([COOKIE_ESCAPES + 1], 431),
        ([half, half + 1], 431),
        ([20_000], 431),
    ):
        lines = [b'Cookie: a="' + b"\\0" * number + b'"' for number in cookies]
        head = b"\r\n".join([b"GET / HTTP/1.1", b"Host: testserver", *lines, b"", b""])
        async with served(answering) as port, asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            assert int((await reader.readline()).split()[1]) == status
            writer.close()
