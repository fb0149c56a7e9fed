"""The dashboard at the front door: its sections are read for each request."""

from __future__ import annotations

from typing import cast

from django.db.models import BigIntegerField

from auth_tokens.models import User
from config.core.database import database_guard
from config.core.front_door.resources import Key
from config.core.rows.kept_query import KeptObjects
from portfolio.dashboard.reading import Asked, read_dashboard

_users = KeptObjects(
    User, lambda user: User.objects.filter(pk=user, is_active=True), user=BigIntegerField()
)


class DashboardSource:
    """A ``front_door.resources.LiveSource``; a key is a user's id, for signals are a user's own."""

    def key_of(self, user: User) -> Key:
        return user.pk

    def read(self, key: Key) -> bytes | None:
        with database_guard():
            users = _users(user=cast("int", key))
        return read_dashboard(Asked(users[0])).to_json() if users else None
