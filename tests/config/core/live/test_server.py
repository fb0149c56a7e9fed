"""Encoded frames under the real web server: what a client gets, and when nothing is written."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from config.core.live.outbox import EXTENSION, encoded_frame
from config.core.live.server import DeskWebSocketProtocol
from config.core.processes.targets import protocols
from tests.served import served

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_protocol_is_used_with_the_installed_uvicorn_and_with_no_untested_one() -> None:
    for release, protocol in (
        (uvicorn.__version__, DeskWebSocketProtocol),
        ("1.0.0", WebSocketsSansIOProtocol),
    ):
        config = uvicorn.Config(_nothing, ws=protocols(release)[1], log_config=None)
        config.load()
        assert config.ws_protocol_class is protocol


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    return None


async def test_written_frames_and_sent_messages_arrive_alike_and_in_order() -> None:
    texts = ["", "δ", "x" * 200, "y" * 70_000]
    refused: list[bool] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        write = scope["extensions"][EXTENSION]
        refused.append(write(encoded_frame("before the handshake")))
        await send({"type": "websocket.accept"})
        for text in texts:
            assert write(encoded_frame(text))
            await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close", "code": 1000})
        refused.append(write(encoded_frame("after the end")))

    async with (
        served(application) as port,
        connect(f"ws://127.0.0.1:{port}/", compression=None) as client,
    ):
        received = [message async for message in client]
    assert received == [text for text in texts for _ in range(2)]
    assert client.close_code == 1000
    assert refused == [False, False]


async def test_client_that_reads_nothing_stops_the_writing() -> None:
    stopped = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        frame = encoded_frame("z" * 60_000)
        while scope["extensions"][EXTENSION](frame):
            await asyncio.sleep(0)
        stopped.set()

    async with served(application) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        async with asyncio.timeout(10):
            await stopped.wait()
        writer.close()


async def test_client_that_sends_megabytes_is_cut_off_and_others_are_served() -> None:
    heard: list[int] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            if text := message.get("text"):
                heard.append(len(text))
                await send({"type": "websocket.send", "text": "heard"})

    async with served(application) as port:
        address = f"ws://127.0.0.1:{port}/"
        async with connect(address, compression=None) as other:
            async with connect(address, compression=None) as client:
                # The server may be gone before all is sent.
                with suppress(ConnectionClosed):
                    await client.send("x" * 10_000_000)
                await client.wait_closed()
            await other.send("still there")
            assert await other.recv() == "heard"
    assert heard == [len("still there")]
