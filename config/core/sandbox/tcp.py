"""Sockets of the sandbox: loopback only, and TCP servers that can refuse and come back.

The data of the sandbox is open to whoever connects, so that no other address is ever bound.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

from config.core.errors import InvalidInput, Unavailable

_BACKLOG = 256
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def bind_loopback(
    host: str, port: int, *, listen: bool = True, share: bool = False
) -> socket.socket:
    """A bound socket (port 0: any free one), listening unless told otherwise.

    ``share``: other sockets of this user that share may bind the port as well. Raises
    InvalidInput for an address that is not loopback, Unavailable when the port is taken.
    """
    address = "127.0.0.1" if host == "localhost" else host
    try:
        if not ipaddress.ip_address(address).is_loopback:
            raise ValueError
    except ValueError:
        raise InvalidInput(f"host: the sandbox serves on loopback only, not on {host}") from None
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        reuse = socket.SO_REUSEPORT if share else socket.SO_REUSEADDR
        opened.setsockopt(socket.SOL_SOCKET, reuse, 1)
        opened.bind((address, port))
        if listen:
            opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise Unavailable(f"port {port}: {error.strerror or error}") from None
    return opened


class TcpListener:
    """One TCP port for as long as the sandbox lives, whether anybody listens on it or not.

    A second socket that never listens keeps the port: a connection is refused by the kernel, as
    by a program that is not running, and nobody else gets the port meanwhile.
    """

    def __init__(self, host: str, port: int, serve: Serve) -> None:
        self._reserved = bind_loopback(host, port, listen=False, share=True)
        self.host: str = self._reserved.getsockname()[0]
        self.port: int = self._reserved.getsockname()[1]
        self._serve = serve
        self._server: asyncio.Server | None = None

    async def accept(self) -> None:
        """Listen, if it does not yet."""
        if self._server is None:
            listening = bind_loopback(self.host, self.port, share=True)
            self._server = await asyncio.start_server(self._serve, sock=listening)

    def refuse(self) -> None:
        """Stop listening; connections that exist live on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        self.refuse()
        self._reserved.close()
