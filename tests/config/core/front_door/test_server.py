"""The door under the real web server: whole answers in one write, slow and pipelining clients."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config.core.front_door.server import EXTENSION, DeskHttpProtocol
from config.core.processes.targets import protocols
from tests.served import served

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
BODIES = {"/small": b"s" * 1000, "/large": b"l" * 2_000_000}

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """What the door does with a prepared body."""
    body = BODIES[scope["path"]]
    head = HEAD % len(body)
    if not scope["extensions"][EXTENSION](head, b"x-request-id: 1\r\n", body):
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", b"1"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def request(path: str, *, method: str = "GET", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: here\r\n{more}\r\n".encode()


async def answer(reader: asyncio.StreamReader, *, is_head: bool = False) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head, b"" if is_head else await reader.readexactly(length)


def test_protocol_is_used_with_the_installed_uvicorn_and_with_no_untested_one() -> None:
    for release, protocol in (
        (uvicorn.__version__, DeskHttpProtocol),
        ("1.0.0", HttpToolsProtocol),
    ):
        config = uvicorn.Config(application, http=protocols(release)[0], log_config=None)
        config.load()
        assert config.http_protocol_class is protocol


async def test_answer_is_whole_and_the_connection_stays() -> None:
    async with served(application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path in ("/small", "/large", "/small"):
            writer.write(request(path))
            head, body = await answer(reader)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"\r\ndate: " in head
            assert b"x-request-id: 1\r\n" in head
            assert b"connection: close" not in head
            assert body == BODIES[path]
        writer.write(request("/large", method="HEAD"))
        head, _ = await answer(reader, is_head=True)
        assert b"content-length: 2000000" in head
        writer.write(request("/small"))
        assert (await answer(reader))[1] == BODIES["/small"]
        writer.close()


async def test_client_that_wants_the_connection_closed_gets_it_closed() -> None:
    async with served(application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/small", more="Connection: close\r\n"))
        head, body = await answer(reader)
        assert b"connection: close\r\n" in head
        assert body == BODIES["/small"]
        assert await reader.read() == b""
        writer.close()


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with served(application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/small") + request("/large") + request("/small"))
        for path in ("/small", "/large", "/small"):
            assert (await answer(reader))[1] == BODIES[path]
        writer.close()


async def test_client_that_does_not_read_delays_nobody_else() -> None:
    async with served(application) as port:
        stuck = socket.create_connection(("127.0.0.1", port))
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        stuck.sendall(request("/large") * 20)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            for _ in range(50):
                writer.write(request("/small"))
                assert (await answer(reader))[1] == BODIES["/small"]
        writer.close()
        # It gets what it asked for when it reads at last.
        received = 0
        stuck.settimeout(5)
        while received < 4_000_000:
            part = await asyncio.to_thread(stuck.recv, 1 << 20)
            assert part
            received += len(part)
        stuck.close()


async def test_client_that_goes_away_in_the_middle_harms_nobody() -> None:
    async with served(application) as port:
        for _ in range(20):
            gone = socket.create_connection(("127.0.0.1", port))
            gone.sendall(request("/large"))
            gone.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/small"))
        assert (await answer(reader))[1] == BODIES["/small"]
        writer.close()
