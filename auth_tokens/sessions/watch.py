"""Whether the sessions behind open sockets are still good: announced, and checked each minute.

All sockets of a session share one watch. Each check reads the session once, and what its user may
watch once for all sockets that ask the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable
from importlib import import_module
from typing import Protocol

import structlog
from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest

from auth_tokens.models import User
from config.core.front_door.grants import ACCESS_GROUP
from config.core.live.feeds import read_in_thread
from config.core.live.hub import Message, hub
from config.core.live.per_loop import PerLoop

logger = structlog.get_logger(__name__)

RECHECK_SECONDS = 60.0


class SessionSocket(Protocol):
    """An open socket of a session."""

    @property
    def question(self) -> Hashable:
        """What ``key_for`` depends on besides the user: equal ones are asked once."""

    def key_for(self, user: User) -> Hashable | None:
        """Return what the user may watch here, if anything. Runs in a thread."""

    async def session_checked(self, user: User | None, key: Hashable | None) -> None:
        """Take note of a check. No user: the session is over."""


Checked = tuple[User | None, dict[Hashable, Hashable | None]]


class SessionWatch:
    """One session, watched from the first socket's opening to the last one's end."""

    def __init__(self, session_key: str) -> None:
        self._session_key = session_key
        #: Whose it is; ``None`` until it has been read, and when it is over.
        self.user_id: int | None = None
        #: All that need the watch, including those still waiting for their first check.
        self.sockets: set[SessionSocket] = set()
        self._checked: set[SessionSocket] = set()
        # Reads end in the order in which they began.
        self._reading = asyncio.Lock()
        self._telling: set[asyncio.Task[None]] = set()
        self._rechecking = asyncio.create_task(self._recheck_for_ever())

    async def open(self, socket: SessionSocket) -> tuple[User | None, Hashable | None]:
        """Return the session's user and what they may watch; later checks go to the socket."""
        async with self._reading:
            self._checked.add(socket)
            user, keys = await self._read((socket,))
        return user, keys.get(socket.question)

    def close(self) -> None:
        self._rechecking.cancel()

    def forget(self, socket: SessionSocket) -> None:
        self.sockets.discard(socket)
        self._checked.discard(socket)

    async def _read(self, sockets: Iterable[SessionSocket]) -> Checked:
        asked = {socket.question: socket for socket in sockets}

        def read() -> Checked:
            user = user_of_session(self._session_key)
            if user is None:
                return None, {}
            return user, {question: one.key_for(user) for question, one in asked.items()}

        user, keys = await read_in_thread(read)
        self.user_id = None if user is None else user.pk
        return user, keys

    async def _recheck_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                await self.recheck()
            except Exception as error:  # noqa: BLE001 - whatever is in the way now, look again
                logger.warning("socket_not_rechecked", reason=type(error).__name__)

    async def recheck(self) -> None:
        """Read the session and tell its sockets."""
        async with self._reading:
            sockets = tuple(self._checked)
            user, keys = await self._read(sockets)
        # A task each: a slow socket delays no other, and the last one to leave cancels none.
        for socket in sockets:
            task = asyncio.create_task(self._tell(socket, user, keys.get(socket.question)))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell(self, socket: SessionSocket, user: User | None, key: Hashable | None) -> None:
        try:
            await socket.session_checked(user, key)
        except Exception:
            # Whatever is in the way now, the next check tells it again.
            logger.exception("socket_not_rechecked")


class SessionWatches:
    """The watches of one event loop, by session key; one subscription for all of them."""

    def __init__(self) -> None:
        self._watches: dict[str, SessionWatch] = {}

    async def join(
        self, session_key: str | None, socket: SessionSocket
    ) -> tuple[User | None, Hashable | None]:
        """Watch the session for ``socket`` until it leaves, which it must also if this raises.

        Return its user and what they may watch; no user if the session is not good.
        """
        if not session_key:
            return None, None
        if session_key not in self._watches:
            self._watches[session_key] = SessionWatch(session_key)
        watch = self._watches[session_key]
        watch.sockets.add(socket)
        # Subscribe first, then read, so that no end in between is missed.
        await hub().join(ACCESS_GROUP, self._heard)
        return await watch.open(socket)

    async def leave(self, session_key: str | None, socket: SessionSocket) -> None:
        watch = self._watches.get(session_key) if session_key else None
        if session_key is None or watch is None:
            return
        watch.forget(socket)
        if watch.sockets:
            return
        del self._watches[session_key]
        watch.close()
        if not self._watches:
            await hub().leave(ACCESS_GROUP, self._heard)

    async def _heard(self, message: Message) -> None:
        kind, user_id = message.get("type"), message.get("user_id")
        if kind not in ("access.revoked", "hub.reconnected"):
            return
        concerned = [
            watch
            for watch in self._watches.values()
            # Whose a session is that is just being read, nobody knows yet.
            if kind == "hub.reconnected" or watch.user_id in (None, user_id)
        ]
        await asyncio.gather(*(watch.recheck() for watch in concerned))


session_watches = PerLoop(SessionWatches)


def user_of_session(session_key: str | None) -> User | None:
    """Return the active user of a stored session, looked up again.

    ``None`` after log-out, expiry or a changed password.
    """
    if not session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = auth.get_user(request)
    return user if isinstance(user, User) and user.is_active else None
