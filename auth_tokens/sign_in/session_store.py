"""Sessions in the database, with a brief copy in the cache.

Django caches the copy for as long as the session lives. A log-out while the cache is away cannot
delete it, so the ended session would be valid again for days once the cache is back. Here a copy
lives for a minute, so an ended session is over everywhere within that time.

A session also ends without a log-out, when somebody logs in as another user over it. However it
ends, everything opened with it is told.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.cached_db import SessionStore as CachedSessionStore
from django.core.cache import BaseCache, caches

from auth_tokens.sign_in.revocation import revoke_sessions

COPY_SECONDS = 60


class SessionStore(CachedSessionStore):
    """Django's ``cached_db`` with copies that live for at most ``COPY_SECONDS``."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._cache: Any = BriefCache(caches[settings.SESSION_CACHE_ALIAS])

    def flush(self) -> None:
        user_id = self.get(SESSION_KEY)
        super().flush()
        if user_id is not None:
            revoke_sessions(user_ids=[int(user_id)])


class BriefCache:
    """A cache whose entries live for at most ``COPY_SECONDS``, whatever the writer asked for."""

    def __init__(self, cache: BaseCache) -> None:
        self._cache = cache

    def __contains__(self, key: str) -> bool:
        return key in self._cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def set(self, key: str, value: Any, timeout: float) -> None:
        self._cache.set(key, value, min(timeout, COPY_SECONDS))

    async def aset(self, key: str, value: Any, timeout: float) -> None:
        await self._cache.aset(key, value, min(timeout, COPY_SECONDS))
