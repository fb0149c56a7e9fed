"""The desk's two clocks: wall time for what we did, market time for what the market says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.conf import settings
from redis.exceptions import RedisError

from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import ProcessCopies

# How long a process reuses the stepped time it last read.
_READ_AGAIN_SECONDS = 1.0
_KEPT_SECONDS = 7 * 24 * 3600
#: Of days that people ask for. Those around each have a midnight in every zone, which Python's
#: first and last days lack.
YEARS = range(2, date.max.year)


@dataclass(slots=True)
class _Stepped:
    """Where the frozen market clock was stepped to, as known to this process."""

    at: datetime | None = None
    read_at: float = float("-inf")


_stepped: ProcessCopies[_Stepped] = ProcessCopies(_Stepped)


def now() -> datetime:
    """Wall time, aware, UTC."""
    return datetime.now(UTC)


def parse_clock(text: str, form: str) -> datetime:
    """Parse a time written in a form of ``strptime``, without a zone.

    Raises ``ValueError``, also for other scripts' digits, which Python would read.
    """
    if not text.isascii():
        raise ValueError(f"{text[:32]!a} is not a time")
    return datetime.strptime(text, form)  # noqa: DTZ007, TID251 - the caller knows the zone


def market_now() -> datetime:
    """Return market time: wall time, or the frozen clock of a recorded chain in the sandbox.

    Time to expiry, days to expiry and quote age use this clock. A frozen one stands at
    ``MARKET_CLOCK``, or where the sandbox's control stepped it.
    """
    if not settings.MARKET_CLOCK:
        return now()
    frozen = datetime.fromisoformat(settings.MARKET_CLOCK).astimezone(UTC)
    stepped = _stepped_to()
    return frozen if stepped is None else max(frozen, stepped)


def market_clock_is_frozen() -> bool:
    return bool(settings.MARKET_CLOCK)


def tell_market_clock(at: datetime) -> None:
    """Publish the sandbox's frozen market time to every process of the desk."""
    try:
        redis_client().set(key("market_clock"), at.isoformat(), ex=_KEPT_SECONDS)
    except RedisError:
        # A sandbox may run without a desk.
        return


def _stepped_to() -> datetime | None:
    with _stepped.lock:
        known = _stepped.get("market")
        if time.monotonic() - known.read_at < _READ_AGAIN_SECONDS:
            return known.at
        known.read_at = time.monotonic()
    try:
        told = redis_client().get(key("market_clock"))
    except RedisError:
        return known.at
    known.at = None if told is None else datetime.fromisoformat(str(told)).astimezone(UTC)
    return known.at
