"""A user's alerts, live: one feed for all of their open pages in a process."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from channels.exceptions import DenyConnection
from django.conf import settings

from auth_tokens.models import User
from auth_tokens.sign_in.session_owner import user_id_claimed_by
from auth_tokens.sign_in.session_watch import SessionWatch
from config.core.live.consumer import FeedConsumer
from config.core.live.feeds import Feeds, frame, read_in_thread
from config.core.live.hub import Outbox, broadcast, hub
from greeks.alerts.reading import events_body, user_group

logger = structlog.get_logger(__name__)

# A chain's minute may fire many rules of one user: one read tells of them all.
DEBOUNCE_SECONDS = 0.05
CLOSED_UNAUTHENTICATED = 4401


class AlertFeed:
    """Watches one user's alerts. Every frame holds the whole list, which is short."""

    def __init__(self, user_id: int) -> None:
        self.key = user_id
        self.outboxes: set[Outbox] = set()
        self._body: dict[str, Any] | None = None
        # Of the frames: each says which one it follows. No two feeds begin at the same.
        self._version = time.time_ns() // 1000
        self._reading: asyncio.Task[None] | None = None
        self._again = False

    async def open(self) -> None:
        try:
            # First the subscription, then the look: what is raised in between is announced.
            await hub().join(user_group(self.key), self._announced)
            self._body = await self._read()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await hub().leave(user_group(self.key), self._announced)
        if self._reading is not None:
            self._reading.cancel()

    def snapshot(self) -> str:
        if self._body is None:
            raise RuntimeError("a feed is opened before it is asked for a snapshot")
        return frame("alerts.snapshot", self._body, version=self._version)

    async def _read(self) -> dict[str, Any]:
        return await read_in_thread(lambda: events_body(User(pk=self.key)))

    def _announced(self, message: dict[str, Any]) -> None:
        if message.get("type") == "hub.lost":
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._refresh())
        else:
            self._again = True

    async def _refresh(self) -> None:
        while True:
            self._again = False
            await asyncio.sleep(DEBOUNCE_SECONDS)
            try:
                after = await self._read()
            except Exception:
                # The page keeps its list; the next announcement reads again.
                logger.exception("live_alerts_read_failed", user_id=self.key)
                return
            if after != self._body:
                before, self._version = self._version, self._version + 1
                self._body = after
                text = frame(
                    "alerts.changed", after, version=self._version, previous_version=before
                )
                broadcast(tuple(self.outboxes), text, name="changed")
            if not self._again:
                return


AlertFeeds = Feeds[int, AlertFeed]
_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, AlertFeeds] = WeakKeyDictionary()


def feeds() -> AlertFeeds:
    """The feeds of the running event loop: one set a process, as a process runs one loop."""
    return _feeds.setdefault(asyncio.get_running_loop(), Feeds(AlertFeed))


class AlertConsumer(FeedConsumer):
    """``/ws/alerts``: one snapshot of the user's alerts, then each change of them.

    Who is not signed in is refused before the handshake (403). Close codes: 4401 the session
    ended, 4400 a message that is not ours.
    """

    feed: AlertFeed | None = None
    watch: SessionWatch | None = None

    async def connect(self) -> None:
        self.outbox = Outbox(self.send_text)
        cookie = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        self.watch = SessionWatch(cookie, self._session_ended)
        if not await self.watch.begin():
            raise DenyConnection
        claimed = await read_in_thread(lambda: user_id_claimed_by(cookie))
        if claimed is None:
            raise DenyConnection
        await self.accept()
        self.feed = await feeds().join(int(claimed), self.outbox)
        if self.watch.is_over:
            # The session ended while the feed was being opened.
            await self._leave()
        self.send_snapshot()

    async def disconnect(self, code: int) -> None:
        if self.watch is not None:
            await self.watch.close()
        await self._leave()
        await self.outbox.close()

    async def _leave(self) -> None:
        if self.feed is not None:
            feed, self.feed = self.feed, None
            self.outbox.clear()
            await feeds().leave(feed, self.outbox)

    async def _session_ended(self) -> None:
        await self._leave()
        # The other side may have gone first: then there is nobody to tell.
        with suppress(OSError, RuntimeError):
            await self.send_text(frame("session.ended", {"code": CLOSED_UNAUTHENTICATED}))
            await self.close(CLOSED_UNAUTHENTICATED)
