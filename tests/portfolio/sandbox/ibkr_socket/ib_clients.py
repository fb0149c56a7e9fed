"""Unmodified ib_async against the simulated gateway: connections, and waiting without sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from ib_async import IB, Contract, Ticker

from tests.sandbox_server import GatewayHandle

ACCOUNT = "DU1000001"
SPY = 756733


class Client(IB):
    """An IB that records the errors it receives: (request id, code, message)."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[tuple[int, int, str]] = []
        self.errorEvent += self._remember
        self._moved = asyncio.Event()
        self.updateEvent += self._moved.set
        self.disconnectedEvent += self._moved.set

    def _remember(self, request_id: int, code: int, message: str, _: Any) -> None:
        self.errors.append((request_id, code, message))

    def codes(self) -> list[int]:
        return [code for _, code, _ in self.errors]

    async def until(self, condition: Callable[[], Any], *, seconds: float = 10.0) -> None:
        """Wait until something holds, looking after each packet. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                await self._moved.wait()
                self._moved.clear()

    async def option(self) -> Contract:
        """Return a qualified option of the account's own."""
        held = next(p.contract for p in self.positions() if p.contract.secType == "OPT")
        (qualified,) = await self.qualifyContractsAsync(Contract(conId=held.conId))
        assert isinstance(qualified, Contract)
        return qualified

    async def greeks_of(self, contract: Contract) -> Ticker:
        """Return a subscription whose model computation has arrived."""
        ticker = self.reqMktData(contract)
        await self.until(lambda: ticker.modelGreeks is not None)
        return ticker


@asynccontextmanager
async def connected(
    gateway: GatewayHandle, *, client_id: int = 1, readonly: bool = True, timeout: float = 10.0
) -> AsyncIterator[Client]:
    client = Client()
    try:
        await client.connectAsync(
            gateway.host,
            gateway.port,
            clientId=client_id,
            readonly=readonly,
            timeout=timeout,
            raiseSyncErrors=True,
        )
        yield client
    finally:
        client.disconnect()
