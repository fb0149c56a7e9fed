"""Ask a worker for an account's scenario grid: once, however many commits arrive meanwhile."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from redis.exceptions import RedisError

from config.core.background.task import enqueue
from config.core.redis.client import key, redis_client

logger = structlog.get_logger(__name__)

# A burst of commits becomes one grid. Streamed prices commit without end, and a grid costs more
# than all else that a price causes.
_SETTLE_SECONDS = 1.0
STREAMED_SETTLE_SECONDS = 25.0
# A request no worker took within this time is sent again.
GRID_EXPIRES_SECONDS = 30


def request_grid(account_id: str, *, seconds: float = _SETTLE_SECONDS) -> None:
    """Queue the account's grid as ``request_grids`` does."""
    request_grids([account_id], seconds=seconds)


def request_grids(account_ids: Collection[str], *, seconds: float) -> None:
    """Queue the accounts' grids, to be computed in so many seconds, unless a request waits already.
    Never waits, never raises.

    Without Redis there is no queue either; the scheduled check asks once it is back.
    """
    try:
        pipeline = redis_client().pipeline(transaction=False)
        for account_id in account_ids:
            name = key("scenario_grid", account_id)
            pipeline.set(name, "1", nx=True, ex=GRID_EXPIRES_SECONDS)
        answers = pipeline.execute()
    except RedisError:
        return
    for account_id, is_first in zip(account_ids, answers, strict=True):
        if is_first:
            enqueue(
                "portfolio.compute_scenario_grid",
                {"account_id": account_id},
                expires=GRID_EXPIRES_SECONDS,
                countdown=seconds,
            )


def forget_grid_request(account_id: str) -> None:
    """Let the next commit queue another grid."""
    try:
        redis_client().delete(key("scenario_grid", account_id))
    except RedisError as error:
        logger.info("grid_claim_left_to_expire", reason=type(error).__name__)
