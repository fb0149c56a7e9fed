"""``python -m tests.benchmarks.socket_load``: holds many websockets and times what arrives. Raw.

A process of its own on uvloop. A frame that is to be timed holds ``"sent":"<time.monotonic()>"``,
which all processes of a machine share; others are only counted.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import uvloop

from tests.benchmarks.options import NotMeasured

ROOT = Path(__file__).resolve().parents[2]
OPENING_AT_ONCE = 20
LONGEST_SECONDS = 120.0
_SENT = b'"sent":"'
# The last frame of a control message, and which one; who answers none is taken for gone.
_PING, _PONG = 0x89, 0x8A


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """``sockets`` websockets of one signed-in person at ``path``."""

    port: int
    path: str
    cookie: str
    origin: str
    sockets: int


@dataclass(slots=True)
class OpenSockets:
    """Sockets that are open in another process until the block ends."""

    process: subprocess.Popen[str]
    arrivals: list[float]
    frame_bytes: int = 0

    def finish(self) -> None:
        """Close them; ``arrivals`` then holds the seconds of every timed frame."""
        answer, _ = self.process.communicate("", timeout=60)
        told = json.loads(answer)
        self.arrivals, self.frame_bytes = told["arrivals"], told["frame_bytes"]


@contextmanager
def open_sockets(sockets: Sockets) -> Iterator[OpenSockets]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.socket_load", json.dumps(asdict(sockets))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = _said(process.stdout)
        if said != "open":
            raise NotMeasured(f"{sockets.sockets} sockets could not be opened: {said}")
        yield OpenSockets(process, [])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _said(output: IO[str] | None) -> str:
    return output.readline().strip() if output is not None else ""


class _Socket(asyncio.Protocol):
    """A websocket's reading end: handshake, then frames without looking into them."""

    arrivals: list[float] = []
    frame_bytes = 0

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = bytearray()
        self._is_open = False
        self.has_snapshot = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.has_snapshot.done():
            self.has_snapshot.set_exception(ConnectionError("closed before the snapshot"))

    def data_received(self, data: bytes) -> None:
        moment = time.monotonic()
        self._received += data
        if not self._is_open:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 101 " not in self._received[:end].split(b"\r\n")[0]:
                self.connection_lost(None)
                return
            del self._received[: end + 4]
            self._is_open = True
        while (frame := self._frame()) is not None:
            if not self.has_snapshot.done():
                self.has_snapshot.set_result(None)
            if (place := frame.find(_SENT)) >= 0:
                start = place + len(_SENT)
                sent = float(frame[start : frame.index(b'"', start)])
                self.arrivals.append(moment - sent)
                _Socket.frame_bytes = len(frame)

    def _frame(self) -> bytes | None:
        """Return the next whole frame's payload (a server does not mask). A ping is answered."""
        held = self._received
        if len(held) < 2:
            return None
        length, start = held[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(held[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(held[2:10], "big"), 10
        if len(held) < start + length:
            return None
        payload = bytes(held[start : start + length])
        if held[0] == _PING:
            # A client's frames are masked; zero is a valid mask.
            pong = bytes((_PONG, 0x80 | length)) + bytes(4) + payload
            self.transport.write(pong)  # type: ignore[attr-defined]
        del held[: start + length]
        return payload


def arrivals() -> list[float]:
    """Return seconds that each timed frame took, to whichever socket of this process it came."""
    return _Socket.arrivals


async def open_all(sockets: Sockets) -> list[_Socket]:
    """Open them, some at a time, until each has its snapshot."""
    loop = asyncio.get_running_loop()
    several = asyncio.Semaphore(OPENING_AT_ONCE)

    async def open_one() -> _Socket:
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET {sockets.path} HTTP/1.1\r\nHost: 127.0.0.1:{sockets.port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Version: 13\r\nOrigin: {sockets.origin}\r\n"
            f"Cookie: {sockets.cookie}\r\n\r\n"
        ).encode()
        async with several:
            _, socket = await loop.create_connection(
                lambda: _Socket(request), "127.0.0.1", sockets.port
            )
            await socket.has_snapshot
        return socket

    async with asyncio.timeout(LONGEST_SECONDS):
        return await asyncio.gather(*(open_one() for _ in range(sockets.sockets)))


async def _run(sockets: Sockets) -> None:
    held = await open_all(sockets)
    sys.stdout.write("open\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    for socket in held:
        socket.transport.close()
    told = {"arrivals": arrivals(), "frame_bytes": _Socket.frame_bytes}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    uvloop.run(_run(Sockets(**json.loads(sys.argv[1]))))
