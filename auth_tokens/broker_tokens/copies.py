"""The process's own copies of the tokens, replaced when any process renews.

A copy is used while its version is current. The version is in Redis; without Redis it is read from
the database, at most once a second. If a copy is stale anyway (Redis forgot), the provider refuses
it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import DatabaseError
from redis.exceptions import RedisError

from auth_tokens.models import BrokerToken
from config.core.clock import now
from config.core.live.hub import announce
from config.core.redis.client import key, redis_client
from config.core.redis.process_copies import ProcessCopies

_VERSION_SECONDS: Final = 60
_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class TokenCopy:
    """A token held by this process, with what tells whether it is current."""

    text: str
    version: int
    credentials: str
    expires_at: datetime | None

    def opens(self, credentials: str) -> bool:
        """Return whether it is unexpired and was obtained with these credentials."""
        ended = self.expires_at is not None and self.expires_at <= now()
        return self.credentials == credentials and not ended

    def __repr__(self) -> str:
        return f"TokenCopy(version={self.version})"


@dataclass(slots=True)
class _Slot:
    copy: TokenCopy | None = None
    checked_at: float = float("-inf")


_slots: ProcessCopies[_Slot] = ProcessCopies(_Slot)


def present_copy(provider: str) -> TokenCopy | None:
    """Return the copy if its version is current."""
    with _slots.lock:
        slot = _slots.get(provider)
        copy, checked_at = slot.copy, slot.checked_at
    if copy is None:
        return None
    version = _announced_version(provider)
    if version is None:
        if time.monotonic() - checked_at < _LOOK_SECONDS:
            return copy
        try:
            version = _stored_version(provider)
        except DatabaseError:
            # Nobody knows of a newer one.
            return copy
        with _slots.lock:
            _slots.get(provider).checked_at = time.monotonic()
    return copy if version == copy.version else None


def keep_copy(provider: str, copy: TokenCopy | None) -> None:
    """Hold this copy from now on, or none."""
    with _slots.lock:
        _slots.get(provider).copy = copy


def announce_version(provider: str, version: int) -> None:
    """Tell every process that this version is current."""
    try:
        redis_client().set(_key(provider), version, ex=_VERSION_SECONDS)
    except RedisError:
        return
    announce("tokens", {"type": "token.changed", "provider": provider, "version": version})


def _announced_version(provider: str) -> int | None:
    try:
        told = redis_client().get(_key(provider))
    except RedisError:
        return None
    if told is not None:
        return int(str(told))
    try:
        version = _stored_version(provider)
    except DatabaseError:
        return None
    try:
        # Do not overwrite what a renewal announced meanwhile.
        redis_client().set(_key(provider), version, ex=_VERSION_SECONDS, nx=True)
    except RedisError:
        return version
    return version


def _stored_version(provider: str) -> int:
    versions = BrokerToken.objects.filter(provider=provider).values_list("version", flat=True)
    return versions.first() or 0


def _key(provider: str) -> str:
    return key("token_version", provider)
