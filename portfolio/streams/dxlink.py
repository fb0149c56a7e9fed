"""The ``dxlink`` stream: live quotes and Greeks of all holdings from Tastytrade's streamer.

One streams process owns it. It follows the book (announcements, and a check every 15 seconds),
writes the newest values to Redis once a second, and queues revaluation of the affected accounts.
Idle without Tastytrade's credentials.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import structlog
from django.conf import settings
from django.db import DatabaseError

from config.core.errors import DatabaseUnavailable, ProviderError
from config.core.health import heartbeat
from config.core.live.hub import Message, hub
from config.core.redis.lease import run_as_owner
from config.core.threads import with_connection
from greeks.domain import Contract, InstrumentKind
from greeks.instruments.store import contracts_of
from greeks.models import Instrument
from greeks.providers.tastytrade_dxlink.client import DxLinkClient
from greeks.providers.tastytrade_dxlink.connection import Timing
from greeks.providers.tastytrade_dxlink.token import StreamerToken
from portfolio.brokers.tastytrade.adapter import open_tastytrade
from portfolio.brokers.tastytrade.contracts import SOURCE, unit_of
from portfolio.brokers.tastytrade.market_data import streamed_symbols, unnamed_symbols
from portfolio.brokers.units import snapshot_in_currency
from portfolio.market_data.sources import underlying_contracts
from portfolio.models import Account
from portfolio.streams.publishing import market_is_open, publish
from portfolio.sync.progress import account_group

logger = structlog.get_logger(__name__)

SUBJECT: Final = "stream.dxlink"
HEARTBEAT: Final = "provider.tastytrade_dxlink"
LEASE_SECONDS: Final = 9.0
IDLE_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 15.0
# A burst of announcements (our own refreshes cause some) becomes one check.
BETWEEN_LOOKS_SECONDS: Final = 3.0
WRITE_SECONDS: Final = 1.0
# No book holds more; the vendor would drop the connection.
MOST_SYMBOLS: Final = 2000
# Quoted every second of a session, so silence means the stream is down.
PULSE: Final = Contract(
    kind=InstrumentKind.STOCK,
    symbol="SPY",
    underlying="SPY",
    multiplier=Decimal(1),
    currency="USD",
)


@dataclass(slots=True)
class HeldContracts:
    """What the stream must follow now."""

    contracts: dict[str, Contract] = field(default_factory=dict)
    account_ids: frozenset[str] = frozenset()
    market_trades: bool = False


async def stream_dxlink() -> None:
    """Own the stream, or wait until it is free. Never returns."""
    while True:
        if is_configured():
            owned = await run_as_owner(SUBJECT, DxLinkStream().run, seconds=LEASE_SECONDS)
            await asyncio.sleep(0 if owned else LEASE_SECONDS / 3)
        else:
            await asyncio.sleep(IDLE_SECONDS)


def is_configured() -> bool:
    return bool(settings.TASTYTRADE_CLIENT_SECRET and settings.TASTYTRADE_REFRESH_TOKEN)


class DxLinkStream:
    """One ownership of the stream, on one event loop."""

    def __init__(self, *, timing: Timing | None = None) -> None:
        self.client = DxLinkClient(
            fetch_token=lambda: asyncio.to_thread(_fetch_token),
            expects_data=lambda: self._held.market_trades,
            timing=timing,
        )
        self._held = HeldContracts()
        self._listed: dict[str, str] = {}
        self._joined: set[str] = set()
        self._book_changed = asyncio.Event()

    async def run(self) -> None:
        """Stream until cancelled."""
        parts = (self.client.run(), self._follow_book(), self._write())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for account_id in self._joined:
                await hub().leave(account_group(account_id), self._announced)

    def _announced(self, message: Message) -> None:
        # Prices, most of them our own, change nothing about what is held.
        kind = message.get("type")
        if (kind == "account.changed" and not message.get("prices_only")) or (
            kind == "hub.reconnected"
        ):
            self._book_changed.set()

    async def _follow_book(self) -> None:
        while True:
            self._book_changed.clear()
            try:
                self._held = await asyncio.to_thread(with_connection, held_contracts, self._listed)
            except (DatabaseError, DatabaseUnavailable) as error:
                logger.warning("dxlink_book_unread", reason=type(error).__name__)
            self.client.follow(self._held.contracts)
            await self._join(self._held.account_ids)
            await asyncio.sleep(BETWEEN_LOOKS_SECONDS)
            try:
                async with asyncio.timeout(LOOK_SECONDS - BETWEEN_LOOKS_SECONDS):
                    await self._book_changed.wait()
            except TimeoutError:
                continue

    async def _join(self, account_ids: Collection[str]) -> None:
        for account_id in self._joined - set(account_ids):
            await hub().leave(account_group(account_id), self._announced)
            self._joined.discard(account_id)
        for account_id in set(account_ids) - self._joined:
            self._joined.add(account_id)
            await hub().join(account_group(account_id), self._announced)

    async def _write(self) -> None:
        """Write the newest values to Redis in one batch each second, and queue what they affect."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            taken = self.client.take_changed()
            values = [snapshot_in_currency(each, unit_of(each.contract)) for each in taken.values()]
            if taken and not await asyncio.to_thread(with_connection, publish, SOURCE, values):
                self.client.give_back(taken)
            state = self.client.state
            if taken or (state.ready and not state.silent and not self._held.market_trades):
                await asyncio.to_thread(heartbeat, HEARTBEAT)


def held_contracts(listed: dict[str, str] | None = None) -> HeldContracts:
    """Contracts held in any enabled account, and their underlyings, that can be streamed.

    ``listed`` keeps streamer symbols of futures between the calls, empty for what is not streamed.
    """
    listed = {} if listed is None else listed
    accounts = frozenset(Account.objects.filter(enabled=True).values_list("pk", flat=True))
    rows = Instrument.objects.filter(positions__account__enabled=True).distinct()
    held = list(contracts_of(rows).values())
    # Underlyings last: if there are too many, an option's own values matter more.
    wanted = [*held, *underlying_contracts(held), *([PULSE] if held else [])]
    unknown = unnamed_symbols(wanted) - listed.keys()
    if unknown and is_configured():
        listed |= _listed_symbols(unknown)
    symbols = streamed_symbols(wanted, listed)
    if len(symbols) > MOST_SYMBOLS:
        logger.warning("dxlink_too_many_symbols", held=len(symbols), followed=MOST_SYMBOLS)
    return HeldContracts(
        contracts=dict(list(symbols.items())[:MOST_SYMBOLS]),
        account_ids=accounts,
        market_trades=market_is_open(),
    )


def _listed_symbols(symbols: set[str]) -> dict[str, str]:
    """Return streamer symbols, empty for what the vendor does not list; none if it fails."""
    with closing(open_tastytrade()) as adapter:
        try:
            return dict.fromkeys(symbols, "") | adapter.fetch_streamer_symbols(symbols)
        except ProviderError as error:
            logger.info("dxlink_futures_unlisted", code=error.code)
            return {}


def _fetch_token() -> StreamerToken:
    with closing(open_tastytrade()) as adapter:
        return adapter.fetch_streamer_token()
