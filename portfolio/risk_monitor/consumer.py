"""The portfolio's websocket: authenticate, join the feed, forward prepared frames."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import structlog
from channels.exceptions import DenyConnection
from django.conf import settings

from auth_tokens.models import User
from auth_tokens.sign_in.session_owner import user_id_claimed_by, user_of_session
from config.core.errors import NotFound
from config.core.live.consumer import FeedConsumer
from config.core.live.feeds import frame, read_in_thread
from config.core.live.hub import Outbox, hub
from portfolio.risk_monitor.body import accounts_for_risk
from portfolio.risk_monitor.feed import BookFeed, feeds

logger = structlog.get_logger(__name__)

# How often an open socket's session and access are looked at again.
RECHECK_SECONDS = 60.0
CLOSED_UNAUTHENTICATED = 4401
CLOSED_UNKNOWN = 4404


class PortfolioConsumer(FeedConsumer):
    """``/ws/portfolio[?account_id=]``: one snapshot, then what changes.

    Who is not signed in is refused before the handshake (403). Close codes: 4401 the session
    ended, 4404 unknown account, 4400 a message that is not ours. The client may send
    ``{"type": "resync"}`` and gets a new snapshot.
    """

    feed: BookFeed | None = None
    rechecking: asyncio.Task[None] | None = None
    account_id: str | None = None
    user_group = ""
    is_over = False

    async def connect(self) -> None:
        query = parse_qs(self.scope.get("query_string", b"").decode("ascii", "replace"))
        self.account_id = (query.get("account_id") or [None])[-1]
        self.outbox = Outbox(self.send_text)
        # One look at what is allowed at a time: the later one must win.
        self.access = asyncio.Lock()
        claimed = await read_in_thread(lambda: user_id_claimed_by(self._session_key))
        if claimed is None:
            raise DenyConnection
        async with self.access:
            # First the subscription, then the look: what ends in between is announced.
            self.user_group = f"user.{claimed}"
            await hub().join(self.user_group, self._user_announced)
            user, account_ids = await read_in_thread(self._authorise)
            if user is None:
                await self._leave()
                raise DenyConnection
            await self.accept()
            if account_ids is None:
                await self._leave()
                await self.close(CLOSED_UNKNOWN)
                return
            await self._follow(account_ids)
        self.rechecking = asyncio.create_task(self._recheck_for_ever())

    async def disconnect(self, code: int) -> None:
        if self.user_group:
            # With the lock nobody else is in the middle of following or leaving.
            async with self.access:
                if self.rechecking is not None:
                    self.rechecking.cancel()
                await self._leave()
        if hasattr(self, "outbox"):
            await self.outbox.close()

    async def _leave(self) -> None:
        self.is_over = True
        await self._unfollow()
        await hub().leave(self.user_group, self._user_announced)

    @property
    def _session_key(self) -> str | None:
        key: str | None = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        return key

    def _authorise(self) -> tuple[User | None, list[str] | None]:
        """The session's user and the accounts to follow; ``None`` for what is not (theirs)."""
        user = user_of_session(self._session_key)
        if user is None:
            return None, None
        try:
            accounts = accounts_for_risk(user=user, account_id=self.account_id)
        except NotFound:
            return user, None
        return user, [account.account_id for account in accounts]

    async def _follow(self, account_ids: list[str]) -> None:
        self.feed = await feeds().join(account_ids, self.outbox)
        self.send_snapshot()

    async def _unfollow(self) -> None:
        if self.feed is not None:
            feed, self.feed = self.feed, None
            # What waits for a slow socket is of accounts that may be another's now.
            self.outbox.clear()
            await feeds().leave(feed, self.outbox)

    def _user_announced(self, message: dict[str, Any]) -> Any:
        if message.get("type") in ("session.revoked", "hub.reconnected"):
            return self._recheck()
        return None

    async def _recheck_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                await self._recheck()
            except Exception as error:  # noqa: BLE001 - whatever is in the way now, look again
                logger.warning("socket_not_rechecked", reason=type(error).__name__)

    async def _recheck(self) -> None:
        """End a socket whose session is gone; follow other accounts when access changed."""
        async with self.access:
            if self.is_over:
                return
            user, account_ids = await read_in_thread(self._authorise)
            if user is None:
                await self._end(CLOSED_UNAUTHENTICATED)
            elif account_ids is None:
                await self._end(CLOSED_UNKNOWN)
            elif self.feed is None or tuple(sorted(account_ids)) != self.feed.account_ids:
                await self._unfollow()
                await self._follow(account_ids)

    async def _end(self, code: int) -> None:
        await self._leave()
        # The other side may have gone first: then there is nobody to tell.
        with suppress(OSError, RuntimeError):
            await self.send_text(frame("session.ended", {"code": code}))
            await self.close(code)
