"""A websocket client that sends without end and reads nothing fills no memory."""

from __future__ import annotations

import asyncio
import base64
import socket
from typing import Any

import pytest

from config.core.live import consumer
from config.core.live.server import DeskWebSocketProtocol
from tests.served import served

SECONDS = 60
#: More than the kernel holds of them and of their answers.
PINGS = 200_000
# Masked by zeros; 125 bytes are the most of a control message.
PING = bytes((0x89, 0x80 | 125)) + bytes(4) + b"p" * 125


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def accepting(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Accept a websocket and stay with it."""
    if scope["type"] != "websocket":
        return
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


@pytest.mark.anyio
async def test_pings_of_who_reads_no_answer_are_left_unread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served_here: list[DeskWebSocketProtocol] = []
    run_asgi = DeskWebSocketProtocol.run_asgi

    async def noted(protocol: DeskWebSocketProtocol) -> None:
        served_here.append(protocol)
        await run_asgi(protocol)

    monkeypatch.setattr(DeskWebSocketProtocol, "run_asgi", noted)
    async with served(accepting) as port, asyncio.timeout(SECONDS):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=client)
        key = base64.b64encode(b"k" * 16)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: testserver\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        assert b" 101 " in await reader.readline()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(PING * PINGS)
        [protocol] = served_here
        # Until it reads no more, or has read everything.
        while protocol.transport.is_reading() and writer.transport.get_write_buffer_size():
            await asyncio.sleep(0.01)
        assert not protocol.transport.is_reading()
        assert protocol.transport.get_write_buffer_size() < 2_000_000
        writer.transport.abort()


@pytest.mark.anyio
async def test_who_asks_for_snapshots_without_end_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    sent: list[float] = []
    closed: list[int] = []
    monkeypatch.setattr(consumer, "monotonic", lambda: clock[0])
    socket_of_a_page = consumer.FeedConsumer()
    monkeypatch.setattr(socket_of_a_page, "send_snapshot", lambda: sent.append(clock[0]))

    async def close(code: int) -> None:
        closed.append(code)

    monkeypatch.setattr(socket_of_a_page, "close", close)
    # A page that asks as often as it may goes on.
    for _ in range(3 * consumer.MOST_MESSAGES):
        clock[0] += consumer.IN_SECONDS / consumer.MOST_MESSAGES
        await socket_of_a_page.receive('{"type": "resync"}')
    assert (len(sent), closed) == (3 * consumer.MOST_MESSAGES, [])
    await socket_of_a_page.receive('{"type": "resync"}')
    assert (len(sent), closed) == (3 * consumer.MOST_MESSAGES, [consumer.CLOSED_TOO_MANY])


class Noting(consumer.FeedConsumer):
    """Notes how its socket ended."""

    def __init__(self, left: list[int]) -> None:
        super().__init__()
        self.left = left

    async def disconnect(self, code: int) -> None:
        self.left.append(code)


async def run_socket(sent: list[str], *, breaks_at: str = "") -> tuple[list[str], list[int]]:
    """Return what a server was told, and the codes with which the socket left its feed.

    As a server's, ``send`` takes nothing after the end. ``breaks_at``: the message it fails at.
    """
    received = [{"type": "websocket.connect"}]
    received += [{"type": "websocket.receive", "text": text} for text in sent]
    received.append({"type": "websocket.disconnect", "code": 1005})  # type: ignore[dict-item]
    waiting, told, left = iter(received), list[str](), list[int]()

    async def receive() -> dict[str, str]:
        return next(waiting)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == breaks_at or "websocket.close" in told:
            raise RuntimeError(message["type"])
        told.append(message["type"])

    await Noting(left)({"type": "websocket", "path": "/"}, receive, send)
    return told, left


@pytest.mark.anyio
async def test_what_came_after_the_last_message_that_is_read_ends_nothing_twice() -> None:
    assert await run_socket(["", "", "{}"]) == (["websocket.accept", "websocket.close"], [1005])


@pytest.mark.anyio
async def test_socket_that_ends_by_an_error_leaves_its_feed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[int] = []

    async def disconnect(_socket: Noting, code: int) -> None:
        left.append(code)

    monkeypatch.setattr(Noting, "disconnect", disconnect)
    with pytest.raises(RuntimeError, match=r"websocket\.close"):
        await run_socket([""], breaks_at="websocket.close")
    assert left == [consumer.CLOSED_BY_AN_ERROR]
