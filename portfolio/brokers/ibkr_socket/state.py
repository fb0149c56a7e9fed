"""State of the gateway's connection: written by its owner, read by any process's health check."""

from __future__ import annotations

from contextlib import suppress

import msgspec
from django.conf import settings
from redis.exceptions import RedisError

from config.core.clock import now
from config.core.health import CheckResult
from config.core.redis.client import key, redis_client

PROVIDER = "ibkr_socket"
#: A state older than this has lost its owner.
KEPT_SECONDS = 60

WAITING = "waiting"
CONNECTING = "connecting"
CONNECTED = "connected"
REFUSED = "refused"


class GatewayState(msgspec.Struct, kw_only=True):
    """``reason`` says why it is not, or only partly, connected; it names no account."""

    status: str = WAITING
    reason: str = ""
    #: Seconds since 1970; 0 if none yet.
    last_message_at: float = 0.0
    server_version: int = 0
    lines: int = 0
    #: IBKR's servers are unreachable although the gateway answers.
    servers_lost: bool = False
    #: Data farms the gateway reported as broken.
    farms_down: list[str] = []
    #: No tick or account update for too long while the market was open.
    stale: bool = False


def service_name() -> str:
    """Return the service that owns the gateway in the settings: each gateway has its own."""
    return f"{PROVIDER}@{settings.IBKR_SOCKET_HOST}:{settings.IBKR_SOCKET_PORT}"


def write_state(service: str, state: GatewayState) -> None:
    with suppress(RedisError):
        body = msgspec.json.encode(state).decode()
        redis_client().set(key("gateway", service), body, ex=KEPT_SECONDS)


def read_state(service: str) -> GatewayState | None:
    """Return the state, ``None`` if nobody owns the gateway. Raises RedisError if Redis is down."""
    body = redis_client().get(key("gateway", service))
    if body is None:
        return None
    try:
        return msgspec.json.decode(str(body), type=GatewayState)
    except msgspec.DecodeError:
        # Another version of the desk wrote it.
        return None


def check_gateway() -> CheckResult:
    """Check that the gateway and IBKR are connected and data arrives. Age: that of the last
    message."""
    if settings.IBKR_CONNECTION != "socket":
        return CheckResult("ok", detail="Not used: IBKR is reached another way.")
    try:
        state = read_state(service_name())
    except RedisError:
        return CheckResult("degraded", detail="Unknown: Redis is not reachable.")
    if state is None:
        return CheckResult("degraded", detail="No streams process owns the gateway.")
    age = round(now().timestamp() - state.last_message_at, 1) if state.last_message_at else None
    if state.status != CONNECTED:
        return CheckResult("degraded", age, f"{state.status}: {state.reason}".rstrip(": "))
    if state.servers_lost:
        return CheckResult("degraded", age, "The gateway has lost IBKR's servers.")
    if state.stale:
        return CheckResult("degraded", age, "Nothing moves although the market is open.")
    if state.farms_down:
        return CheckResult("degraded", age, f"Broken: {', '.join(state.farms_down)}.")
    return CheckResult("ok", age)
