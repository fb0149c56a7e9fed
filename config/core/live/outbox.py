"""What waits to be sent to a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache

import structlog
from websockets.frames import Frame, Opcode

logger = structlog.get_logger(__name__)

#: In ``scope["extensions"]``: ``write(frame) -> bool``. ``False``: nothing was written, send a
#: message instead.
EXTENSION = "greekdesk.frame"


@lru_cache(maxsize=4)
def encoded_frame(text: str) -> bytes:
    """Return the text as a server's frame (RFC 6455 §5.2), encoded once for many sockets."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def broadcast(outboxes: Iterable[Outbox], text: str, *, name: str = "") -> None:
    """Give one prepared frame to many sockets; each sends it when it can."""
    for outbox in outboxes:
        outbox.put(text, name=name)


class Outbox:
    """What waits to be sent to one socket: the newest frame per name, never a backlog.

    ``put`` never blocks. A slow socket skips frames that a newer one of the same name replaced;
    frames of different names keep the order in which each name was first put.

    ``write`` takes an encoded frame at once; ``False``: the socket cannot now, so it waits. Without
    it, every frame is sent by ``send``.
    """

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        write: Callable[[bytes], bool] | None = None,
    ) -> None:
        self._send = send
        self._write = write
        self._waiting: dict[str, str] = {}
        self._sender: asyncio.Task[None] | None = None
        self._closed = False
        #: Seconds between two frames that take the place of changes; 0: changes as they come.
        self.every = 0
        self._later: asyncio.TimerHandle | None = None
        self._put_at = float("-inf")

    def put(self, text: str, *, name: str = "") -> None:
        if self._closed:
            return
        is_idle = self._sender is None
        if is_idle and self._write is not None and self._write(encoded_frame(text)):
            return
        self._waiting[name] = text
        if self._sender is None:
            self._sender = asyncio.ensure_future(self._drain())

    def put_seldom(self, make: Callable[[], str], *, name: str = "snapshot") -> None:
        """Put the frame made then, ``every`` seconds after the last one or at once."""
        if self._closed or self._later is not None:
            return
        loop = asyncio.get_running_loop()

        def put_now() -> None:
            self._later, self._put_at = None, loop.time()
            self.put(make(), name=name)

        self._later = loop.call_at(max(loop.time(), self._put_at + self.every), put_now)

    def clear(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        self.drop_later()

    def drop_later(self) -> None:
        """Drop what is to be put later: a snapshot has it all."""
        if self._later is not None:
            self._later.cancel()
            self._later = None

    async def close(self) -> None:
        """Drop what waits; nothing is sent afterwards."""
        self._closed = True
        self.clear()
        if self._sender is not None and self._sender is not asyncio.current_task():
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                name = next(iter(self._waiting))
                await self._send(self._waiting.pop(name))
        except Exception as error:  # noqa: BLE001 - the socket is gone, whatever it raises
            self._closed = True
            self._waiting.clear()
            logger.info("outbox.socket_gone", reason=type(error).__name__)
        finally:
            self._sender = None
