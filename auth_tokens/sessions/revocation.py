"""Tell every process that a user's access has changed."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from config.core.front_door.grants import ACCESS_GROUP, revoke_here
from config.core.live.hub import announce


def revoke_sessions(*, user_ids: Iterable[int]) -> None:
    """After commit, close each user's open websockets and drop their cached grants.

    Clients whose session is still valid reconnect with their new access. If Redis is down the
    announcement is lost: sockets also check their session each minute, and grants expire by then.
    """
    for user_id in sorted(set(user_ids)):
        transaction.on_commit(lambda user_id=user_id: _announce(user_id))  # type: ignore[misc]


def _announce(user_id: int) -> None:
    revoke_here(user_id)
    announce(ACCESS_GROUP, {"type": "access.revoked", "user_id": user_id})
