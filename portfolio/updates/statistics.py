"""What the update queue holds, and how long portfolios waited in it."""

from __future__ import annotations

import math
from typing import Any, Final

from redis.exceptions import RedisError

from config.core.health import CheckResult, heartbeat_age, register_check
from config.core.redis.client import key, redis_client

#: The heartbeat of the loop that empties the queue.
HEARTBEAT: Final = "updates"
_PROCESSING_SECONDS: Final = 10.0
#: Half a minute is sixty looks of a loop.
LATE_SECONDS: Final = 30.0
#: What is counted since Redis started.
COUNTS: Final = ("queued", "claimed", "finished", "deferred", "reclaimed")
_OTHERS: Final = (
    "pending_updates", "is_processing", "in_progress", "rate_limit_windows", "coalescing_ratio",
    "delay_p50_seconds", "delay_p99_seconds", "overdue_seconds",
)  # fmt: skip


def get_queue_stats() -> dict[str, Any]:
    """Return the queue's figures; ``None`` for each that Redis cannot tell now.

    ``pending_updates`` are portfolios that wait, ``in_progress`` those being computed,
    ``rate_limit_windows`` those computed in the last minute. ``is_processing`` says whether a loop
    looked in the last ten seconds. ``queued`` to ``reclaimed`` count since Redis started,
    ``coalescing_ratio`` is requests to each recalculation. Delays are of the last 1,000
    recalculations, from the first move to the end, in seconds; ``overdue_seconds`` is how long the
    portfolio that should have been claimed first has been waiting since.
    """
    try:
        pipeline = redis_client().pipeline(transaction=False)
        pipeline.zcard(key("updates", "due"))
        pipeline.zcard(key("updates", "claims"))
        pipeline.zcard(key("updates", "windows"))
        pipeline.hmget(key("updates", "counts"), COUNTS)
        pipeline.lrange(key("updates", "delays"), 0, -1)
        _ask_for_overdue(pipeline)
        pending, claims, windows, values, waits, *due = pipeline.execute()
        age = heartbeat_age(HEARTBEAT)
    except RedisError:
        return dict.fromkeys((*_OTHERS, *COUNTS))
    counts = {name: int(value or 0) for name, value in zip(COUNTS, values, strict=True)}
    delays = sorted(int(wait) / 1000 for wait in waits)
    return {
        "pending_updates": pending,
        "is_processing": age is not None and age <= _PROCESSING_SECONDS,
        "in_progress": claims,
        "rate_limit_windows": windows,
        **counts,
        "coalescing_ratio": counts["queued"] / counts["claimed"] if counts["claimed"] else None,
        "delay_p50_seconds": _quantile(delays, 0.50),
        "delay_p99_seconds": _quantile(delays, 0.99),
        "overdue_seconds": _overdue(*due),
    }


@register_check("update_queue")
def check_queue() -> CheckResult:
    """Degraded if a portfolio has been due for longer than a loop needs to claim it."""
    try:
        pipeline = redis_client().pipeline(transaction=False)
        _ask_for_overdue(pipeline)
        overdue = _overdue(*pipeline.execute())
    except RedisError:
        return CheckResult("degraded", detail="Unknown: Redis is not reachable.")
    if overdue > LATE_SECONDS:
        return CheckResult("degraded", round(overdue, 1), "Portfolios wait that should not.")
    return CheckResult("ok", round(overdue, 1))


def _ask_for_overdue(pipeline: Any) -> None:
    pipeline.zrange(key("updates", "due"), 0, 0, withscores=True)
    pipeline.hget(key("updates", "clock"), "offset")
    pipeline.time()


def _overdue(
    first_due: list[tuple[str, float]], offset: str | None, time: tuple[int, int]
) -> float:
    at = time[0] + time[1] / 1e6 + int(offset or 0) / 1000
    return max(0.0, at - first_due[0][1] / 1000) if first_due else 0.0


def _quantile(ordered: list[float], share: float) -> float | None:
    """Return the smallest value that at least ``share`` of them do not exceed (nearest rank)."""
    if not ordered:
        return None
    return ordered[math.ceil(len(ordered) * share) - 1]
