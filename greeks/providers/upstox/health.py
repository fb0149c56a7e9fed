"""Health of Upstox. It is called only in its session, so silence is healthy."""

from __future__ import annotations

from django.conf import settings
from redis.exceptions import RedisError

from config.core.health import CheckResult, heartbeat_age, register_check
from config.core.http.breaker import BreakerState, CircuitBreaker
from greeks.providers.upstox.client import closed_pause, forbidden_pause, server_name
from greeks.providers.upstox.provider import is_configured


@register_check("provider.upstox")
def check_upstox() -> CheckResult:
    """Degraded while calls are paused after failures, or forbidden."""
    if not is_configured():
        return CheckResult("ok", detail="Not set up.")
    try:
        age = heartbeat_age("provider.upstox")
    except RedisError:
        return CheckResult("degraded", detail="Unknown: Redis is not reachable.")
    rounded = None if age is None else round(age, 1)
    server = server_name(settings.UPSTOX_URL)
    if forbidden_pause(server).remaining():
        return CheckResult("degraded", rounded, "It forbids what the desk asks for.")
    if CircuitBreaker(server).state() is BreakerState.OPEN:
        return CheckResult("degraded", rounded, "Calls are paused after failures in a row.")
    if closed_pause(server).remaining():
        return CheckResult("ok", rounded, "Closed until 05:30 IST.")
    return CheckResult("ok", rounded, "" if age is not None else "Not asked in the last day.")
