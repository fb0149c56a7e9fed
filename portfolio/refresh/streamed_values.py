"""Queue revaluation of the accounts that hold what a stream says has moved.

A worker revalues them from the stored values alone (``portfolio.refresh.streamed``): no provider
call, no budget.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import chain
from threading import Lock

from cachetools import TTLCache, cached
from django.conf import settings
from redis.exceptions import RedisError

from config.core.background.task import enqueue
from config.core.redis.client import key, redis_client
from portfolio.models import Position

# A revaluation that waited this long is replaced by the next; none takes longer.
REVALUATION_SECONDS = 10
_KEPT_MILLISECONDS = 3_600_000

# An account's slots are one period apart. KEYS[1] holds the last slot given, in milliseconds.
# Returns the wait until this request's slot, or -1 if a future slot is already taken.
_NEXT_SLOT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local slot = tonumber(redis.call('GET', KEYS[1]) or '0')
if slot > now then return -1 end
local following = math.max(now, slot + tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%.0f', following), 'PX', ARGV[2])
return following - now
"""


def request_streamed_refresh(instrument_keys: Collection[str]) -> int:
    """Queue revaluation of the accounts holding any of the instruments; return how many.

    Across all processes and streams, an account gets one refresh per ``STREAM_REFRESH_SECONDS``: at
    once if the last is older, else when the period ends, so the last move is never missed.
    """
    accounts = holders()
    wanted = set(chain.from_iterable(accounts.get(name, ()) for name in instrument_keys))
    queued = 0
    for account_id in sorted(wanted):
        wait = _wait_for_slot(account_id)
        if wait is not None:
            enqueue(
                "portfolio.refresh_streamed",
                {"account_id": account_id},
                expires=wait + REVALUATION_SECONDS,
                countdown=wait,
            )
            queued += 1
    return queued


def _wait_for_slot(account_id: str) -> float | None:
    """Return seconds until the account may be refreshed; ``None`` if that slot is taken."""
    period = max(1, int(settings.STREAM_REFRESH_SECONDS * 1000))
    name = key("streamed_refresh", account_id)
    try:
        wait = int(redis_client().eval(_NEXT_SLOT, 1, name, period, _KEPT_MILLISECONDS + period))
    except RedisError:
        # Without Redis no worker can be asked either.
        return None
    return None if wait < 0 else wait / 1000


@cached(TTLCache(1, 5.0), lock=Lock())
def holders() -> Mapping[str, Collection[str]]:
    """Return the enabled accounts that hold an instrument, by its key.

    Cached for five seconds: the sync of a contract just bought valued it anyway.
    """
    held: dict[str, set[str]] = {}
    rows = Position.objects.filter(account__enabled=True).values_list(
        "account_id", "instrument__key"
    )
    for account_id, name in rows.order_by().distinct():
        held.setdefault(name, set()).add(account_id)
    return held
