"""Whether the session behind an open socket is still good: heard of, and asked each minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from auth_tokens.sign_in.session_owner import user_id_claimed_by, user_of_session
from config.core.live.feeds import read_in_thread
from config.core.live.hub import hub

logger = structlog.get_logger(__name__)

RECHECK_SECONDS = 60.0


class SessionWatch:
    """Calls ``ended`` once when the session is no longer somebody's who may sign in."""

    def __init__(self, session_key: str | None, ended: Callable[[], Awaitable[None]]) -> None:
        self._session_key = session_key
        self._ended = ended
        self._group = ""
        self.is_over = False
        self._rechecking: asyncio.Task[None] | None = None

    async def begin(self) -> bool:
        """Whether the session is good now; if it is, it is watched from now on."""
        claimed = await read_in_thread(lambda: user_id_claimed_by(self._session_key))
        if claimed is None:
            return False
        # First the subscription, then the look: what ends in between is announced.
        self._group = f"user.{claimed}"
        await hub().join(self._group, self._announced)
        if not await self._is_good():
            await self.close()
            return False
        self._rechecking = asyncio.create_task(self._recheck_for_ever())
        return True

    async def close(self) -> None:
        """Watch no longer."""
        self.is_over = True
        if self._rechecking is not None and self._rechecking is not asyncio.current_task():
            self._rechecking.cancel()
        if self._group:
            group, self._group = self._group, ""
            await hub().leave(group, self._announced)

    async def _is_good(self) -> bool:
        return await read_in_thread(lambda: user_of_session(self._session_key)) is not None

    def _announced(self, message: dict[str, Any]) -> Awaitable[None] | None:
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
        if self.is_over or await self._is_good() or self.is_over:
            return
        await self.close()
        await self._ended()
