"""A websocket that forwards a feed's frames."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Hashable
from functools import cached_property
from time import monotonic
from typing import Any, ClassVar
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncWebsocketConsumer

from config.core.live.feeds import Feed, Feeds
from config.core.live.outbox import EXTENSION, Outbox
from config.core.live.per_loop import PerLoop

LONGEST_MESSAGE = 1024
CLOSED_BAD_MESSAGE = 4400
CLOSED_TOO_MANY = 4429
#: RFC 6455 §7.1.5: without a frame that closes.
CLOSED_BY_AN_ERROR = 1006
#: A page asks once for each gap; each answer is a whole snapshot.
MOST_MESSAGES, IN_SECONDS = 20, 10.0


class FeedConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """A socket that watches one of ``feeds``; a subclass decides which.

    The client may send ``{"type": "resync"}`` and gets a new snapshot; anything else closes it
    with 4400, and who asks without end is closed with 4429.
    """

    feeds: ClassVar[PerLoop[Feeds[Any, Any]]]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.feed: Feed[Any, Any] | None = None
        self._asked_at: deque[float] = deque(maxlen=MOST_MESSAGES)
        self._is_closed = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """A socket that ends by an error leaves its feed too: nobody else would take it out."""
        try:
            await super().__call__(scope, receive, send)
        except BaseException:
            await self.disconnect(CLOSED_BY_AN_ERROR)
            raise

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.send_text, self.scope.get("extensions", {}).get(EXTENSION))

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the address; the last one if repeated."""
        query = parse_qs(self.scope.get("query_string", b"").decode("ascii", "replace"))
        values: list[str] = query.get(name, [])
        return values[-1] if values else None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._is_closed:
            # Sent before the client read of the end.
            return
        moment = monotonic()
        if len(self._asked_at) == MOST_MESSAGES and moment - self._asked_at[0] < IN_SECONDS:
            await self.close(CLOSED_TOO_MANY)
            return
        self._asked_at.append(moment)
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

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        if not self._is_closed:
            self._is_closed = True
            await super().close(code, reason)

    async def send_text(self, text: str) -> None:
        await self.send(text_data=text)

    def send_snapshot(self) -> None:
        # It needs its own name: on a slow socket a change would replace it, and the page, which
        # drops changes while it waits for a snapshot, would wait for ever.
        if self.feed is not None:
            self.outbox.drop_later()
            self.outbox.put(self.feed.snapshot(), name="snapshot")

    async def follow(self, key: Hashable) -> None:
        """Watch ``key`` from now on, starting with a snapshot, if it is not watched already."""
        if self.feed is not None and self.feed.key == key:
            return
        await self.unfollow()
        self.feed = await self.feeds().join(key, self.outbox)
        self.send_snapshot()

    async def unfollow(self) -> None:
        if self.feed is not None:
            feed, self.feed = self.feed, None
            # Drop what waits for a slow socket: the client may no longer be allowed to see it.
            self.outbox.clear()
            await self.feeds().leave(feed, self.outbox)
