"""Publish the streams' values, store their prices, and tell when silence is suspicious."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from django.db import DatabaseError

from config.core.clock import market_clock_is_frozen, market_now
from config.core.errors import ApplicationError
from config.core.threads import ThreadPool
from greeks.calendar.sessions import current_session
from greeks.domain import Snapshot
from greeks.instruments.identity import instrument_key
from greeks.providers.streamed_values import store_streamed
from portfolio.market_data.prices import note_prices, write_prices
from portfolio.updates.asking import update_portfolios_for_instruments

logger = structlog.get_logger(__name__)

#: The exchange whose sessions say when prices ought to move.
_EXCHANGE = "NYSE"
WRITE_SECONDS: Final = 5.0


def market_is_open() -> bool:
    """Whether prices ought to move now. ``False`` for a recorded market or without a calendar."""
    if market_clock_is_frozen():
        return False
    try:
        return current_session(_EXCHANGE, market_now()) is not None
    except (ApplicationError, DatabaseError):
        # Without a calendar, silence proves nothing.
        return False


def publish(source: str, snapshots: Sequence[Snapshot]) -> bool:
    """Store the values and queue the portfolios that hold them. ``False``: not in Redis.

    Their prices are stored by a loop of its own, whatever happens here.
    """
    note_prices(each.quote for each in snapshots if each.quote is not None)
    if not store_streamed(source, snapshots):
        return False
    try:
        update_portfolios_for_instruments({instrument_key(each.contract) for each in snapshots})
    except (ApplicationError, DatabaseError) as error:
        logger.warning("stream.portfolios_not_queued", source=source, reason=type(error).__name__)
    return True


async def keep_prices_stored() -> None:
    """Write the noted prices every five seconds, and once more when cancelled."""
    in_thread = ThreadPool("prices", most=1)
    try:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await in_thread(write_prices)
    finally:
        # The loop is being cancelled: nothing may be awaited for long.
        await asyncio.shield(in_thread(write_prices))
        in_thread.close()
