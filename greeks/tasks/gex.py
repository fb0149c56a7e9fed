"""Gamma exposure's tasks: a snapshot of every symbol each five minutes."""

from __future__ import annotations

import structlog

from config.core.background.task import desk_task, enqueue
from config.core.clock import market_now
from config.core.errors import ApplicationError
from greeks.gex.snapshots import symbols_to_take, take_snapshot

logger = structlog.get_logger(__name__)

# Time limit of one snapshot: a whole chain is fetched.
_SNAPSHOT_SECONDS = 60


@desk_task("greeks.snapshot_gex", subject="gex.snapshots", seconds=10)
def snapshot_gex_task() -> None:
    """Queue a snapshot of each symbol whose exchange is open and that the warmer leaves out."""
    for symbol in symbols_to_take(market_now()):
        enqueue(snapshot_symbol_task, {"symbol": symbol}, expires=240)


@desk_task("greeks.snapshot_gex_symbol", subject="gex.snapshot.{symbol}", seconds=_SNAPSHOT_SECONDS)
def snapshot_symbol_task(symbol: str) -> None:
    """Take one symbol's snapshot; the last good one stays if the chain cannot be fetched."""
    try:
        take_snapshot(symbol=symbol)
    except ApplicationError as error:
        logger.warning("gex_snapshot_failed", symbol=symbol, code=error.code, reason=error.message)
