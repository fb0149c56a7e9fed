"""Sandbox sockets: loopback only, and TCP servers that can refuse connections and come back.

Sandbox data is open to anyone who connects, so no other address is ever bound.
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
    """Return a bound socket (port 0: any free one), listening by default.

    ``share``: this user's other sharing sockets may bind the port too. Raises InvalidInput for a
    non-loopback address, Unavailable if the port is taken.
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
    """One TCP port for the sandbox's lifetime, whether or not anything listens.

    A second socket that never listens reserves the port: connections are refused by the kernel, as
    if no program ran, and nobody else can take the port.
    """

    def __init__(self, host: str, port: int, serve: Serve) -> None:
        self._reserved = bind_loopback(host, port, listen=False, share=True)
        self.host: str = self._reserved.getsockname()[0]
        self.port: int = self._reserved.getsockname()[1]
        self._serve = serve
        self._server: asyncio.Server | None = None

    async def accept(self) -> None:
        """Start listening, if not yet."""
        if self._server is None:
            listening = bind_loopback(self.host, self.port, share=True)
            self._server = await asyncio.start_server(self._serve, sock=listening)

    def refuse(self) -> None:
        """Stop listening; existing connections stay open."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        self.refuse()
        self._reserved.close()
