"""``python -m tests.benchmarks.http_load``: as many requests as a server answers, raw.

A process of its own on uvloop that only counts bytes: on the other core it is faster than any ASGI
server, so what it counts is what the server could do. Arguments are JSON, answers too.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Keep ``connections`` open for ``seconds``, each sending again once it is answered."""

    port: int
    path: str
    cookie: str
    accept_encoding: str = "identity"
    connections: int = 32
    seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Requests answered with 200, requests a second, and the client's own share of a core."""

    requests: int
    per_second: float
    client_load: float


def run_load(load: Load) -> Loaded:
    """Run the load in a separate process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.http_load", json.dumps(asdict(load))],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60 + load.seconds,
        check=True,
    )
    return Loaded(**json.loads(done.stdout))


class _Client(asyncio.Protocol):
    """Asks, counts the answer's bytes, and asks again."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._expected = 0
        self._received = 0
        self._head = b""
        self.answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if not self._expected:
            # Every answer of a connection is as long as its first one.
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._head[:end].lower()
            if not head.startswith(b"http/1.1 200"):
                raise SystemExit(f"not 200: {head[:200]!r}")
            length = head.split(b"content-length: ")[1].split(b"\r\n")[0]
            self._expected = end + 4 + int(length)
        while self._received >= self._expected:
            self._received -= self._expected
            self.answered += 1
            self._transport.write(self._request)  # type: ignore[attr-defined]


async def _run(load: Load) -> Loaded:
    request = (
        f"GET {load.path} HTTP/1.1\r\nHost: 127.0.0.1:{load.port}\r\nUser-Agent: bench\r\n"
        f"Accept: */*\r\nAccept-Encoding: {load.accept_encoding}\r\nCookie: {load.cookie}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(load.connections):
        _, client = await loop.create_connection(lambda: _Client(request), "127.0.0.1", load.port)
        clients.append(client)
    before, begun, used = sum(c.answered for c in clients), time.perf_counter(), time.process_time()
    await asyncio.sleep(load.seconds)
    requests = sum(client.answered for client in clients) - before
    seconds = time.perf_counter() - begun
    share = (time.process_time() - used) / seconds
    return Loaded(requests=requests, per_second=requests / seconds, client_load=share)


if __name__ == "__main__":
    answer = uvloop.run(_run(Load(**json.loads(sys.argv[1]))))
    sys.stdout.write(json.dumps(asdict(answer)))
