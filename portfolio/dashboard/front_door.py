"""The dashboard at the front door: its sections are read anew for whoever asks."""

from __future__ import annotations

from typing import cast

from auth_tokens.models import User
from config.core.database import database_guard
from config.core.front_door.resources import Key
from portfolio.dashboard.reading import Asked, read_dashboard


class DashboardSource:
    """A ``front_door.resources.LiveSource``; a key is a user's id, for signals are a user's own."""

    def key_of(self, user: User) -> Key:
        return user.pk

    def read(self, key: Key) -> bytes | None:
        with database_guard():
            user = User.objects.filter(pk=cast("int", key), is_active=True).first()
        return None if user is None else read_dashboard(Asked(user)).to_json()
