"""Whether the sessions behind open sockets are still good: announced, and checked each minute.

All sockets of a session share one watch, and each check reads once for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable
from functools import partial
from typing import Any, Protocol

import structlog

from auth_tokens.models import User
from auth_tokens.sign_in.session_owner import user_id_claimed_by, user_of_session
from config.core.live.feeds import read_in_thread
from config.core.live.hub import Message, hub
from config.core.live.per_loop import PerLoop

logger = structlog.get_logger(__name__)

RECHECK_SECONDS = 60.0


class SessionSocket(Protocol):
    """An open socket of a session."""

    def key_for(self, user: User) -> Hashable | None:
        """Return what the user may watch here, if anything. Runs in a thread."""

    async def session_checked(self, user: User | None, key: Hashable | None) -> None:
        """Take note of a check. No user: the session is over."""


Checked = tuple[User | None, dict[SessionSocket, Hashable | None]]


class SessionWatch:
    """One session, watched from the first socket's opening to the last one's end."""

    def __init__(self, session_key: str | None, user_id: str) -> None:
        self._session_key = session_key
        self._group = f"user.{user_id}"
        #: All that need the watch, including those still waiting for their first check.
        self.sockets: set[SessionSocket] = set()
        self._checked: set[SessionSocket] = set()
        # Reads end in the order in which they began.
        self._reading = asyncio.Lock()
        self._telling: set[asyncio.Task[None]] = set()
        self._rechecking = asyncio.create_task(self._recheck_for_ever())

    async def open(self, socket: SessionSocket) -> tuple[User | None, Hashable | None]:
        """Return the session's user and what they may watch; later checks go to the socket."""
        # Subscribe first, then read, so that no end in between is missed.
        await hub().join(self._group, self._announced)
        async with self._reading:
            self._checked.add(socket)
            user, keys = await self._read((socket,))
        return user, keys.get(socket)

    async def close(self) -> None:
        self._rechecking.cancel()
        await hub().leave(self._group, self._announced)

    def forget(self, socket: SessionSocket) -> None:
        self.sockets.discard(socket)
        self._checked.discard(socket)

    async def _read(self, sockets: Iterable[SessionSocket]) -> Checked:
        def read() -> Checked:
            user = user_of_session(self._session_key)
            return user, {} if user is None else {each: each.key_for(user) for each in sockets}

        return await read_in_thread(read)

    def _announced(self, message: Message) -> Any:
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
        async with self._reading:
            sockets = tuple(self._checked)
            user, keys = await self._read(sockets)
        # A task each: a slow socket delays no other, and the last one to leave cancels none.
        for socket in sockets:
            task = asyncio.create_task(self._tell(socket, user, keys.get(socket)))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell(self, socket: SessionSocket, user: User | None, key: Hashable | None) -> None:
        try:
            await socket.session_checked(user, key)
        except Exception:
            # Whatever is in the way now, the next check tells it again.
            logger.exception("socket_not_rechecked")


class SessionWatches:
    """The watches of one event loop, by session key."""

    def __init__(self) -> None:
        self._watches: dict[str | None, SessionWatch] = {}

    async def join(
        self, session_key: str | None, socket: SessionSocket
    ) -> tuple[User | None, Hashable | None]:
        """Watch the session for ``socket`` until it leaves.

        Return its user and what they may watch; no user if the session is not good.
        """
        if session_key not in self._watches:
            claimed = await read_in_thread(partial(user_id_claimed_by, session_key))
            if claimed is None:
                return None, None
            # Another socket may have come first.
            if session_key not in self._watches:
                self._watches[session_key] = SessionWatch(session_key, claimed)
        watch = self._watches[session_key]
        watch.sockets.add(socket)
        return await watch.open(socket)

    async def leave(self, session_key: str | None, socket: SessionSocket) -> None:
        watch = self._watches.get(session_key)
        if watch is None:
            return
        watch.forget(socket)
        if not watch.sockets:
            del self._watches[session_key]
            await watch.close()


session_watches = PerLoop(SessionWatches)
