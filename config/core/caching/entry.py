"""What is kept of an answer, and what a reader gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

#: Raised when entries change their form: older ones then count as absent.
SCHEMA: Final = 1

Data = TypeVar("Data")


class CacheEntry(msgspec.Struct, array_like=True, frozen=True):
    """A stored answer. Times are seconds since the epoch; ``value`` is JSON, as it is served."""

    schema: int
    key: str
    ttl: float
    created_at: float
    expires_at: float
    value: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CacheEntry)


def pack(entry: CacheEntry) -> bytes:
    return _encoder.encode(entry)


def unpack(stored: bytes | None) -> CacheEntry | None:
    """Return the entry; ``None`` if there is none, or one that this version cannot read."""
    if stored is None:
        return None
    try:
        entry = _decoder.decode(stored)
    except msgspec.DecodeError:
        return None
    return entry if entry.schema == SCHEMA else None


@dataclass(frozen=True, slots=True)
class CachedResult(Generic[Data]):
    """An answer and where it came from.

    ``hit``: the cache had it, fresh. ``stale``: it is past its time, given because the fetch
    failed with ``problem``. Ages are seconds; ``None`` if the answer was never cached.
    """

    data: Data | None
    hit: bool
    age_seconds: float | None = None
    ttl_remaining: float | None = None
    stale: bool = False
    timestamp: datetime | None = None
    problem: str | None = None


def result_of(entry: CacheEntry, data: Any, *, at: float, hit: bool) -> CachedResult[Any]:
    """Return an entry's answer with its age at an instant."""
    return CachedResult(
        data,
        hit=hit,
        age_seconds=max(0.0, at - entry.created_at),
        ttl_remaining=max(0.0, entry.expires_at - at),
        timestamp=datetime.fromtimestamp(entry.created_at, UTC),
    )
