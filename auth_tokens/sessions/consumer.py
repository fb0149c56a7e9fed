"""A websocket that ends with the session of who opened it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Hashable
from contextlib import suppress
from typing import Any

from channels.exceptions import DenyConnection
from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from auth_tokens.sessions.watch import session_watches
from config.core.errors import InvalidInput, NotFound
from config.core.live.consumer import FeedConsumer
from config.core.live.feeds import frame

CLOSED_UNAUTHENTICATED = 4401
CLOSED_UNKNOWN = 4404


class SessionConsumer(FeedConsumer, ABC):
    """A socket that watches what ``key_for`` says the session's user may watch.

    Anonymous clients are refused before the handshake (403). Close codes: 4401 session ended,
    4404 nothing there that the user may watch, 4400 unknown message.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.is_over = False
        # One change at a time, in the order of the session's reads: the latest one must win.
        self._changing = asyncio.Lock()

    @property
    def is_public(self) -> bool:
        """Whether it needs no session."""
        return False

    @property
    def question(self) -> Hashable:
        """What ``key_for`` depends on besides the user: sockets of one address ask the same."""
        return (type(self), self.scope["path"], self.scope["query_string"])

    @abstractmethod
    def key_for(self, user: User | AnonymousUser) -> Hashable | None:
        """Return the feed to watch; ``None`` if there is nothing. Runs in a thread."""

    def user_read(self, user: User | AnonymousUser) -> None:
        """Take note of the user's settings, when it opens and with each check of the session."""

    async def connect(self) -> None:
        async with self._changing:
            try:
                await self._connect()
            except BaseException:
                await self._leave()
                raise

    async def _connect(self) -> None:
        user: User | AnonymousUser | None = AnonymousUser()
        if self.is_public:
            key = self.key_for(AnonymousUser())
        else:
            user, key = await session_watches().join(self._session_key, self)
        if user is None:
            raise DenyConnection
        self.user_read(user)
        await self.accept()
        with suppress(NotFound, InvalidInput):
            if key is not None:
                await self.follow(key)
        if self.feed is None:
            await self._leave()
            await self.close(CLOSED_UNKNOWN)

    async def disconnect(self, code: int) -> None:
        async with self._changing:
            await self._leave()
        await self.outbox.close()

    async def session_checked(self, user: User | None, key: Hashable | None) -> None:
        """End if the session is over; watch something else if the user's access changed."""
        async with self._changing:
            if self.is_over:
                return
            if user is not None and key is not None:
                self.user_read(user)
                await self.follow(key)
                return
            code = CLOSED_UNAUTHENTICATED if user is None else CLOSED_UNKNOWN
            await self._leave()
            # The client may have left first: then there is nobody to tell.
            with suppress(OSError, RuntimeError):
                await self.send_text(frame("session.ended", {"code": code}))
                await self.close(code)

    async def _leave(self) -> None:
        self.is_over = True
        await self.unfollow()
        await session_watches().leave(self._session_key, self)

    @property
    def _session_key(self) -> str | None:
        key: str | None = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        return key
