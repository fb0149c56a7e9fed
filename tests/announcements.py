"""What was really announced to other processes, read from Valkey's pub/sub."""

from __future__ import annotations

import json
from typing import Any

from config.core.redis.client import key, redis_client

Heard = tuple[str, dict[str, Any]]


def revocation_of(user_id: int) -> list[Heard]:
    """The announcement after a user's access changed: to the front doors and to their pages."""
    return [("access", {"type": "access.revoked", "user_id": user_id})]


class Announcements:
    """Listens to every group from its making on."""

    def __init__(self) -> None:
        self._prefix = key("hub", "")
        self._pubsub = redis_client().pubsub()
        self._pubsub.psubscribe(f"{self._prefix}*")
        # The confirmation: whatever is published from here on is heard.
        self._pubsub.get_message(timeout=2)

    def received(self) -> list[Heard]:
        """Return group and message of each announcement since the last call, in order."""
        heard = []
        while (message := self._pubsub.get_message(timeout=0.02)) is not None:
            group = str(message["channel"]).removeprefix(self._prefix)
            heard.append((group, json.loads(message["data"])))
        return heard

    def close(self) -> None:
        self._pubsub.close()
