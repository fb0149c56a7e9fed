"""Have the open dashboards of users read anew, where no account of theirs changed."""

from __future__ import annotations

from collections.abc import Iterable

from config.core.live.hub import announce


def group_of(user_id: int) -> str:
    """Return the hub group of what is a user's own, such as signals."""
    return f"dashboard.user.{user_id}"


def announce_to(user_ids: Iterable[int]) -> None:
    """Tell the users' dashboards that something of theirs has changed. Call after the commit."""
    for user_id in sorted(user_ids):
        announce(group_of(user_id), {"type": "dashboard.user_changed"})
