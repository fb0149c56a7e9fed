"""Health of Cboe's delayed quotes. Polling it is optional, so silence is healthy."""

from __future__ import annotations

from django.conf import settings
from redis.exceptions import RedisError

from config.core.health import CheckResult, heartbeat_age, register_check
from config.core.http.breaker import BreakerState, CircuitBreaker
from greeks.providers.cboe.client import server_name


@register_check("provider.cboe")
def check_cboe() -> CheckResult:
    """Degraded while calls are paused after failures."""
    if not settings.CBOE_URL:
        return CheckResult("ok", detail="Not set up.")
    try:
        age = heartbeat_age("provider.cboe")
    except RedisError:
        return CheckResult("degraded", detail="Unknown: Redis is not reachable.")
    rounded = None if age is None else round(age, 1)
    if CircuitBreaker(server_name(settings.CBOE_URL)).state() is BreakerState.OPEN:
        return CheckResult("degraded", rounded, "Calls are paused after failures in a row.")
    return CheckResult("ok", rounded, "" if age is not None else "Not asked in the last day.")
