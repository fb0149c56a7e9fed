"""The stream that owns IBKR's socket, in the streams process; other processes ask it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import DatabaseError

from config.core.errors import ApplicationError
from config.core.threads import with_connection
from portfolio.brokers.ibkr_portal.contracts import SOURCE
from portfolio.brokers.ibkr_socket.adapter import gateway_breaker
from portfolio.brokers.ibkr_socket.state import service_name
from portfolio.domain import Broker
from portfolio.models import Account, SyncRun
from portfolio.streams.publishing import market_is_open, publish
from portfolio.sync.requests import request_sync

if TYPE_CHECKING:
    from portfolio.brokers.ibkr_socket.bridge import SocketBridge

logger = structlog.get_logger(__name__)


async def own_gateway() -> None:
    """Own the configured gateway; idle if IBKR is reached another way."""
    if settings.IBKR_CONNECTION != "socket":
        await asyncio.Event().wait()
    await open_bridge().run()


def open_bridge() -> SocketBridge:
    """The bridge to the gateway of the settings."""
    # Imported here: an idle stream should not pay the client library's memory.
    from portfolio.brokers.ibkr_socket.bridge import SocketBridge

    return SocketBridge(
        settings.IBKR_SOCKET_HOST,
        settings.IBKR_SOCKET_PORT,
        settings.IBKR_SOCKET_CLIENT_ID,
        service=service_name(),
        zone=ZoneInfo(settings.IBKR_SOCKET_TIME_ZONE),
        lines=settings.IBKR_SOCKET_MARKET_DATA_LINES,
        in_session=lambda: with_connection(market_is_open),
        publish=lambda snapshots: with_connection(publish, SOURCE, snapshots),
        on_ready=lambda: with_connection(sync_after_outage),
    )


def sync_after_outage() -> None:
    """Sync the books now that the gateway is back, without waiting for schedule or pauses."""
    gateway_breaker(service_name()).record_success()
    try:
        accounts = Account.objects.filter(broker=Broker.IBKR.value, enabled=True)
        ids = list(accounts.values_list("pk", flat=True))
        request_sync(account_ids=ids, trigger=SyncRun.Trigger.STALE)
    except (ApplicationError, DatabaseError) as error:
        # The schedule syncs it later.
        logger.warning("ibkr_socket.sync_not_requested", reason=type(error).__name__)
