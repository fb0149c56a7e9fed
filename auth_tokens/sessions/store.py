"""Sessions in the database, with a brief copy in the cache.

Django caches the copy for as long as the session lives. A log-out while the cache is away cannot
delete it, so the ended session would be valid again for days once the cache is back. Here a copy
lives for a minute, so an ended session is over everywhere within that time.

Whoever reads the database or the cache cannot use a session: both know its key only as a digest.

A session also ends without a log-out, when somebody logs in as another user over it. However it
ends, everything opened with it is told.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.cached_db import SessionStore as CachedSessionStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.cache import BaseCache, caches

from auth_tokens.sessions.revocation import revoke_sessions
from config.core.clock import now

COPY_SECONDS = 60
# As long as the column.
_DIGEST_BYTES = 20


def stored_key(session_key: str) -> str:
    """Return the digest that a session is stored under. Its key is random, so no salt is needed."""
    return hashlib.blake2b(session_key.encode(), digest_size=_DIGEST_BYTES).hexdigest()


class _Hashed(DatabaseSessionStore):
    """Replaces the key by its digest wherever Django's (synchronous) methods store or look for
    it."""

    # Django names it after the class, but all classes here read one another's data.
    key_salt = "django.contrib.sessions.SessionStore"

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        row: AbstractBaseSession | None = None
        if self.session_key:
            stored = self.model.objects.filter(session_key=stored_key(self.session_key))
            row = stored.filter(expire_date__gt=now()).first()
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key: str) -> bool:
        return bool(super().exists(stored_key(session_key)))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        row = super().create_model_instance(data)
        row.session_key = stored_key(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            super().delete(stored_key(key))


class UncachedSessionStore(_Hashed):
    """What the database says now, past the copies in the cache."""


class SessionStore(_Hashed, CachedSessionStore):
    """Django's ``cached_db`` with copies that live for at most ``COPY_SECONDS``."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._cache: Any = BriefCache(caches[settings.SESSION_CACHE_ALIAS])

    @property
    def cache_key(self) -> str:
        key = self._get_or_create_session_key()  # type: ignore[attr-defined]
        return str(self.cache_key_prefix + stored_key(key))

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
