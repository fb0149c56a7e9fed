"""The stream that owns IBKR's socket, in the streams process; other processes ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections

from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import ApplicationError
from greeks.calendar.sessions import current_session
from greeks.domain import Snapshot
from greeks.instruments.identity import instrument_key
from portfolio.brokers.ibkr_portal.contracts import SOURCE
from portfolio.brokers.ibkr_socket.adapter import gateway_breaker
from portfolio.brokers.ibkr_socket.state import service_name
from portfolio.domain import Broker
from portfolio.models import Account, SyncRun
from portfolio.refresh.streamed_values import request_streamed_refresh, store_streamed
from portfolio.sync.requests import request_sync

if TYPE_CHECKING:
    from portfolio.brokers.ibkr_socket.bridge import SocketBridge

logger = structlog.get_logger(__name__)
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")

#: The exchange whose sessions say when prices ought to move.
_EXCHANGE = "NYSE"


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
        in_session=_in_thread(market_is_open),
        publish=_in_thread(publish),
        on_ready=_in_thread(sync_after_outage),
    )


def market_is_open() -> bool:
    """Whether silence is suspicious now. A recorded market stands still; an unknown one may."""
    if market_clock_is_frozen():
        return False
    try:
        return current_session(_EXCHANGE, market_now()) is not None
    except (ApplicationError, DatabaseError):
        return False


def publish(snapshots: Sequence[Snapshot]) -> None:
    """Store ticks and queue revaluation of the accounts that hold them."""
    if not store_streamed(SOURCE, snapshots):
        return
    try:
        request_streamed_refresh({instrument_key(snapshot.contract) for snapshot in snapshots})
    except (ApplicationError, DatabaseError) as error:
        logger.warning("ibkr_socket.refresh_not_requested", reason=type(error).__name__)


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


def _in_thread(work: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """Run the work in a thread with its own database connection."""

    @wraps(work)
    def done(*arguments: Asked.args, **named: Asked.kwargs) -> Answer:
        close_old_connections()
        try:
            return work(*arguments, **named)
        finally:
            close_old_connections()

    return done
