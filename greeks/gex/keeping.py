"""Answers kept in the cache: ``gex:{symbol}:{date}`` for five minutes, and the last good one.

The fresh entry ends with its time; the last good one stays for days beside it, for when the chain
cannot be fetched. Only answers over all expiries are kept.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date

import msgspec
import structlog
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from config.core.redis.client import key
from greeks.gex.shapes import GexData

logger = structlog.get_logger(__name__)

FRESH_SECONDS = 300
LAST_GOOD_SECONDS = 4 * 86_400


@dataclass(frozen=True, slots=True)
class Place:
    """Whose answer, of which day, under which definition; ``variant`` is empty for the desk's."""

    symbol: str
    day: date
    variant: str = ""

    def key(self, kind: str = "gex") -> str:
        parts = (kind, self.symbol, self.day.isoformat(), self.variant)
        return key(*(part for part in parts if part))


class _Envelope(msgspec.Struct, array_like=True, frozen=True):
    created_at: float
    body: GexData


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept answer and its age in seconds."""

    body: GexData
    age: float


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Envelope)


def read_kept(place: Place) -> Kept | None:
    """Return a fresh answer; ``None`` if there is none or the cache is down."""
    return _read(place.key())


def read_last_good(place: Place) -> Kept | None:
    """Return the last good answer, of any day."""
    return _read(_last(place))


def keep(place: Place, body: GexData) -> None:
    """Keep an answer that was just computed. Without the cache it is only logged."""
    envelope = _encoder.encode(_Envelope(time.time(), body))
    try:
        pipeline = get_redis_connection("default").pipeline(transaction=False)
        pipeline.set(place.key(), envelope, ex=FRESH_SECONDS)
        pipeline.set(_last(place), envelope, ex=LAST_GOOD_SECONDS)
        pipeline.execute()
    except RedisError as error:
        logger.warning("gex.not_kept", reason=type(error).__name__)


def _last(place: Place) -> str:
    parts = ("gex_last", place.symbol, place.variant)
    return key(*(part for part in parts if part))


def _read(name: str) -> Kept | None:
    try:
        stored = get_redis_connection("default").get(name)
        envelope = None if stored is None else _decoder.decode(stored)
    except (RedisError, msgspec.DecodeError) as error:
        logger.warning("gex.not_read", reason=type(error).__name__)
        return None
    if envelope is None:
        return None
    return Kept(envelope.body, max(0.0, time.time() - envelope.created_at))
