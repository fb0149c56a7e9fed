"""Fixtures ``sandbox`` and ``gateway``: the real sandbox on free ports, without rate limits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from config.core.sandbox.server import Sandbox, open_market
from portfolio.sandbox.ibkr_socket.server import GatewayServer

Answer = TypeVar("Answer")


class GatewayHandle:
    """The running gateway as a test sees it, from another thread than its own.

    ``faults.add(message=55, drop=True)`` scripts frames, ``faults.change(silent=True)`` its state;
    the methods make things happen now and return when they have.
    """

    def __init__(self, server: GatewayServer) -> None:
        self.server = server
        self.host, self.port = server.host, server.port
        self.faults, self.market, self.books = server.faults, server.market, server.books

    @property
    def clients(self) -> set[int]:
        """Ids of the clients that are logged in."""
        return set(self.server.sessions)

    def lines(self, client_id: int) -> set[str]:
        """Symbols of the client's market-data subscriptions."""
        session = self.server.sessions.get(client_id)
        return {line.contract.symbol for line in session.lines.values()} if session else set()

    def requests(self, message: int) -> list[list[str]]:
        """Fields after the number of every such request so far, oldest first."""
        logged = self.server.script.requests(server=self.server.name, path=f"^/{message}$")
        return [entry.query.split(",") for entry in logged]

    def notify(self, code: int, message: str = "") -> None:
        self._run(self.server.notify(code, message))

    def restart(self, seconds: float) -> None:
        self._run(self.server.restart(seconds))

    def refuse(self) -> None:
        self._run(_as_coroutine(self.server.refuse))

    def accept(self) -> None:
        self._run(self.server.accept())

    def disconnect(self) -> None:
        self._run(_as_coroutine(self.server.disconnect))

    def release(self) -> None:
        self._run(self.server.release())

    def pulse(self) -> None:
        """Send what changed: what the gateway does every second anyway."""
        self._run(self.server.pulse())

    def correct_execution(self, execution_id: str, price: float) -> str:
        return self._run(self.server.correct_execution(execution_id, price))

    def _run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        assert self.server.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.server.loop).result(timeout=10)


async def _as_coroutine(act: Any) -> None:
    act()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """``.url("ibkr_portal")``, ``.faults``, ``.market``, ``.books``, ``.applications[name]``."""
    with Sandbox(market=open_market(seed=7), limits=False) as running:
        yield running


@pytest.fixture
def gateway(sandbox: Sandbox) -> GatewayHandle:
    """The sandbox's TWS API gateway: ``.host``, ``.port``, ``.faults``, ``.market``, ``.books``."""
    return GatewayHandle(sandbox.listeners["ibkr_socket"])
