"""IBKR over the socket of TWS or IB Gateway: the owner's side, in the streams process.

One object owns a gateway's client id (guarded by a lease), keeps the connection and answers the
questions of all other processes (``config.core.ask``). Reads only; nothing here can trade.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta, tzinfo
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
from portfolio.domain import (
    AccountSummary,
    BrokerAccount,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
)

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

    # --- Questions --------------------------------------------------------------------------------
    async def get_accounts(self) -> Fetched[BrokerAccount]:
        """Return every account of the gateway's log-in."""
        return await self._book.accounts()

    async def get_account_summary(self, account_number: str) -> AccountSummary:
        return await self._book.summary(account_number)

    async def get_positions(self, account_number: str) -> Fetched[BrokerPosition]:
        """Return the whole book; an answer that did not end is an error, never a shorter book."""
        fetched = await self._book.positions(account_number)
        self._lines.hold(self._book.held())
        return fetched

    async def get_open_orders(self, account_number: str) -> Fetched[BrokerOrder]:
        return await self._activity.open_orders(account_number)

    async def get_recent_executions(
        self, account_number: str, since: datetime | None = None
    ) -> Fetched[BrokerExecution]:
        """Return fills since that moment (default: a week ago), each in its last correction.

        The gateway reports fills since midnight, or up to seven days if its trade log shows them.
        """
        return await self._activity.executions(
            account_number, since=since or now() - timedelta(days=7)
        )

    async def get_snapshots(
        self, contracts: Sequence[Contract], seconds: float
    ) -> Fetched[Snapshot]:
        """Return quotes and the model's Greeks, waiting at most ``seconds`` for new lines."""
        ends = time.monotonic() + seconds
        ib = self._connection.ready()
        qualified = await self._directory.qualified(ib, contracts, seconds=seconds * 0.6)
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

    async def get_daily_closes(
        self, contract: Contract, start: date, end: date
    ) -> Fetched[DailyClose]:
        ib = self._connection.ready()
        qualified = await self._directory.qualified(ib, [contract], seconds=5.0)
        if not qualified:
            return Fetched(items=(), source=SOURCE, as_of=now())
        ((ours, theirs),) = qualified.values()
        return await read_daily_closes(ib, ours, theirs, start=start, end=end)

    def _handlers(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Return the handlers of questions as they travel: with JSON arguments."""

        async def snapshots(contracts: list[Any], seconds: float) -> Fetched[Snapshot]:
            return await self.get_snapshots(msgspec.convert(contracts, list[Contract]), seconds)

        async def executions(account_number: str, since: str) -> Fetched[BrokerExecution]:
            return await self.get_recent_executions(account_number, datetime.fromisoformat(since))

        async def daily_closes(contract: Any, start: str, end: str) -> Fetched[DailyClose]:
            return await self.get_daily_closes(
                msgspec.convert(contract, Contract),
                date.fromisoformat(start),
                date.fromisoformat(end),
            )

        return {
            "accounts": self.get_accounts,
            "account_summary": self.get_account_summary,
            "positions": self.get_positions,
            "open_orders": self.get_open_orders,
            "executions": executions,
            "snapshots": snapshots,
            "daily_closes": daily_closes,
        }

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
