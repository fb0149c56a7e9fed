"""The desk's two clocks: wall time for what we did, market time for what the market says."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings


def now() -> datetime:
    """Wall time, aware, UTC."""
    return datetime.now(UTC)


def market_now() -> datetime:
    """Market time: wall time, unless the sandbox serves a recorded chain and the clock is frozen.

    Time to expiry, days to expiry and the age of quotes are measured on this clock.
    """
    if settings.MARKET_CLOCK:
        return datetime.fromisoformat(settings.MARKET_CLOCK).astimezone(UTC)
    return now()


def market_clock_is_frozen() -> bool:
    return bool(settings.MARKET_CLOCK)
