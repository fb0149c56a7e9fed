"""The loop that stores streamed prices, apart from the one that revalues portfolios.

Whatever keeps portfolios from being updated, prices are stored; whatever keeps prices from being
stored, portfolios are updated, and the prices are written later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from django.db import DatabaseError

from config.core.clock import market_now
from config.core.errors import ApplicationError
from config.core.redis.process_copies import ProcessCopies
from config.core.threads import ThreadPool
from greeks.calendar.sessions import session_dates
from greeks.domain import Snapshot
from portfolio.market_data.prices import NotedPrices

logger = structlog.get_logger(__name__)

WRITE_SECONDS: Final = 5.0
#: The exchange whose sessions say when the day's figures begin anew.
_EXCHANGE: Final = "NYSE"

_noted: Final = ProcessCopies(NotedPrices)


def noted_prices() -> NotedPrices:
    """Return what waits in this process."""
    with _noted.lock:
        return _noted.get("stream")


def note_prices(snapshots: Sequence[Snapshot]) -> None:
    """Keep the prices for the loop. Never fails: whoever streams has other things to do."""
    try:
        noted_prices().note(snapshots, at=market_now())
    except Exception:
        logger.exception("prices.not_noted")


async def store_prices() -> None:
    """Write what was noted every five seconds; once more when cancelled."""
    in_thread = ThreadPool("prices", most=1)
    try:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await in_thread(write_prices)
    finally:
        # The loop is being cancelled: nothing may be awaited for long.
        await asyncio.shield(in_thread(write_prices))
        in_thread.close()


def write_prices() -> int:
    """Write what was noted; return how many instruments had news. What fails is kept."""
    noted = noted_prices()
    if not noted.waits:
        return 0
    try:
        return noted.write(session_date_at=session_dates(_EXCHANGE))
    except (DatabaseError, ApplicationError) as error:
        logger.warning("prices.not_stored", reason=type(error).__name__)
        return 0
