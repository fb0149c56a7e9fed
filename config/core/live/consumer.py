"""What all websockets of the desk share: they forward a feed's frames and understand one word."""

from __future__ import annotations

import json
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from config.core.live.feeds import Feed
from config.core.live.hub import Outbox

LONGEST_MESSAGE = 1024
CLOSED_BAD_MESSAGE = 4400


class FeedConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """A socket that watches ``feed`` through ``outbox``; who may watch what is the child's.

    The client may send ``{"type": "resync"}`` and gets a new snapshot; anything else closes it
    with 4400.
    """

    outbox: Outbox
    feed: Feed | None = None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        message: Any = None
        if text_data is not None and len(text_data) <= LONGEST_MESSAGE:
            try:
                message = json.loads(text_data)
            except (ValueError, RecursionError):
                message = None
        if not isinstance(message, dict) or message.get("type") != "resync":
            await self.close(CLOSED_BAD_MESSAGE)
            return
        self.send_snapshot()

    async def send_text(self, text: str) -> None:
        await self.send(text_data=text)

    def send_snapshot(self) -> None:
        # Under a name of its own: on a slow socket a change would replace it, and the page, which
        # drops changes while it waits for a snapshot, would wait for ever.
        if self.feed is not None:
            self.outbox.put(self.feed.snapshot(), name="snapshot")
