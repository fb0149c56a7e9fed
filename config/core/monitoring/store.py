"""All processes' measurements in Redis: per minute over all names, per ten minutes by name.

Every field is a sum, so any number of processes may add to it. Both kinds of hash expire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from config.core.clock import now
from config.core.monitoring.measured import Measured
from config.core.redis.client import key, redis_client

Key = tuple[str, str, str]
MINUTE: Final = 60
BLOCK: Final = 600
#: Minutes kept, for the chart and for alerts.
KEPT_MINUTES: Final = 180
#: Blocks kept: the last hour and the current one.
KEPT_BLOCKS: Final = 7

_SEPARATOR: Final = "\t"
_MICRO: Final = 1_000_000


def store(measured: Mapping[Key, Measured]) -> None:
    """Add to the current minute and block. Raises ``redis.exceptions.RedisError``."""
    at = now()
    minutes: dict[str, int] = {}
    blocks: dict[str, int] = {}
    for (kind, name, outcome), one in measured.items():
        for field, value in _fields(one, outcome):
            for sums, of in ((minutes, ""), (blocks, name)):
                full = _SEPARATOR.join((kind, of, field))
                sums[full] = sums.get(full, 0) + value
    pipeline = redis_client().pipeline(transaction=False)
    for sums, seconds, kept in ((minutes, MINUTE, KEPT_MINUTES), (blocks, BLOCK, KEPT_BLOCKS)):
        hash_key = _hash_key(at, seconds)
        for full, value in sums.items():
            pipeline.hincrby(hash_key, full, value)
        pipeline.expire(hash_key, seconds * (kept + 1))
    pipeline.execute()


def read_minutes(minutes: int) -> Iterator[tuple[int, dict[Key, Measured]]]:
    """Yield start (seconds since 1970) and sums of each of the last minutes, oldest first.

    Names are empty: a minute sums over them. Raises ``redis.exceptions.RedisError``.
    """
    return _read(MINUTE, minutes)


def read_blocks() -> Iterator[tuple[int, dict[Key, Measured]]]:
    """Yield the last hour's blocks and the current one, as ``read_minutes`` does."""
    return _read(BLOCK, KEPT_BLOCKS)


def _read(seconds: int, count: int) -> Iterator[tuple[int, dict[Key, Measured]]]:
    last = int(now().timestamp()) // seconds
    pipeline = redis_client().pipeline(transaction=False)
    numbers = range(last - count + 1, last + 1)
    for number in numbers:
        pipeline.hgetall(_key_of(seconds, number))
    for number, fields in zip(numbers, pipeline.execute(), strict=True):
        yield number * seconds, _measured(fields.items())


def _fields(one: Measured, outcome: str) -> Iterator[tuple[str, int]]:
    yield f"{outcome}{_SEPARATOR}us", round(one.seconds * _MICRO)
    for bucket, count in one.buckets.items():
        yield f"{outcome}{_SEPARATOR}{bucket}", count
    for name in ("hits", "misses"):
        if value := getattr(one, name):
            yield f"{outcome}{_SEPARATOR}{name}", value
    for name in ("database", "provider"):
        if value := getattr(one, name):
            yield f"{outcome}{_SEPARATOR}{name}", round(value * _MICRO)


def _measured(fields: Iterable[tuple[str, str]]) -> dict[Key, Measured]:
    found: dict[Key, Measured] = {}
    for full, text in fields:
        kind, name, outcome, field = full.split(_SEPARATOR)
        key_of = (kind, name, outcome)
        one = found.get(key_of)
        if one is None:
            one = found[key_of] = Measured()
        value = int(text)
        if field.isdecimal():
            one.buckets[int(field)] = value
        elif field == "us":
            one.seconds = value / _MICRO
        elif field in ("database", "provider"):
            setattr(one, field, value / _MICRO)
        else:
            setattr(one, field, value)
    return found


def _hash_key(at: datetime, seconds: int) -> str:
    return _key_of(seconds, int(at.timestamp()) // seconds)


def _key_of(seconds: int, number: int) -> str:
    return key("monitoring", str(seconds), str(number))
