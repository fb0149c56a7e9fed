"""The market's websocket: find the chain, join its feed, forward prepared frames."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from urllib.parse import parse_qs

from channels.exceptions import DenyConnection
from django.conf import settings

from auth_tokens.sign_in.session_watch import SessionWatch
from config.core.errors import InvalidInput, NotFound
from config.core.live.consumer import FeedConsumer
from config.core.live.feeds import frame
from config.core.live.hub import Outbox
from greeks.market.feed import MarketFeed, Watched, feeds

CLOSED_UNAUTHENTICATED = 4401
CLOSED_UNKNOWN = 4404


class MarketConsumer(FeedConsumer):
    """``/ws/market/{slug}[?expiry=YYYY-MM-DD]``: one snapshot, then samples and closed minutes.

    Public if the data are; otherwise anonymous clients are refused before the handshake (403).
    Close codes: 4401 session ended, 4404 no such instrument or expiry, 4400 unknown message.
    """

    feed: MarketFeed | None = None
    watch: SessionWatch | None = None

    async def connect(self) -> None:
        self.outbox = Outbox(self.send_text)
        if not settings.MARKET_DATA_PUBLIC:
            cookie = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
            self.watch = SessionWatch(cookie, self._session_ended)
            if not await self.watch.begin():
                raise DenyConnection
        await self.accept()
        try:
            self.feed = await feeds().join(self._watched(), self.outbox)
        except (NotFound, InvalidInput, ValueError):
            await self.close(CLOSED_UNKNOWN)
            return
        if self.watch is not None and self.watch.is_over:
            # The session ended while the feed was opening.
            await self._leave()
        self.send_snapshot()

    async def disconnect(self, code: int) -> None:
        if self.watch is not None:
            await self.watch.close()
        await self._leave()
        await self.outbox.close()

    def _watched(self) -> Watched:
        """Return the chain to watch. Raises ``ValueError`` if the expiry is not a date."""
        query = parse_qs(self.scope.get("query_string", b"").decode("ascii", "replace"))
        expiry = (query.get("expiry") or [None])[-1]
        return Watched(
            self.scope["url_route"]["kwargs"]["slug"],
            None if expiry is None else date.fromisoformat(expiry),
        )

    async def _leave(self) -> None:
        if self.feed is not None:
            feed, self.feed = self.feed, None
            await feeds().leave(feed, self.outbox)

    async def _session_ended(self) -> None:
        await self._leave()
        self.outbox.clear()
        # The client may have left first: then there is nobody to tell.
        with suppress(OSError, RuntimeError):
            await self.send_text(frame("session.ended", {"code": CLOSED_UNAUTHENTICATED}))
            await self.close(CLOSED_UNAUTHENTICATED)
