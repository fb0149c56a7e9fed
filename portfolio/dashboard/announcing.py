"""Tell users' open dashboards to read again though no account changed."""

from __future__ import annotations

from collections.abc import Iterable

from config.core.live.hub import announce


def group_of(user_id: int) -> str:
    """Return the hub group for a user's own data, such as signals."""
    return f"dashboard.user.{user_id}"


def announce_to(user_ids: Iterable[int]) -> None:
    """Tell the users' dashboards that their own data changed. Call after the commit."""
    for user_id in sorted(user_ids):
        announce(group_of(user_id), {"type": "dashboard.user_changed"})
