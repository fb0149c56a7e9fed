"""Health of Polygon.io. It is asked only for what brokers lack, so silence is healthy."""

from __future__ import annotations

from django.conf import settings
from redis.exceptions import RedisError

from config.core.health import CheckResult, heartbeat_age, register_check
from config.core.http.breaker import BreakerState, CircuitBreaker
from greeks.providers.polygon.client import refused_key_pause, server_name


@register_check("provider.polygon")
def check_polygon() -> CheckResult:
    """Degraded while calls are paused after failures, or the key was refused."""
    if not settings.POLYGON_API_KEY:
        return CheckResult("ok", detail="Not set up.")
    try:
        age = heartbeat_age("provider.polygon")
    except RedisError:
        return CheckResult("degraded", detail="Unknown: Redis is not reachable.")
    rounded = None if age is None else round(age, 1)
    server = server_name(settings.POLYGON_URL)
    if refused_key_pause(server).remaining():
        return CheckResult("degraded", rounded, "The key is refused.")
    if CircuitBreaker(server).state() is BreakerState.OPEN:
        return CheckResult("degraded", rounded, "Calls are paused after failures in a row.")
    return CheckResult("ok", rounded, "" if age is not None else "Not asked in the last day.")
