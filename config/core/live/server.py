"""The web server's side of a push: one encoded frame written to a thousand sockets.

An ASGI server encodes a text anew for each socket, and the way to it takes a task and several
calls. Ours has an extension that writes a frame encoded once. Under any other server the outbox
sends ordinary ASGI messages: the same bytes. It uses uvicorn's internals, so it is only enabled for
the releases it was tested with (``targets``).
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from config.core.live.outbox import EXTENSION


class DeskWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's websocket protocol with the extension.

    It reads nothing from a client that takes nothing: each ping is answered, and who sends many and
    reads no answer would fill the memory.
    """

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    async def run_asgi(self) -> None:
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"][EXTENSION] = self.write_frame
        await super().run_asgi()

    def write_frame(self, frame: bytes) -> bool:
        """Write a frame as ``send`` does for a message, unless the client is slow or leaving."""
        is_open = self.handshake_complete and self.conn.state is State.OPEN
        if not is_open or not self.writable.is_set() or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True
