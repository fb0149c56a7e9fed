"""Alert staff to bad measurements."""

from __future__ import annotations

from typing import Final

from redis.exceptions import RedisError

from config.core.alarms import Alarm, register_alarm
from config.core.monitoring.reading import queries_timed_out

#: This many time-outs in this many minutes, over all processes, are no accident.
SEVERAL: Final = 3
MINUTES: Final = 5


@register_alarm
def several_timeouts() -> Alarm | None:
    """Alert if several queries timed out lately."""
    try:
        count = queries_timed_out(minutes=MINUTES)
    except RedisError:
        return None
    if count < SEVERAL:
        return None
    return Alarm(
        subject="query_timeouts",
        title="Several queries timed out",
        text=f"{count} queries timed out in the last {MINUTES} minutes. "
        "The log names them as query.timed_out.",
    )
