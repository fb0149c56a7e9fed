"""Keep brokers' sessions alive that end when idle.

The Client Portal gateway drops its session after about five idle minutes, and a person must log in
again. Syncs keep it alive while they run; this does when they are rare, paused or failing.
"""

from __future__ import annotations

import asyncio

import structlog

from config.core.errors import ApplicationError, LockHeld
from config.core.redis.locks import subject_lock
from config.core.threads import with_connection
from portfolio.brokers.base import KeepsSession
from portfolio.brokers.registry import open_adapter
from portfolio.models import Account

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 20.0
_CALL_SECONDS = 60.0


async def keep_sessions() -> None:
    """Check every twenty seconds; an adapter calls its broker only when a tickle is due."""
    while True:
        await asyncio.to_thread(with_connection, keep_sessions_once)
        await asyncio.sleep(LOOK_SECONDS)


def keep_sessions_once() -> dict[str, str]:
    """Keep the session of every broker with an enabled account; return each outcome.

    Of several streams processes only one makes the call.
    """
    brokers = (
        Account.objects.filter(enabled=True)
        .order_by("broker")
        .values_list("broker", flat=True)
        .distinct()
    )
    return {broker: outcome for broker in brokers if (outcome := _keep(broker))}


def _keep(broker: str) -> str:
    adapter = open_adapter(broker)
    try:
        if not isinstance(adapter, KeepsSession):
            return ""
        with subject_lock(f"session.{broker}", seconds=_CALL_SECONDS):
            adapter.keep_session()
    except LockHeld:
        return "held"
    except ApplicationError as error:
        logger.warning("session_not_kept", broker=broker, code=error.code, reason=error.message)
        return error.code
    finally:
        adapter.close()
    return "kept"
