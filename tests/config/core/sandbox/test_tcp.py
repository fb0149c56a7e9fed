"""Listeners: TCP servers that can refuse and come back, on loopback only."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from starlette.routing import Route

from config.core.errors import InvalidInput, Unavailable
from config.core.sandbox.registry import SandboxContext, register_sandbox_listener
from config.core.sandbox.server import Sandbox
from config.core.sandbox.tcp import TcpListener, bind_loopback
from tests.config.core.sandbox.conftest import StoppedMarket

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await writer.drain()
    await reader.read()
    writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[TcpListener]:
    listener = TcpListener("127.0.0.1", 0, greet)
    try:
        await listener.accept()
        yield listener
    finally:
        listener.close()


async def said_at(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = await asyncio.wait_for(reader.readexactly(5), 5)
    writer.close()
    return said


async def test_port_is_kept_while_nobody_listens() -> None:
    async with listening() as listener:
        assert await said_at(listener.port) == b"hello"
        listener.refuse()
        with pytest.raises(ConnectionRefusedError):
            await said_at(listener.port)
        with pytest.raises(Unavailable, match=str(listener.port)):
            bind_loopback("127.0.0.1", listener.port)
        await listener.accept()
        await listener.accept()
        assert await said_at(listener.port) == b"hello"


async def test_connection_outlives_the_refusal_of_new_ones() -> None:
    async with listening() as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        listener.refuse()
        assert await asyncio.wait_for(reader.readexactly(5), 5) == b"hello"
        writer.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com"])  # noqa: S104
def test_other_addresses_are_never_bound(host: str) -> None:
    with pytest.raises(InvalidInput, match="loopback"):
        bind_loopback(host, 0)


def test_ipv6_loopback_is_bound_too() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        bound = bind_loopback("::1", 0)
    except Unavailable:
        pytest.skip("no IPv6 loopback here")
    assert bound.getsockname()[0] == "::1"
    bound.close()


class Parrot:
    """A listener that says its context's name."""

    def __init__(self, context: SandboxContext, host: str, port: int) -> None:
        self._name = context.name
        self._listener = TcpListener(host, port, self._serve)
        self.address = f"tcp://{self._listener.host}:{self._listener.port}"
        self.port = self._listener.port
        self.usage = ""

    def control_routes(self) -> Sequence[Route]:
        return ()

    async def open(self) -> None:
        await self._listener.accept()

    async def close(self) -> None:
        self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._name.encode())
        writer.close()


async def test_listener_lives_as_long_as_the_sandbox() -> None:
    chosen = bind_loopback("127.0.0.1", 0)
    port = chosen.getsockname()[1]
    chosen.close()
    with Sandbox(
        market=StoppedMarket(),
        books=object(),
        servers=(),
        listeners={"polly": f"{__name__}.Parrot"},
        listener_ports={"polly": port},
    ) as running:
        assert running.addresses()["polly"] == f"tcp://127.0.0.1:{port}"
        assert await said_at(port) == b"polly"
    with pytest.raises(ConnectionRefusedError):
        await said_at(port)


def test_port_of_an_unknown_listener_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="nobody"):
        Sandbox(market=StoppedMarket(), books=object(), servers=(), listener_ports={"nobody": 1})


def test_second_factory_of_one_name_is_refused() -> None:
    register_sandbox_listener("ibkr_socket", "portfolio.sandbox.ibkr_socket.server.GatewayServer")
    with pytest.raises(ValueError, match="ibkr_socket"):
        register_sandbox_listener("ibkr_socket", "elsewhere.build")
