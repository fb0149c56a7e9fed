"""A frame that is none, or too large, ends its websocket with the code of RFC 6455, 7.4."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from config.core.processes.targets import WEBSOCKET_BYTES
from tests.served import served

pytestmark = pytest.mark.anyio

SECONDS = 60
PROTOCOL_ERROR, NOT_UTF_8, TOO_LARGE = 1002, 1007, 1009
TEXT, BINARY, CONTINUATION, PING = 0x1, 0x2, 0x0, 0x9
LAST = 0x80


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def frame(first: int, payload: bytes, *, announced: int | None = None) -> bytes:
    """Return a frame masked by zeros; ``announced``: the length that it claims."""
    size = len(payload) if announced is None else announced
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65_536:
        length = bytes((0x80 | 126,)) + size.to_bytes(2)
    else:
        length = bytes((0x80 | 127,)) + size.to_bytes(8)
    return bytes((first,)) + length + bytes(4) + payload


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(LAST | TEXT, b"\xff\xfe"), NOT_UTF_8),
        (frame(LAST | TEXT, b"\xed\xa0\x80"), NOT_UTF_8),
        (frame(TEXT, b"\xe2") + frame(LAST | CONTINUATION, b"\x28"), NOT_UTF_8),
        (frame(LAST | TEXT, b"a" * (WEBSOCKET_BYTES + 1)), TOO_LARGE),
        (frame(LAST | TEXT, b"", announced=2**62), TOO_LARGE),
        (frame(TEXT, b"a" * 40_000) + frame(CONTINUATION, b"a" * 40_000), TOO_LARGE),
        (frame(LAST | BINARY, b"", announced=WEBSOCKET_BYTES + 1), TOO_LARGE),
        (bytes((LAST | TEXT, 2)) + b"{}", PROTOCOL_ERROR),
        (frame(LAST | 0x40 | TEXT, b"{}"), PROTOCOL_ERROR),
        (frame(LAST | 0x3, b""), PROTOCOL_ERROR),
        (frame(LAST | PING, b"p" * 126), PROTOCOL_ERROR),
        (frame(PING, b""), PROTOCOL_ERROR),
        (frame(LAST | CONTINUATION, b"a"), PROTOCOL_ERROR),
        (frame(TEXT, b"a") + frame(LAST | TEXT, b"a"), PROTOCOL_ERROR),
    ],
    ids=[
        "bytes", "surrogate", "cut", "large", "endless", "fragments", "binary", "unmasked",
        "compressed", "reserved", "long ping", "cut ping", "no beginning", "two beginnings",
    ],
)  # fmt: skip
async def test_wrong_frame_ends_the_socket(sent: bytes, code: int) -> None:
    received: list[dict[str, Any]] = []

    async def page(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] != "websocket.disconnect":
                received.append(message)

    async with served(page) as port, asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(b"k" * 16)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: testserver\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        try:
            first, size, *_ = await reader.readexactly(2)
            assert first == LAST | 0x8
            assert int.from_bytes((await reader.readexactly(size))[:2]) == code
            await reader.read()
        except ConnectionResetError:
            # The rest of what is too large is not read, so the kernel may end it first.
            assert code == TOO_LARGE
        writer.close()
    assert [one["type"] for one in received] == ["websocket.connect"]
