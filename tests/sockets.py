"""A client's end of the desk's websockets, over the real ASGI application."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgiref.testing import ApplicationCommunicator

from config.asgi import websocket_application

#: What a browser that shows the desk says.
ORIGIN = (b"origin", b"http://testserver")


class Socket:
    """A client's end of the websocket application."""

    def __init__(self, path: str, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        path, _, query = path.partition("?")
        self._application = ApplicationCommunicator(
            websocket_application,
            {
                "type": "websocket",
                "path": path,
                "query_string": query.encode(),
                "headers": list(headers),
                "subprotocols": [],
            },
        )

    async def connect(self) -> bool:
        await self._application.send_input({"type": "websocket.connect"})
        return (await self.output())["type"] == "websocket.accept"

    async def output(self) -> dict[str, Any]:
        return await self._application.receive_output(timeout=5)

    async def frame(self) -> dict[str, Any]:
        output = await self.output()
        assert output["type"] == "websocket.send", output
        return json.loads(output["text"])

    async def send(self, text: str) -> None:
        await self._application.send_input({"type": "websocket.receive", "text": text})

    async def disconnect(self) -> None:
        await self._application.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._application.wait(timeout=5)


@asynccontextmanager
async def socket(
    *headers: tuple[bytes, bytes], path: str = "/ws/portfolio"
) -> AsyncIterator[tuple[Socket, bool]]:
    opened = Socket(path, headers)
    connected = await opened.connect()
    try:
        yield opened, connected
    finally:
        if connected:
            await opened.disconnect()
