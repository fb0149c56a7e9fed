"""Telling every process that what a person may do has changed."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from config.core.front_door.grants import ACCESS_GROUP, revoke_here
from config.core.live.hub import announce


def revoke_sessions(*, user_ids: Iterable[int]) -> None:
    """After commit, have each person's open websockets closed and cached grants dropped.

    Clients whose session is still good connect again with what they may see now. The announcement
    is lost if Redis is down: sockets check their session each minute besides, and grants end then.
    """
    for user_id in sorted(set(user_ids)):
        transaction.on_commit(lambda user_id=user_id: _announce(user_id))  # type: ignore[misc]


def _announce(user_id: int) -> None:
    revoke_here(user_id)
    announce(ACCESS_GROUP, {"type": "access.revoked", "user_id": user_id})
    announce(f"user.{user_id}", {"type": "session.revoked"})
