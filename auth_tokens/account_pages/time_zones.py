"""The time zones a user can choose."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from config.core.errors import InvalidInput


@lru_cache(maxsize=1)
def time_zone_names() -> tuple[str, ...]:
    """Return the IANA names by region and city, and ``UTC``, sorted, without old aliases."""
    regions = (
        "Africa/",
        "America/",
        "Antarctica/",
        "Arctic/",
        "Asia/",
        "Atlantic/",
        "Australia/",
        "Europe/",
        "Indian/",
        "Pacific/",
    )
    return ("UTC", *sorted(name for name in available_timezones() if name.startswith(regions)))


def check_time_zone(name: str) -> str:
    """Return the name if it is in ``time_zone_names`` or empty (UTC). Raises ``InvalidInput``."""
    if name and name not in time_zone_names():
        raise InvalidInput(
            "Unknown time zone.", fields={"time_zone": "an IANA name such as Europe/Zurich"}
        )
    return name


def time_zone_of(name: str) -> ZoneInfo:
    """Return the zone with a stored name; UTC if empty or unknown to this machine."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
