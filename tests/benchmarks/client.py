"""One keep-alive HTTP/1.1 connection that times the first byte. Standard library only.

An HTTP library's own work would be measured along: this one sends prepared bytes.
"""

from __future__ import annotations

import gzip
import socket
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType


def _brotli(body: bytes) -> bytes:
    import brotli

    return bytes(brotli.decompress(body))


_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": _brotli,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body as sent, and seconds from the request to the first and to the last byte."""

    status: int
    body: bytes
    first_byte: float
    last_byte: float
    encoding: str = "identity"

    @property
    def content(self) -> bytes:
        """The body as it was before it was compressed. Raises ``KeyError`` for an unknown form."""
        return _DECODERS[self.encoding](self.body)


class Connection:
    """``GET`` after ``GET`` on one connection, as a browser's: with cookie, compressed or not."""

    def __init__(self, port: int, *, cookie: str = "", at_django: bool = False) -> None:
        self._head = f"Host: 127.0.0.1:{port}\r\nAccept-Encoding: gzip, deflate, br\r\n"
        if cookie:
            self._head += f"Cookie: {cookie}\r\n"
        if at_django:
            # The front door leaves requests with this header to Django, which ignores it.
            self._head += f"X-Forwarded-Host: 127.0.0.1:{port}\r\n"
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str) -> Answer:
        """Raises ``OSError`` when the connection ends before the answer does."""
        request = f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode()
        begun = time.perf_counter()
        self._socket.sendall(request)
        received = self._receive()
        first_byte = time.perf_counter() - begun
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        if headers.get("transfer-encoding") == "chunked":
            while not body.endswith(b"0\r\n\r\n"):
                body += self._receive()
        else:
            length = int(headers.get("content-length", "0"))
            while len(body) < length:
                body += self._receive()
        last_byte = time.perf_counter() - begun
        encoding = headers.get("content-encoding", "identity")
        return Answer(int(lines[0].split()[1]), body, first_byte, last_byte, encoding)

    def _receive(self) -> bytes:
        received = self._socket.recv(1 << 18)
        if not received:
            raise ConnectionError("the server closed the connection")
        return received

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
