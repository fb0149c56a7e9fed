"""Health: checks registered by the apps, and heartbeats of the processes.

``GET /health`` answers 503 only if the database is gone. Any other problem makes it ``degraded``,
because pages keep answering from what is stored.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import structlog
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from config.core.clock import now
from config.core.database import probe_database
from config.core.one_reading import once, one_reading
from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import ProcessCopies

logger = structlog.get_logger(__name__)

Status = Literal["ok", "degraded", "down"]

DATABASE = "database"
#: A database that takes longer for ``SELECT 1`` counts as gone.
DATABASE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check's result. ``age_seconds`` is how old the fact is; ``detail`` holds no secrets."""

    status: Status
    age_seconds: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """All checks together. ``down`` only if the database is.

    ``age_seconds``: how old the checks are, but for the database's.
    """

    status: Status
    checks: Mapping[str, CheckResult]
    age_seconds: float = 0.0

    @property
    def code(self) -> int:
        """The HTTP status that says it."""
        return 503 if self.status == "down" else 200

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "age_seconds": self.age_seconds,
            "checks": {name: asdict(result) for name, result in self.checks.items()},
        }


Check = Callable[[], CheckResult]

_checks: dict[str, Check] = {}


def register_check(name: str) -> Callable[[Check], Check]:
    """Register a check; it must take well under a second."""

    def decorate(check: Check) -> Check:
        if name in _checks and _checks[name] is not check:
            raise ValueError(f"health check {name} is registered twice")
        _checks[name] = check
        return check

    return decorate


def run_checks() -> HealthStatus:
    """Run every registered check. One that raises counts as down and is logged.

    Without the database the others would wait for it one after the other, so they are not run.
    """
    database = check_database()
    if database.status == "down":
        return without_database(database)
    with one_reading():
        results = {
            name: database if name == DATABASE else _run(name, check)
            for name, check in sorted(_checks.items())
        }
    well = all(result.status == "ok" for result in results.values())
    return HealthStatus("ok" if well else "degraded", results)


def check_database() -> CheckResult:
    """Ask the database; it counts as down if it does not answer at once."""
    return _run(DATABASE, _checks[DATABASE])


def without_database(database: CheckResult) -> HealthStatus:
    """Return what is known while the database is down."""
    return HealthStatus("down", _unknown("the database does not answer") | {DATABASE: database})


def late_health(database: CheckResult) -> HealthStatus:
    """Return what is known while the other checks take too long."""
    return HealthStatus("degraded", _unknown("the checks take too long") | {DATABASE: database})


def _unknown(reason: str) -> dict[str, CheckResult]:
    unknown = CheckResult("degraded", detail=f"Not checked: {reason}.")
    return dict.fromkeys(sorted(_checks), unknown)


def _run(name: str, check: Check) -> CheckResult:
    try:
        return check()
    except Exception as error:
        logger.exception("health.check_failed", check=name)
        return CheckResult("down", detail=f"The check failed ({type(error).__name__}).")


# --- Heartbeats -------------------------------------------------------------------------------
_KEPT_SECONDS = 24 * 3600
_written: ProcessCopies[dict[str, float]] = ProcessCopies(dict)
_LEFT = "local l = {} for i, k in ipairs(KEYS) do l[i] = redis.call('PTTL', k) end return l"


def heartbeat(name: str) -> None:
    """Record that ``name`` is alive, at most once a second per process. Ignores failures."""
    moment = time.monotonic()
    with _written.lock:
        last = _written.get("moments")
        if moment - last.get(name, float("-inf")) < 1.0:
            return
        last[name] = moment
    try:
        redis_client().set(key("heartbeat", name), f"{now().timestamp():.3f}", ex=_KEPT_SECONDS)
        if "." not in name:
            note_clock(name)
    except RedisError:
        with _written.lock:
            _written.get("moments").pop(name, None)


# --- Clocks -----------------------------------------------------------------------------------
#: Seconds that a process's clock may differ from Redis's.
LARGEST_SKEW = 5.0
_SKEW_EVERY_SECONDS = 30.0
_SKEW_KEPT_SECONDS = 180.0


def note_clock(name: str) -> None:
    """Record how far this process's clock is from Redis's, which all processes share.

    Raises ``redis.exceptions.RedisError``.
    """
    moment = time.monotonic()
    with _written.lock:
        looked = _written.get("clocks")
        if moment - looked.get(name, float("-inf")) < _SKEW_EVERY_SECONDS:
            return
        looked[name] = moment
    seconds, micro = redis_client().time()
    shared = seconds + micro / 1e6
    field = f"{name} on {socket.gethostname()} ({os.getpid()})"
    skew = now().timestamp() - shared
    redis_client().hset(key("clocks"), field, f"{skew:.1f} {shared:.0f}")
    redis_client().expire(key("clocks"), _KEPT_SECONDS)


def clock_skews() -> dict[str, float]:
    """Return by process how many seconds its clock is ahead of Redis's, where it said so lately.

    Raises ``redis.exceptions.RedisError`` while Redis is down.
    """
    seconds, clocks, _ = _shared_facts()
    skews: dict[str, float] = {}
    for field, text in clocks.items():
        skew, at = (float(part) for part in str(text).split())
        if seconds - at > _SKEW_KEPT_SECONDS:
            redis_client().hdel(key("clocks"), field)
        else:
            skews[str(field)] = skew
    return skews


@register_check("clock")
def _clock() -> CheckResult:
    try:
        note_clock("web")
        skews = clock_skews()
    except RedisError:
        return CheckResult("degraded", detail="Unknown: Redis is not reachable.")
    wrong = [
        f"{name}: {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
        for name, skew in sorted(skews.items())
        if abs(skew) > LARGEST_SKEW
    ]
    if not wrong:
        return CheckResult("ok")
    return CheckResult(
        "degraded",
        detail=f"Clocks differ, so tasks expire early or late. {'; '.join(wrong)}.",
    )


def heartbeat_age(name: str) -> float | None:
    """Return seconds since the last heartbeat of ``name``; ``None`` if none for a day.

    Raises ``redis.exceptions.RedisError`` while Redis is down.
    """
    # A check is named after its heartbeat: all are read at once.
    known = _shared_facts()[2]
    return known[name] if name in known else _redis_facts(name)[2][name]


def _shared_facts() -> tuple[int, dict[str, str], dict[str, float | None]]:
    return once("health of redis", _redis_facts)


def _redis_facts(*also: str) -> tuple[int, dict[str, str], dict[str, float | None]]:
    """Return Redis's time, the processes' clocks and the heartbeats' ages, in one round trip.

    Ages are by Redis's clock, from how long each is still kept: by the writer's a process that
    ended would look alive for as long as its clock was ahead.
    """
    names = (*sorted(_checks), *also)
    pipeline = redis_client().pipeline(transaction=False)
    pipeline.time()
    pipeline.hgetall(key("clocks"))
    pipeline.eval(_LEFT, len(names), *(key("heartbeat", name) for name in names))
    (seconds, _), clocks, left = pipeline.execute()
    ages = [max(0.0, _KEPT_SECONDS - each / 1000) if each >= 0 else None for each in left]
    return seconds, clocks, dict(zip(names, ages, strict=True))


def heartbeat_check(name: str, maximum_age: float, *, expected: bool = True) -> Check:
    """Register a check that ``name`` beat at most ``maximum_age`` seconds ago.

    Never seen is ``degraded`` if ``expected``, else ``ok`` (a provider nobody uses yet).
    """

    @register_check(name)
    def check() -> CheckResult:
        try:
            age = heartbeat_age(name)
        except RedisError:
            return CheckResult("degraded", detail="Unknown: Redis is not reachable.")
        if age is None:
            return CheckResult("degraded" if expected else "ok", detail="Not seen in the last day.")
        if age > maximum_age:
            return CheckResult("degraded", round(age, 1), f"Expected every {maximum_age:g} s.")
        return CheckResult("ok", round(age, 1))

    return check


# --- What is always checked -------------------------------------------------------------------
@register_check(DATABASE)
def _database() -> CheckResult:
    problem = probe_database(wait_up_to=DATABASE_SECONDS)
    return CheckResult("ok", 0.0) if problem is None else CheckResult("down", detail=problem)


@register_check("redis")
def _redis() -> CheckResult:
    try:
        _shared_facts()
    except RedisError as error:
        return CheckResult("down", detail=f"Redis does not answer ({type(error).__name__}).")
    return CheckResult("ok", 0.0)


heartbeat_check("worker", 60.0)
heartbeat_check("beat", 60.0)


@never_cache
@require_safe
def health_view(request: HttpRequest) -> JsonResponse:
    """``GET /health``, for load balancers and people: no log-in, nothing private."""
    health = run_checks()
    return JsonResponse(health.as_json(), status=health.code)
