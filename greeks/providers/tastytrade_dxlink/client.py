"""Tastytrade's quote streamer: one dxLink connection kept alive, and its newest values.

However a connection ends, another follows after a jittered wait, and everything followed is
subscribed again. Nothing a server sends raises out of here.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from config.core.errors import ProviderError
from greeks.domain import Contract, Snapshot
from greeks.providers.tastytrade_dxlink.connection import (
    Connection,
    ConnectionEnded,
    FeedState,
    Timing,
    TokenRefused,
)
from greeks.providers.tastytrade_dxlink.token import StreamerToken

logger = structlog.get_logger(__name__)

#: A larger frame ends the connection: nothing we ask for is that long.
LARGEST_FRAME: Final = 2_000_000


class DxLinkClient:
    """Follows contracts and keeps their newest values. Everything runs on one event loop.

    ``fetch_token`` is called when no token is valid for a while longer; it may raise
    ``ProviderError``. ``expects_data`` tells whether the market trades now: silence is an alarm
    only then.
    """

    def __init__(
        self,
        *,
        fetch_token: Callable[[], Awaitable[StreamerToken]],
        expects_data: Callable[[], bool],
        timing: Timing | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.state = FeedState()
        self._fetch_token = fetch_token
        self._expects_data = expects_data
        self._timing = timing or Timing()
        self._sleep = sleep
        self._token: StreamerToken | None = None
        self._token_until = 0.0

    def follow(self, contracts: Mapping[str, Contract]) -> None:
        """Follow exactly these contracts, by streamer symbol."""
        self.state.market.follow(contracts)
        self.state.changed.set()

    def take_changed(self) -> dict[str, Snapshot]:
        """Return snapshots changed since the last call, by streamer symbol."""
        return self.state.market.take_changed()

    def give_back(self, taken: Mapping[str, Snapshot]) -> None:
        """Mark values that could not be stored as changed again, in their newest form."""
        self.state.market.give_back(taken)

    async def run(self) -> None:
        """Keep a connection open until cancelled."""
        wait = self._timing.first_wait
        while True:
            events_before = self.state.counts.events
            reason = await self._connect_once()
            self.state.ready = False
            if self.state.counts.events > events_before:
                wait = self._timing.first_wait
            logger.info("dxlink_connection_ended", reason=reason, next_wait=round(wait, 1))
            await self._sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311
            wait = min(wait * 2, self._timing.longest_wait)

    async def _connect_once(self) -> str:
        """Run one connection, from its token to its end; return why it ended."""
        try:
            token = await self._valid_token()
            async with connect(
                token.url,
                max_size=LARGEST_FRAME,
                open_timeout=self._timing.handshake,
                close_timeout=1,
                # The protocol has its own keep-alive.
                ping_interval=None,
                compression=None,
                proxy=None if token.is_local else True,
            ) as socket:
                self.state.counts.connections += 1
                await Connection(
                    socket,
                    state=self.state,
                    token=token.token,
                    token_until=self._token_until,
                    expects_data=self._expects_data,
                    timing=self._timing,
                ).run()
        except TokenRefused as ended:
            self._token = None
            return ended.reason
        except ConnectionEnded as ended:
            return ended.reason
        except ProviderError as error:
            return error.code
        except (WebSocketException, OSError, TimeoutError) as error:
            # A closed connection says by whom, with which code and why.
            return f"{type(error).__name__}: {error}"[:160]
        return "closed"

    async def _valid_token(self) -> StreamerToken:
        if self._token is None or time.monotonic() >= self._token_until:
            self._token = await self._fetch_token()
            margin = min(self._timing.renewal_margin, self._token.lifetime / 2)
            self._token_until = time.monotonic() + self._token.lifetime - margin
        return self._token
