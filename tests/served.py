"""An ASGI application under the desk's real web server, in the test's own event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from config.core.front_door.server import DeskHttpProtocol
from config.core.live.server import DeskWebSocketProtocol
from config.core.processes.targets import WEBSOCKET_BYTES


@asynccontextmanager
async def served(application: Any) -> AsyncIterator[int]:
    """Serve it, with its start and end; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, http=DeskHttpProtocol, ws=DeskWebSocketProtocol, ws_per_message_deflate=False,
        ws_max_size=WEBSOCKET_BYTES, server_header=False, log_config=None,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign,assignment]
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running


class _no_signals:  # noqa: N801 - stands in for a method
    """A test's server leaves the process's signals alone."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
