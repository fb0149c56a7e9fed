"""IBKR over the socket of TWS or IB Gateway: the owner's side, in the streams process.

One object owns a gateway's client id (guarded by a lease), keeps the connection and answers the
questions of all other processes (``config.core.ask``). Reads only; nothing here can trade.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, tzinfo
from typing import Any

import msgspec

from config.core.ask import serve
from config.core.clock import market_now, now
from config.core.redis.lease import run_as_owner
from greeks.domain import Contract, DailyClose, Fetched, Snapshot
from portfolio.brokers.ibkr_portal.contracts import SOURCE
from portfolio.brokers.ibkr_socket.activity import SocketActivity
from portfolio.brokers.ibkr_socket.book import SocketBook
from portfolio.brokers.ibkr_socket.client import GatewayIB
from portfolio.brokers.ibkr_socket.connection import GatewayConnection, Patience
from portfolio.brokers.ibkr_socket.directory import SocketDirectory
from portfolio.brokers.ibkr_socket.history import read_daily_closes
from portfolio.brokers.ibkr_socket.lines import MarketDataLines
from portfolio.brokers.ibkr_socket.state import GatewayState
from portfolio.domain import BrokerExecution, BrokerPosition

LEASE_SECONDS = 15.0
PUBLISH_SECONDS = 1.0
ANNOUNCE_SECONDS = 0.5

Publish = Callable[[Sequence[Snapshot]], object]


class SocketBridge:
    """Connects, answers and publishes while ``run`` runs.

    ``in_session`` says whether the market is open; ``publish`` receives each second's ticks;
    ``on_ready`` is called when the gateway can be asked (again), after earlier questions failed.
    All three are called in threads.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: int,
        *,
        service: str,
        zone: tzinfo,
        lines: int,
        in_session: Callable[[], bool],
        publish: Publish,
        on_ready: Callable[[], None],
        patience: Patience | None = None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.service = service
        self._subject = f"{service}:{client_id}"
        self._lease_seconds = lease_seconds
        self._publish = publish
        self._on_ready = on_ready
        self._connected = asyncio.Event()
        self._directory = SocketDirectory()
        self._lines = MarketDataLines(lines, self._directory.magnifier)
        self._connection = GatewayConnection(
            host,
            port,
            client_id,
            service=service,
            patience=patience or Patience(),
            in_session=in_session,
            on_connected=self._on_connected,
            on_data_lost=self._lines.renew,
            on_request_error=self._lines.on_request_error,
        )
        ready = self._connection.ready
        self._book = SocketBook(ready, self._directory)
        self._activity = SocketActivity(ready, self._directory, zone=zone)

    @property
    def state(self) -> GatewayState:
        """Return the state of the connection as this process sees it."""
        return self._connection.state

    async def run(self) -> None:
        """Wait for the lease, then own the gateway until cancelled or the lease is lost."""
        # ib_async's own messages name accounts and log every tick.
        logging.getLogger("ib_async").setLevel(logging.CRITICAL)
        # Without Redis another process may hold the client id: wait until Redis can tell.
        while not await run_as_owner(
            self._subject, self._own, seconds=self._lease_seconds, needs_redis=True
        ):
            await asyncio.sleep(self._lease_seconds / 3)

    async def _own(self) -> None:
        """Work with the gateway until cancelled or one part ends."""
        tasks = [
            asyncio.create_task(self._connection.run(), name="ibkr_socket.connection"),
            asyncio.create_task(self._publish_for_ever(), name="ibkr_socket.publish"),
            asyncio.create_task(self._announce_for_ever(), name="ibkr_socket.announce"),
            asyncio.create_task(serve(self.service, self._handlers()), name="ibkr_socket.ask"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    def _handlers(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Return the handlers of questions as they travel: with JSON arguments."""
        return {
            "accounts": self._book.accounts,
            "account_summary": self._book.summary,
            "positions": self._positions,
            "open_orders": self._activity.open_orders,
            "executions": self._executions,
            "snapshots": self._snapshots,
            "daily_closes": self._daily_closes,
        }

    async def _positions(self, account_number: str) -> Fetched[BrokerPosition]:
        """Return the whole book; an answer that did not end is an error, never a shorter book."""
        fetched = await self._book.positions(account_number)
        self._lines.hold(self._book.held())
        return fetched

    async def _executions(self, account_number: str, since: str) -> Fetched[BrokerExecution]:
        """Return fills since that moment, each in its last correction.

        The gateway reports fills since midnight, or up to seven days if its trade log shows them.
        """
        return await self._activity.executions(account_number, since=datetime.fromisoformat(since))

    async def _snapshots(self, contracts: list[Any], seconds: float) -> Fetched[Snapshot]:
        """Return quotes and the model's Greeks, waiting at most ``seconds`` for new lines."""
        ends = time.monotonic() + seconds
        ib = self._connection.ready()
        wanted = msgspec.convert(contracts, list[Contract])
        qualified = await self._directory.qualified(ib, wanted, seconds=seconds * 0.6)
        items, rejected = await self._lines.snapshots(
            qualified, seconds=max(ends - time.monotonic(), 0.0)
        )
        # The connection may have ended meanwhile; what was read from it is still true.
        if not items and contracts:
            self._connection.ready()
        self._connection.state.lines = len(self._lines)
        return Fetched(
            items=tuple(items), rejected=tuple(rejected), source=SOURCE, as_of=market_now()
        )

    async def _daily_closes(self, contract: Any, start: str, end: str) -> Fetched[DailyClose]:
        days = {"start": date.fromisoformat(start), "end": date.fromisoformat(end)}
        ib = self._connection.ready()
        wanted = msgspec.convert(contract, Contract)
        qualified = await self._directory.qualified(ib, [wanted], seconds=5.0)
        for ours, theirs in qualified.values():
            return await read_daily_closes(ib, ours, theirs, **days)
        return Fetched(items=(), source=SOURCE, as_of=now())

    def _on_connected(self, ib: GatewayIB) -> None:
        self._lines.attach(ib)
        self._connected.set()

    async def _announce_for_ever(self) -> None:
        while True:
            await self._connected.wait()
            # Other processes find the owner only a moment after it starts serving.
            await asyncio.sleep(ANNOUNCE_SECONDS)
            self._connected.clear()
            await asyncio.to_thread(self._on_ready)

    async def _publish_for_ever(self) -> None:
        while True:
            await asyncio.sleep(PUBLISH_SECONDS)
            self._connection.state.lines = len(self._lines)
            moved = self._lines.moved()
            if moved:
                await asyncio.to_thread(self._publish, moved)
