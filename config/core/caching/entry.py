"""A stored answer, and the result a reader gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

#: Increased when the format changes: older entries then count as absent.
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
    """Return the entry; ``None`` if there is none that this version can read."""
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

    ``hit``: it was cached and fresh. ``stale``: it has expired but is served because the fetch
    failed with ``problem``. Ages are in seconds; ``None`` if the answer was never cached.
    """

    data: Data | None
    hit: bool
    age_seconds: float | None = None
    ttl_remaining: float | None = None
    stale: bool = False
    timestamp: datetime | None = None
    problem: str | None = None


def result_of(entry: CacheEntry, data: Any, *, at: float, hit: bool) -> CachedResult[Any]:
    """Return an entry's answer and its age at that instant."""
    return CachedResult(
        data,
        hit=hit,
        age_seconds=max(0.0, at - entry.created_at),
        ttl_remaining=max(0.0, entry.expires_at - at),
        timestamp=datetime.fromtimestamp(entry.created_at, UTC),
    )
