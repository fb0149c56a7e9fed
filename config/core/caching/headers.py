"""Cache hits and ages as response headers; the body stays as it is."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class _Told(Protocol):
    """What ``CachedResult`` and a dashboard section have in common."""

    @property
    def hit(self) -> bool: ...
    @property
    def stale(self) -> bool: ...
    @property
    def timestamp(self) -> datetime | None: ...
    @property
    def ttl_remaining(self) -> float | None: ...
    @property
    def age_seconds(self) -> float | None: ...


def cache_headers(told: _Told) -> dict[str, str]:
    """Return ``X-Cache`` (hit, miss or stale), ``Age``, and the times that are known."""
    headers = {
        "Age": f"{told.age_seconds or 0.0:.0f}",
        "X-Cache": "stale" if told.stale else "hit" if told.hit else "miss",
    }
    if told.timestamp is not None:
        headers["X-Cache-Timestamp"] = told.timestamp.isoformat()
    if told.ttl_remaining is not None:
        headers["X-Cache-TTL-Remaining"] = f"{told.ttl_remaining:.0f}"
    if told.stale:
        headers["Warning"] = '110 - "Response is Stale"'
    return headers
