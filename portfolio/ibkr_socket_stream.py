"""The stream that owns IBKR's socket: it lives in the streams process, everybody else asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import close_old_connections

from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import InvalidInput
from greeks.domain import Snapshot
from greeks.identity import instrument_key
from greeks.selectors.sessions import current_session
from portfolio.brokers.ibkr_portal_contracts import SOURCE
from portfolio.brokers.ibkr_socket_bridge import SocketBridge
from portfolio.brokers.ibkr_socket_state import service_name
from portfolio.services.streamed import request_streamed_refresh, store_streamed

#: The exchange whose sessions say when prices ought to move.
_EXCHANGE = "NYSE"


async def own_gateway() -> None:
    """Own the gateway of the settings; idle where IBKR is reached another way."""
    if settings.IBKR_CONNECTION != "socket":
        await asyncio.Event().wait()
    await open_bridge().run()


def open_bridge() -> SocketBridge:
    """The bridge to the gateway of the settings."""
    return SocketBridge(
        settings.IBKR_SOCKET_HOST,
        settings.IBKR_SOCKET_PORT,
        settings.IBKR_SOCKET_CLIENT_ID,
        service=service_name(),
        zone=ZoneInfo(settings.IBKR_SOCKET_TIME_ZONE),
        lines=settings.IBKR_SOCKET_MARKET_DATA_LINES,
        in_session=market_is_open,
        publish=publish,
    )


def market_is_open() -> bool:
    """Whether silence is suspicious now. A recorded market stands still, an unknown one may."""
    if market_clock_is_frozen():
        return False
    close_old_connections()
    try:
        return current_session(_EXCHANGE, market_now()) is not None
    except InvalidInput:
        return False
    finally:
        close_old_connections()


def publish(snapshots: Sequence[Snapshot]) -> None:
    """Keep what ticked, and have the accounts revalued that hold it."""
    if not store_streamed(SOURCE, snapshots):
        return
    close_old_connections()
    try:
        request_streamed_refresh({instrument_key(snapshot.contract) for snapshot in snapshots})
    finally:
        close_old_connections()
