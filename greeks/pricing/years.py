"""The time that is left, as the models count it."""

from __future__ import annotations

from datetime import datetime

_SECONDS_A_YEAR = 365 * 86_400


def years_to(expires_at: datetime, at: datetime) -> float:
    """Return ACT/365, never below 0."""
    return max(0.0, (expires_at - at).total_seconds() / _SECONDS_A_YEAR)
