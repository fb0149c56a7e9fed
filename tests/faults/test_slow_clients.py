"""Clients that send or read slowly hold no thread, and are cut off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from django.conf import settings

from config import asgi
from config.core.front_door import server
from config.core.serving import request_bodies
from tests.served import served

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True), pytest.mark.any_database]

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SLOW = 40
SECONDS = 60
LOG_IN = "/accounts/login"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: testserver", *lines, "", ""]).encode()


@asynccontextmanager
async def connected(port: int, *, most: int = 1) -> AsyncIterator[list[Connection]]:
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(most)]
    try:
        yield connections
    finally:
        for _, writer in connections:
            writer.close()


async def status_of(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split()[1])


async def get(port: int, path: str) -> tuple[int, bytes]:
    async with connected(port) as [(reader, writer)]:
        writer.write(head("GET", path, "Connection: close"))
        whole = await reader.read()
    first, _, body = whole.partition(b"\r\n\r\n")
    return int(first.split()[1]), body


@pytest.mark.parametrize(
    "lines",
    [("Content-Length: 100",), ("Transfer-Encoding: chunked",)],
    ids=["announced", "chunked"],
)
async def test_bodies_that_never_come_hold_no_page_and_no_health(lines: tuple[str, ...]) -> None:
    assert settings.WEB_THREADS < SLOW
    async with served(asgi.application) as port, connected(port, most=SLOW) as slow:
        for _, writer in slow:
            writer.write(head("POST", LOG_IN, *lines))
            await writer.drain()
        async with asyncio.timeout(SECONDS):
            for _ in range(5):
                assert (await get(port, LOG_IN))[0] == 200
            status, body = await get(port, "/health")
        assert status == 200
        assert json.loads(body)["checks"]["database"]["status"] == "ok"


async def test_health_answers_while_every_thread_is_taken(monkeypatch: Any) -> None:
    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asgi.django_application, "application", hangs)
    async with served(asgi.application) as port, asyncio.timeout(SECONDS):
        assert (await get(port, "/health"))[0] == 200


async def test_body_that_is_late_gets_408_and_a_large_one_413(monkeypatch: Any) -> None:
    monkeypatch.setattr(request_bodies, "BODY_SECONDS", 0.2)
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    async with served(asgi.application) as port, asyncio.timeout(SECONDS):
        for line, sent, status in (
            ("Content-Length: 100", b"part", 408),
            (f"Content-Length: {most + 1}", b"", 413),
            ("Transfer-Encoding: chunked", b"%x\r\n" % (most + 1) + b"a" * (most + 1), 413),
        ):
            async with connected(port) as [(reader, writer)]:
                writer.write(head("POST", LOG_IN, line) + sent)
                assert await status_of(reader) == status
                assert b"connection: close" in (await reader.read()).lower()


async def test_statement_may_be_larger_than_other_bodies_up_to_a_bound(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE, settings.LARGE_BODIES = 1000, {"/trades/import": 5000}
    async with served(asgi.application) as port, asyncio.timeout(SECONDS):
        for path, length, status in (
            # By the protection against cross-site requests: the body got through.
            ("/trades/import", 5000, 403),
            ("/trades/import", 5001, 413),
            ("/trades/import/x", 5000, 413),
            (LOG_IN, 1001, 413),
        ):
            async with connected(port) as [(reader, writer)]:
                writer.write(head("POST", path, f"Content-Length: {length}") + b"a" * length)
                assert await status_of(reader) == status


async def test_bodies_that_fill_the_memory_are_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr(request_bodies, "HELD_BYTES", 1000)
    async with served(asgi.application) as port, asyncio.timeout(SECONDS):
        async with connected(port, most=2) as [(_, first), (reader, second)]:
            first.write(head("POST", LOG_IN, "Content-Length: 900") + b"a" * 800)
            await first.drain()
            await _until(lambda: asgi.django_application._held == 800)
            second.write(head("POST", LOG_IN, "Content-Length: 900") + b"a" * 800)
            assert await status_of(reader) == 503
        await _until(lambda: asgi.django_application._held == 0)


async def test_whole_body_reaches_the_view() -> None:
    async with served(asgi.application) as port, connected(port) as [(reader, writer)]:
        async with asyncio.timeout(SECONDS):
            body = b"username=nobody&password=wrong"
            writer.write(head("POST", LOG_IN, f"Content-Length: {len(body)}"))
            await writer.drain()
            writer.write(body)
            # Refused by the protection against cross-site requests, so the view's stack ran.
            assert await status_of(reader) == 403


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return None


async def _part_of_a_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: testser")


async def _blank_lines_after_an_answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(head("GET", "/health"))
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\r\n")


async def _no_body_after_an_answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(head("GET", "/health", "Content-Length: 100"))
    await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize(
    "client",
    [_silent, _part_of_a_head, _blank_lines_after_an_answer, _no_body_after_an_answer],
)
async def test_connection_without_a_whole_head_is_closed(
    client: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    monkeypatch: Any,
) -> None:
    for name in ("FIRST_HEAD_SECONDS", "NEXT_HEAD_SECONDS", "_LOOK_SECONDS"):
        monkeypatch.setattr(server, name, 0.2)
    async with served(asgi.application) as port, connected(port) as [(reader, writer)]:
        await client(reader, writer)
        async with asyncio.timeout(4):
            with suppress(ConnectionResetError):
                await reader.read()


async def test_client_that_never_reads_is_cut_off(monkeypatch: Any) -> None:
    monkeypatch.setattr(server, "UNREAD_SECONDS", 0.2)
    monkeypatch.setattr(server, "_LOOK_SECONDS", 0.1)

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = {"type": "http.response.body", "body": b"a" * 50_000_000, "more_body": True}
        await send(body)
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.set()

    ended = asyncio.Event()
    async with served(large) as port, connected(port) as [(reader, writer)]:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(head("GET", "/"))
        async with asyncio.timeout(SECONDS):
            await ended.wait()
            reader._transport.resume_reading()  # type: ignore[attr-defined]
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(50_000_000)


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "sent",
    [
        head("GET", "/health", "A: " + "a" * 70_000),
        head("GET", "/health", *(f"A{number}: {'a' * 100}" for number in range(700))),
        head("GET", "/health?" + "a" * 70_000),
        b"GET /health HTTP/1.1\r\nHost: testserver\r\nA: " + b"a" * 1_000_000,
        b"GET /health HTTP/1.1\r\nHost: testserver\r\nA: " + b"a" * 66_000,
    ],
    ids=["one header", "many headers", "address", "without an end", "just above, without an end"],
)
async def test_head_above_64_kb_gets_431(sent: bytes) -> None:
    async with served(asgi.application) as port, connected(port) as [(reader, writer)]:
        async with asyncio.timeout(SECONDS):
            writer.write(sent)
            assert await status_of(reader) == 431


async def test_heads_in_one_read_count_apart() -> None:
    """What came before in the same read is no part of an unfinished head."""
    small = head("GET", "/health", "A: " + "a" * 1_000)
    body = head("POST", "/health", "Content-Length: 20000") + b"b" * 20_000
    last = head("GET", "/health?last", "A: " + "a" * 2_000)
    async with served(asgi.application) as port, connected(port) as [(reader, writer)]:
        async with asyncio.timeout(SECONDS):
            writer.write(small * 80 + body + last[:1_000])
            for number in range(82):
                if number == 81:
                    writer.write(last[1_000:])
                status = await status_of(reader)
                assert status == (403 if number == 80 else 200)
                await _rest_of_answer(reader)


async def _rest_of_answer(reader: asyncio.StreamReader) -> None:
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    (length,) = [line for line in lines if line.startswith(b"content-length:")]
    await reader.readexactly(int(length.split(b":")[1]))


async def test_head_just_below_64_kb_is_answered() -> None:
    async with served(asgi.application) as port, connected(port) as [(reader, writer)]:
        async with asyncio.timeout(SECONDS):
            for _ in range(2):
                writer.write(head("GET", "/health", "A: " + "a" * 65_000))
                assert await status_of(reader) == 200
                await reader.readuntil(b"\r\n\r\n{")
                await reader.readuntil(b"}}}")
