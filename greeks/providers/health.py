"""Health of the market-data providers. They are asked only when needed, so silence is healthy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.conf import settings
from redis.exceptions import RedisError

from config.core.health import CheckResult, heartbeat_age, register_check
from config.core.http.breaker import BreakerState, CircuitBreaker
from config.core.http.pause import SharedPause
from config.core.http.servers import server_name
from greeks.providers.polygon.client import refused_key_pause
from greeks.providers.upstox.client import closed_pause, forbidden_pause
from greeks.providers.upstox.provider import is_configured as upstox_is_configured

#: Pauses of a server by what they say of it.
Pauses = Mapping[str, Callable[[str], SharedPause]]


@register_check("provider.cboe")
def check_cboe() -> CheckResult:
    return _check("cboe", settings.CBOE_URL)


@register_check("provider.polygon")
def check_polygon() -> CheckResult:
    url = settings.POLYGON_URL if settings.POLYGON_API_KEY else ""
    return _check("polygon", url, degraded={"The key is refused.": refused_key_pause})


@register_check("provider.upstox")
def check_upstox() -> CheckResult:
    return _check(
        "upstox",
        settings.UPSTOX_URL if upstox_is_configured() else "",
        degraded={"It forbids what the desk asks for.": forbidden_pause},
        closed={"Closed until 05:30 IST.": closed_pause},
    )


def _check(
    provider: str, url: str, *, degraded: Pauses | None = None, closed: Pauses | None = None
) -> CheckResult:
    """Degraded while calls are paused after failures, or for one of the reasons given."""
    if not url:
        return CheckResult("ok", detail="Not set up.")
    try:
        age = heartbeat_age(f"provider.{provider}")
    except RedisError:
        return CheckResult("degraded", detail="Unknown: Redis is not reachable.")
    rounded = None if age is None else round(age, 1)
    server = server_name(provider, url)
    if reason := _running(degraded, server):
        return CheckResult("degraded", rounded, reason)
    if CircuitBreaker(server).state() is BreakerState.OPEN:
        return CheckResult("degraded", rounded, "Calls are paused after failures in a row.")
    quiet = "" if age is not None else "Not asked in the last day."
    return CheckResult("ok", rounded, _running(closed, server) or quiet)


def _running(pauses: Pauses | None, server: str) -> str:
    found = (reason for reason, pause in (pauses or {}).items() if pause(server).remaining())
    return next(found, "")
