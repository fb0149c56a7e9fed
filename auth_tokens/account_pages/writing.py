"""Changes users make to their own account."""

from __future__ import annotations

from auth_tokens.account_pages.time_zones import check_time_zone
from auth_tokens.models import User


def choose_time_zone(*, user: User, time_zone: str) -> User:
    """Store the IANA zone the user sees times in; empty means UTC. Raises ``InvalidInput``."""
    user.time_zone = check_time_zone(time_zone)
    user.save(update_fields=["time_zone"])
    return user
