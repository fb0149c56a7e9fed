"""Changes users make to their own account."""

from __future__ import annotations

from auth_tokens.account_pages.time_zones import check_time_zone
from auth_tokens.models import User
from config.core.errors import InvalidInput


def choose_time_zone(*, user: User, time_zone: str) -> User:
    """Store the IANA zone the user sees times in; empty means UTC. Raises ``InvalidInput``."""
    user.time_zone = check_time_zone(time_zone)
    user.save(update_fields=["time_zone"])
    return user


def choose_live_every(*, user: User, seconds: int) -> None:
    """Store how often the book and portfolios move on the user's pages. Raises ``InvalidInput``."""
    if seconds not in User.LiveEvery.values:
        choices = ", ".join(map(str, User.LiveEvery.values))
        raise InvalidInput("Unknown frequency.", fields={"every_seconds": f"one of {choices}"})
    user.live_every = seconds
    user.save(update_fields=["live_every"])
