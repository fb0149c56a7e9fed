"""``python -m tests.benchmarks.viewer_load``: pages that hold a websocket and poll beside it. Raw.

A process of its own on uvloop. Each viewer opens a websocket, and at a moment of its own asks for
the body again and again, on a new connection and with the tag of the body it holds, as a browser
does that was idle for half a minute.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import uvloop

from tests.benchmarks.options import NotMeasured
from tests.benchmarks.socket_load import Sockets, arrivals, open_all

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewers:
    """``sockets`` viewers, who ask for ``body_path`` every ``every`` seconds."""

    sockets: Sockets
    body_path: str
    every: float


@dataclass(slots=True)
class Watching:
    """Viewers that watch in another process until the block ends."""

    process: subprocess.Popen[str]
    #: Seconds from connecting to the last byte, of each poll in the order in which they ended.
    polls: list[float] = field(default_factory=list)
    pushes: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    client_load: float = 0.0

    def finish(self) -> None:
        answer, _ = self.process.communicate("", timeout=60)
        told = json.loads(answer)
        self.polls, self.pushes = told["polls"], told["pushes"]
        self.statuses, self.client_load = told["statuses"], told["client_load"]


@contextmanager
def watching(viewers: Viewers) -> Iterator[Watching]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.viewer_load", json.dumps(asdict(viewers))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = process.stdout.readline().strip() if process.stdout is not None else ""
        if said != "open":
            raise NotMeasured(f"{viewers.sockets.sockets} viewers could not come: {said}")
        yield Watching(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


class _Poller:
    """One viewer's requests; all share what was counted."""

    polls: list[float] = []
    statuses: dict[str, int] = {}

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path
        self._tag = ""

    async def poll_for_ever(self, every: float, first: float) -> None:
        await asyncio.sleep(first)
        while True:
            begun = time.monotonic()
            await self._poll()
            self.polls.append(time.monotonic() - begun)
            await asyncio.sleep(every)

    async def _poll(self) -> None:
        condition = f"If-None-Match: {self._tag}\r\n" if self._tag else ""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAccept: */*\r\n"
            f"Accept-Encoding: gzip, deflate, br\r\n{condition}Connection: close\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        await reader.readexactly(int(headers.get("content-length", "0")))
        writer.close()
        self._tag = headers.get("etag", "")
        code = status.split(" ")[1]
        self.statuses[code] = self.statuses.get(code, 0) + 1


async def _run(told: dict[str, Any]) -> None:
    sockets = Sockets(**told["sockets"])
    held = await open_all(sockets)
    moments = Random(1)
    polling = [
        asyncio.create_task(
            _Poller(sockets.port, told["body_path"]).poll_for_ever(
                told["every"], moments.uniform(0, told["every"])
            )
        )
        for _ in held
    ]
    begun, used = time.monotonic(), time.process_time()
    sys.stdout.write("open\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    share = (time.process_time() - used) / (time.monotonic() - begun)
    for task in polling:
        task.cancel()
    failed = [each for each in await asyncio.gather(*polling, return_exceptions=True)
              if not isinstance(each, asyncio.CancelledError)]  # fmt: skip
    for socket in held:
        socket.transport.close()
    statuses = _Poller.statuses | ({"failed": len(failed)} if failed else {})
    answer = {
        "polls": _Poller.polls,
        "pushes": arrivals(),
        "statuses": statuses,
        "client_load": share,
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    uvloop.run(_run(json.loads(sys.argv[1])))
