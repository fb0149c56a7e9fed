"""What a client may send around a chunked body: it changes no header and fills no memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from config.core.front_door import server
from tests.served import served

pytestmark = pytest.mark.anyio
SECONDS = 60
_HEAD = b"POST / HTTP/1.1\r\nHost: testserver\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Listening:
    """Reads the whole body, then keeps the headers that came with it."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.body += message.get("body", b"")
            more = message.get("more_body", False)
        self.headers = list(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def status_of(application: Listening, *parts: bytes) -> int:
    async with served(application) as port, asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            return int((await reader.readline()).split()[1])
        finally:
            writer.close()


@pytest.mark.parametrize(
    "trailer",
    [b"X-Forwarded-For: 203.0.113.7", b"X-Forwarded-Proto: https", b"Cookie: session=other"],
)
async def test_trailer_adds_to_no_header(trailer: bytes) -> None:
    listening = Listening()
    sent = (_HEAD, b"3\r\nabc\r\n", b"0\r\n" + trailer + b"\r\n\r\n")
    assert await status_of(listening, *sent) == 200
    assert listening.body == b"abc"
    assert [name for name, _ in listening.headers] == [b"host", b"transfer-encoding"]


@pytest.mark.parametrize(
    "framing",
    [
        b"0\r\nA: " + b"a" * 200_000,
        b"0\r\n" + b"A: b\r\n" * 30_000,
        b"3;" + b"x" * 200_000,
        b"1\r\na\r\n" * 40_000,
    ],
    ids=["one trailer", "many trailers", "chunk extension", "tiny chunks"],
)
async def test_more_framing_than_is_read_is_refused(
    framing: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "FRAMING_BYTES", 100_000)
    assert await status_of(Listening(), _HEAD, framing) == 431


async def test_body_in_small_chunks_is_read_whole() -> None:
    listening = Listening()
    assert await status_of(listening, _HEAD, b"2\r\nab\r\n" * 5_000, b"0\r\n\r\n") == 200
    assert listening.body == b"ab" * 5_000
