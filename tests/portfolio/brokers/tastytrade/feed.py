"""The streamer's client as a test runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from config.core.sandbox.server import Sandbox
from greeks.domain import Contract, Snapshot
from greeks.providers.tastytrade_dxlink import connection as tastytrade_dxlink_connection
from greeks.providers.tastytrade_dxlink.client import DxLinkClient
from greeks.providers.tastytrade_dxlink.connection import Timing
from greeks.providers.tastytrade_dxlink.token import StreamerToken

FAST: dict[str, float] = {
    "look": 0.05,
    "first_wait": 0.05,
    "longest_wait": 0.2,
    "between_messages": 0.0,
    "aggregation": 0.1,
    "silence": 60.0,
}


class Feed:
    """A running client, its tokens, and the values it has delivered so far."""

    def __init__(
        self,
        sandbox: Sandbox,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        /,
        **timing: float,
    ) -> None:
        self.sandbox = sandbox
        self.asked = 0
        self.lifetime = 86_400.0
        self.market_trades = True
        self.errors: list[Exception] = []
        self.url = sandbox.url("dxlink").replace("http", "ws", 1)
        self.client = DxLinkClient(
            fetch_token=self._token,
            expects_data=lambda: self.market_trades,
            timing=Timing(**(FAST | timing)),
            sleep=sleep,
        )
        self.told: dict[str, Snapshot] = {}

    @property
    def state(self) -> tastytrade_dxlink_connection.FeedState:
        return self.client.state

    async def _token(self) -> StreamerToken:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        token = self.sandbox.applications["dxlink"].state.tokens.grant()
        return StreamerToken(token=token, url=self.url, lifetime=self.lifetime)

    async def until(self, true: Callable[[], bool], seconds: float = 15.0) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.02)
                self.told |= self.client.take_changed()

    async def until_all(self, contracts: dict[str, Contract]) -> None:
        """Wait until every contract has arrived in full again."""
        self.told.clear()

        def full() -> bool:
            return all(
                (found := self.told.get(symbol)) is not None
                and found.quote is not None
                and (found.greeks is not None or not contract.is_option)
                for symbol, contract in contracts.items()
            )

        await self.until(full)
