"""The loop that empties the update queue: twice a second, in the streams process.

Several loops may run: each claims its own portfolios. The accounts of all claimed portfolios are
revalued from streamed values once, in one pass, whoever counts them, then each portfolio is
totalled as soon as its own accounts are. On stop nothing new is claimed, and what runs is finished.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Final

import structlog
from django.db import DatabaseError
from redis.exceptions import RedisError

from config.core.errors import ApplicationError
from config.core.health import heartbeat, heartbeat_check
from config.core.threads import ThreadPool
from portfolio.refresh.holdings import in_batches
from portfolio.refresh.past_sessions import end_past_changes
from portfolio.refresh.streamed import refresh_streamed
from portfolio.updates.calculation import portfolios_behind, recalculate
from portfolio.updates.membership import members
from portfolio.updates.queue import (
    LEASE_SECONDS,
    Claim,
    Claimed,
    claim_due,
    finish,
    keep_claims,
    queue_portfolio_updates,
)
from portfolio.updates.rules import Priority
from portfolio.updates.statistics import HEARTBEAT

logger = structlog.get_logger(__name__)

TICK_SECONDS: Final = 0.5
SWEEP_SECONDS: Final = 30.0
DRAIN_SECONDS: Final = 5.0
# Portfolios computed at a time; the rest stays in the queue, the most urgent first.
_MOST_CLAIMS: Final = 100
# Rows revalued in one transaction: it holds its accounts for the tenth of a second.
_ROWS_A_BATCH: Final = 2_000
# Threads with a database connection each.
_THREADS: Final = 4


async def update_portfolios() -> None:
    """Run the loop until cancelled."""
    await UpdateLoop().run()


class UpdateLoop:
    """One loop on one event loop."""

    def __init__(self) -> None:
        self._in_thread = ThreadPool("updates", most=_THREADS)
        self._running: dict[asyncio.Task[None], Sequence[Claim]] = {}
        self._ready: list[Claim] = []
        self._totalling = asyncio.Lock()
        self._swept_at = float("-inf")
        self._kept_at = 0.0

    async def run(self) -> None:
        """Look every half second until cancelled; then finish what runs."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(TICK_SECONDS)
        finally:
            if self._running:
                await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
            self._in_thread.close()

    async def look(self) -> None:
        """Claim what is due and begin to compute it. Without Redis or database, try again later."""
        try:
            found = await asyncio.to_thread(self._ask)
        except RedisError as error:
            logger.debug("updates.queue_unread", reason=type(error).__name__)
            return
        try:
            await self._sweep(now=found is not None and found.is_new)
            if found is not None and found.claims:
                await self._begin(found.claims)
        except (DatabaseError, ApplicationError) as error:
            # The claims lapse and are claimed again.
            logger.warning("updates.put_off", reason=type(error).__name__)

    async def settle(self) -> None:
        """Wait until everything claimed is computed."""
        while self._running:
            await asyncio.wait(tuple(self._running))

    def _ask(self) -> Claimed | None:
        """Claim what there is room for and keep what runs. Raises ``RedisError``."""
        running = [claim for claims in tuple(self._running.values()) for claim in claims]
        room = _MOST_CLAIMS - len(running)
        found = claim_due(most=room) if room > 0 else None
        moment = time.monotonic()
        if running and moment - self._kept_at > LEASE_SECONDS / 3:
            self._kept_at = moment
            keep_claims(running)
        heartbeat(HEARTBEAT)
        return found

    async def _sweep(self, *, now: bool) -> None:
        """Queue what is behind: after Redis lost its memory at once, else every half minute."""
        moment = asyncio.get_running_loop().time()
        if not now and moment - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = moment
        try:
            await self._in_thread(end_past_changes)
        except DatabaseError as error:
            # The portfolios that are behind need not wait for it.
            logger.warning("updates.past_not_ended", reason=type(error).__name__)
        behind = await self._in_thread(portfolios_behind)
        if behind:
            moved = dict.fromkeys(behind, ())
            await asyncio.to_thread(queue_portfolio_updates, moved, Priority.BULK)
            logger.info("updates.swept", portfolios=len(behind))

    async def _begin(self, claims: Sequence[Claim]) -> None:
        accounts = await self._in_thread(lambda: members([each.portfolio_id for each in claims]))
        moved = {
            account_id
            for claim in claims
            if claim.symbols or claim.is_manual
            for account_id in accounts.get(claim.portfolio_id, ())
        }
        revaluations = {
            name: task
            for batch in in_batches(moved, most_rows=_ROWS_A_BATCH)
            for task in (asyncio.create_task(self._revalue(batch)),)
            for name in batch
        }
        waiting: dict[frozenset[asyncio.Task[None]], list[Claim]] = {}
        for claim in claims:
            names = accounts.get(claim.portfolio_id, frozenset()) & revaluations.keys()
            waiting.setdefault(frozenset(revaluations[name] for name in names), []).append(claim)
        for needed, group in waiting.items():
            task = asyncio.create_task(self._update(group, needed))
            self._running[task] = group
            task.add_done_callback(self._running.pop)
        logger.debug("updates.batch_processed", portfolios=len(claims), accounts=len(moved))

    async def _revalue(self, account_ids: Sequence[str]) -> None:
        """Revalue accounts. Their portfolios are totalled even if that fails, as last known."""
        try:
            await self._in_thread(lambda: refresh_streamed(account_ids=account_ids))
        except Exception as error:
            if len(account_ids) > 1:
                # One cannot keep the others from their values.
                for account_id in account_ids:
                    await self._revalue([account_id])
                return
            logger.exception(
                "updates.not_revalued", account_id=account_ids[0], reason=type(error).__name__
            )

    async def _update(
        self, claims: Sequence[Claim], revaluations: Collection[asyncio.Task[None]]
    ) -> None:
        """Total portfolios once their accounts are revalued, with all that are ready by then."""
        if revaluations:
            await asyncio.wait(revaluations)
        self._ready.extend(claims)
        # Those that waited for the same accounts are totalled with it.
        await asyncio.sleep(0)
        async with self._totalling:
            ready, self._ready = self._ready, []
            if not ready:
                # Whoever had the lock before has taken it along.
                return
            try:
                await self._in_thread(lambda: recalculate([each.portfolio_id for each in ready]))
                await asyncio.to_thread(finish, ready)
            except (DatabaseError, ApplicationError, RedisError) as error:
                # The claims lapse, and the portfolios are claimed again.
                logger.warning(
                    "updates.not_calculated", portfolios=len(ready), reason=type(error).__name__
                )


heartbeat_check(HEARTBEAT, 60.0)
