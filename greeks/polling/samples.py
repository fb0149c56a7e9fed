"""A chain's samples in a Redis stream: one per slot, kept for two hours, never in the database.

The entry's id is the slot's time in milliseconds, and Redis refuses the same id twice: if a slot is
polled twice, one sample is kept. Slots are on the market's clock.

========  ==========================================================================================
field     holds
========  ==========================================================================================
numbers   little-endian float64, base64: 12 sums, 12 of the vendor's own (side by Greek), the
          eleven of ``_OTHERS``, 200 for the |delta| buckets; NaN is missing
seen      the sample's number within its minute, from 1
expected  how many samples the minute should have at that interval
as_of     the chain's own time, ISO 8601
source    the provider; ``simulated`` is 1 if it is the sandbox
========  ==========================================================================================

Beside the stream, each minute's last poll leaves the Greeks by contract, for the changes of ranges.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import structlog
from redis.client import Pipeline
from redis.exceptions import ResponseError

from config.core.redis.client import key, redis_client
from greeks.chains import SIDES, SUMMED_GREEKS, Floats
from greeks.maths.aggregation import BUCKETS_SHAPE, ChainSums
from greeks.maths.changes import ContractGreeks

logger = structlog.get_logger(__name__)

#: How long samples are kept and a minute can be rebuilt.
KEPT = timedelta(hours=2)
MINUTE = timedelta(minutes=1)
# A clock this far ahead of Redis's is wrong, and one this close to it is right.
_SKEW = timedelta(minutes=1)
# A stream nobody writes to any more expires.
_STREAM_SECONDS = 4 * 86_400
_SUMS_SHAPE = (len(SIDES), len(SUMMED_GREEKS))
_SUMS = len(SIDES) * len(SUMMED_GREEKS)
_OTHERS = (
    "call_open_interest", "put_open_interest", "call_volume", "put_volume", "pcr", "max_pain",
    "atm_implied_volatility", "contracts", "contracts_without_greeks", "contracts_filled",
)  # fmt: skip
_LENGTH = 2 * _SUMS + 1 + len(_OTHERS) + int(np.prod(BUCKETS_SHAPE))

# A stream accepts no entry older than its newest, even if that was deleted: so rewrite it without
# the entries from the future.
_FORGET_FUTURE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local slot, skew = tonumber(ARGV[1]), tonumber(ARGV[2])
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not newest or math.abs(slot - now) > skew then return 0 end
if tonumber(string.match(newest[1], '^%d+')) - now <= skew then return 0 end
local kept = redis.call('XRANGE', KEYS[1], '-', '(' .. ARGV[1])
redis.call('DEL', KEYS[1])
for _, entry in ipairs(kept) do redis.call('XADD', KEYS[1], entry[1], unpack(entry[2])) end
return 1
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainSample:
    """One poll of a chain. ``spot`` is NaN if the vendor gave none."""

    slot: datetime
    as_of: datetime
    source: str
    simulated: bool
    spot: float
    sums: ChainSums
    #: The sample's number within its minute, and how many the minute should have.
    seen: int
    expected: int

    @property
    def minute(self) -> datetime:
        return self.slot.replace(second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class LastSlot:
    """The newest sample's slot and its number within its minute."""

    slot: datetime
    seen: int


def samples_key(slug: str, expiry: date) -> str:
    return key("chain_samples", slug, expiry.isoformat())


def add_sample(pipeline: Pipeline, slug: str, expiry: date, sample: ChainSample) -> None:
    """Queue the two commands that store a sample; ``was_added`` reads the first one's answer."""
    name, at = samples_key(slug, expiry), _milliseconds(sample.slot)
    pipeline.xadd(
        name,
        encode_sample(sample),  # type: ignore[arg-type]
        id=f"{at}-0",
        minid=at - int(KEPT.total_seconds() * 1000),
        approximate=True,
    )
    pipeline.expire(name, _STREAM_SECONDS)


def queue_contracts(
    pipeline: Pipeline, slug: str, expiry: date, minute: datetime, contracts: ContractGreeks
) -> None:
    """Queue the command that holds a minute's latest Greeks by contract, if there are any."""
    if len(contracts):
        packed = (
            "\n".join(contracts.keys),
            contracts.is_call.tobytes(),
            contracts.greeks.astype("<f8").tobytes(),
        )
        text = base64.b64encode(msgspec.msgpack.encode(packed)).decode()
        seconds = int((KEPT + 10 * MINUTE).total_seconds())
        pipeline.set(_contracts_key(slug, expiry, minute), text, ex=seconds)


def read_contracts(
    slug: str, expiry: date, minutes: Sequence[datetime]
) -> dict[datetime, ContractGreeks]:
    """Return the Greeks held by contract. Raises ``redis.exceptions.RedisError``."""
    if not minutes:
        return {}
    found: Any = redis_client().mget([_contracts_key(slug, expiry, at) for at in minutes])
    return {
        at: _decoded_contracts(text)
        for at, text in zip(minutes, found, strict=True)
        if text is not None
    }


def _decoded_contracts(text: str) -> ContractGreeks:
    keys, is_call, greeks = msgspec.msgpack.decode(
        base64.b64decode(text), type=tuple[str, bytes, bytes]
    )
    numbers = np.frombuffer(greeks, dtype="<f8")
    return ContractGreeks(
        keys=tuple(keys.split("\n")),
        is_call=np.frombuffer(is_call, dtype=np.bool_),
        greeks=numbers.reshape(len(SUMMED_GREEKS), -1),
    )


def _contracts_key(slug: str, expiry: date, minute: datetime) -> str:
    return key("chain_contracts", slug, expiry.isoformat(), str(int(minute.timestamp())))


def was_added(answer: Any) -> bool:
    """Return ``False`` if the slot or a later one already has a sample.

    Raises any other error Redis answered, such as full memory.
    """
    if isinstance(answer, ResponseError) and "equal or smaller" in str(answer):
        return False
    if isinstance(answer, Exception):
        raise answer
    return True


def forget_future_samples(slug: str, expiry: date, slot: datetime) -> bool:
    """Drop future samples left by a clock that was ahead, which would block all others until then.

    Returns ``True`` if there were any. Redis's own time decides, and only for a ``slot`` close to
    it. Raises ``redis.exceptions.RedisError`` if Redis is down.
    """
    arguments = _milliseconds(slot), int(_SKEW.total_seconds() * 1000)
    return bool(redis_client().eval(_FORGET_FUTURE, 1, samples_key(slug, expiry), *arguments))


def last_slot(slug: str, expiry: date) -> LastSlot | None:
    """Return the newest sample's slot. Raises ``redis.exceptions.RedisError`` if Redis is down."""
    reply = redis_client().xrevrange(samples_key(slug, expiry), count=1)
    for entry_id, fields in _entries(reply):
        return LastSlot(_slot(entry_id), int(fields.get("seen", 1)))
    return None


def read_samples(
    slug: str, expiry: date, start: datetime, end: datetime
) -> dict[datetime, list[ChainSample]]:
    """Return samples with slots in [start, end), ascending, by minute.

    Raises ``redis.exceptions.RedisError`` if Redis is down: what exists is then unknown.
    """
    found: dict[datetime, list[ChainSample]] = {}
    reply = redis_client().xrange(
        samples_key(slug, expiry), min=_milliseconds(start), max=f"({_milliseconds(end)}"
    )
    for entry_id, fields in _entries(reply):
        sample = _readable(entry_id, fields)
        if sample is not None:
            found.setdefault(sample.minute, []).append(sample)
    return found


def latest_sample(slug: str, expiry: date) -> ChainSample | None:
    """Return the newest sample. Raises ``redis.exceptions.RedisError`` if Redis is down."""
    reply = redis_client().xrevrange(samples_key(slug, expiry), count=1)
    for entry_id, fields in _entries(reply):
        return _readable(entry_id, fields)
    return None


def encode_sample(sample: ChainSample) -> dict[str, str]:
    sums = sample.sums
    numbers = np.concatenate(
        [
            sums.everything.ravel(),
            sums.vendor.ravel(),
            [sample.spot, *(getattr(sums, name) for name in _OTHERS)],
            sums.buckets.ravel(),
        ]
    )
    return {
        "numbers": base64.b64encode(numbers.astype("<f8").tobytes()).decode(),
        "seen": str(sample.seen),
        "expected": str(sample.expected),
        "as_of": sample.as_of.isoformat(),
        "source": sample.source,
        "simulated": "1" if sample.simulated else "0",
    }


def decode_sample(entry_id: str, fields: Mapping[str, str]) -> ChainSample:
    """Decode an entry. Raises ``ValueError`` or ``KeyError`` if it is not one of ours."""
    numbers = np.frombuffer(base64.b64decode(fields["numbers"], validate=True), dtype="<f8")
    if numbers.size != _LENGTH:
        raise ValueError(f"a sample has {_LENGTH} numbers, not {numbers.size}")
    start = 2 * _SUMS
    spot, *others = numbers[start : start + 1 + len(_OTHERS)].tolist()
    values = dict(zip(_OTHERS, others, strict=True))
    return ChainSample(
        slot=_slot(entry_id),
        as_of=datetime.fromisoformat(fields["as_of"]),
        source=fields["source"],
        simulated=fields["simulated"] == "1",
        spot=spot,
        sums=ChainSums(
            everything=_shaped(numbers[:_SUMS], _SUMS_SHAPE),
            vendor=_shaped(numbers[_SUMS:start], _SUMS_SHAPE),
            buckets=_shaped(numbers[start + 1 + len(_OTHERS) :], BUCKETS_SHAPE),
            contracts=int(values.pop("contracts")),
            contracts_without_greeks=int(values.pop("contracts_without_greeks")),
            contracts_filled=int(values.pop("contracts_filled")),
            **values,
        ),
        seen=int(fields["seen"]),
        expected=int(fields["expected"]),
    )


def _entries(reply: Any) -> Iterable[tuple[str, Mapping[str, str]]]:
    """Narrow redis-py's type to what decoded answers really are."""
    return reply or ()


def _readable(entry_id: str, fields: Mapping[str, str]) -> ChainSample | None:
    try:
        return decode_sample(entry_id, fields)
    except (KeyError, ValueError, binascii.Error) as error:
        # Another version of the desk wrote it: treat it as missing.
        logger.warning("chain_sample_unreadable", entry=entry_id, reason=str(error)[:200])
        return None


def _shaped(values: Floats, shape: tuple[int, ...]) -> Floats:
    return values.astype(np.float64).reshape(shape)


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _slot(entry_id: str) -> datetime:
    return datetime.fromtimestamp(int(entry_id.partition("-")[0]) / 1000, UTC)
