"""The latest streamed quote and Greeks of each contract, shared by all processes through Redis.

Latest only: a value replaces the one before it, nothing is queued, and values not renewed expire
after a quarter of an hour. So the store holds at most one small hash per streamed contract, and a
loss is made good by the next second's values. The book itself is in the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec
import structlog
from redis.commands.core import Script
from redis.exceptions import RedisError

from config.core.clock import now
from config.core.redis.client import key, redis_client
from greeks.domain import Contract, Greeks, Quote, Snapshot
from greeks.instruments.identity import instrument_key

logger = structlog.get_logger(__name__)
Item = TypeVar("Item")

#: Seconds after which a value that was not renewed is dropped.
KEPT_SECONDS: Final = 900
#: Most snapshots stored in one call; a stream holds fewer contracts than that.
LARGEST_BATCH: Final = 5000
# Contracts per round trip to Redis: bounded, so that no other command waits long.
_A_ROUND_TRIP: Final = 500
# One command for many contracts: a pipeline of commands costs this process five times as much.
# ARGV: seconds kept, then quote and Greeks of each key, empty for what stays as it is.
_STORE: Final = """
for number, name in ipairs(KEYS) do
  local quote, greeks = ARGV[2 * number], ARGV[2 * number + 1]
  if quote ~= '' then redis.call('HSET', name, 'quote', quote) end
  if greeks ~= '' then redis.call('HSET', name, 'greeks', greeks) end
  redis.call('EXPIRE', name, ARGV[1])
end
"""
# Returns quote and Greeks of each key, nil for what is not there.
_READ: Final = """
local found = {}
for number, name in ipairs(KEYS) do
  local values = redis.call('HMGET', name, 'quote', 'greeks')
  found[2 * number - 1], found[2 * number] = values[1], values[2]
end
return found
"""


class _StoredQuote(msgspec.Struct, frozen=True, array_like=True):
    stored_at: float
    as_of: datetime
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    mark: Decimal | None
    opening_price: Decimal | None
    previous_close: Decimal | None
    volume: int | None
    open_interest: int | None


class _StoredGreeks(msgspec.Struct, frozen=True, array_like=True):
    stored_at: float
    as_of: datetime
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    implied_volatility: float | None
    underlying_price: float | None


_QUOTE_NAMES = _StoredQuote.__struct_fields__[1:]
_GREEK_NAMES = _StoredGreeks.__struct_fields__[1:]
_quote_values, _greek_values = attrgetter(*_QUOTE_NAMES), attrgetter(*_GREEK_NAMES)
_encode = msgspec.json.Encoder().encode
_decode_quote = msgspec.json.Decoder(_StoredQuote).decode
_decode_greeks = msgspec.json.Decoder(_StoredGreeks).decode


def store_streamed(source: str, snapshots: Iterable[Snapshot]) -> int:
    """Replace the latest values of the snapshots' contracts; return how many were stored.

    ``source`` names the stream (``tastytrade``, ``ibkr``). A snapshot without a quote, or without
    Greeks, leaves the stored part as it is. Without Redis nothing is stored and 0 returned.
    """
    stored_at = now().timestamp()
    stored = 0
    remaining = islice(snapshots, LARGEST_BATCH)
    try:
        for part in _parts(remaining):
            told = [each for each in part if each.quote is not None or each.greeks is not None]
            _script(_STORE)(
                keys=[_key(source, each.contract) for each in told],
                args=[KEPT_SECONDS, *(text for each in told for text in _texts(each, stored_at))],
                client=redis_client(),
            )
            stored += len(told)
    except RedisError as error:
        logger.info("streamed_values_lost", source=source, reason=type(error).__name__)
        return 0
    return stored


def read_streamed(
    source: str, contracts: Sequence[Contract], *, newest_seconds: float
) -> list[Snapshot]:
    """Return snapshots of the contracts whose values were stored in the last ``newest_seconds``.

    Age counts from when the stream received the value, on the wall clock; ``as_of`` stays what the
    provider said. An older quote or older Greeks are ``None``; a contract with neither is absent,
    as is everything while Redis is down.
    """
    oldest = now().timestamp() - newest_seconds
    found = []
    try:
        for part in _parts(contracts):
            names = [_key(source, contract) for contract in part]
            texts = _script(_READ)(keys=names, client=redis_client())
            for contract, quote, greeks in zip(part, texts[::2], texts[1::2], strict=True):
                snapshot = _snapshot(source, contract, quote, greeks, oldest)
                if snapshot is not None:
                    found.append(snapshot)
    except RedisError as error:
        logger.info("streamed_values_unread", source=source, reason=type(error).__name__)
        return []
    return found


def _texts(snapshot: Snapshot, stored_at: float) -> tuple[bytes, bytes]:
    quote = greeks = b""
    if snapshot.quote is not None:
        quote = _encode(_StoredQuote(stored_at, *_quote_values(snapshot.quote)))
    if snapshot.greeks is not None:
        greeks = _encode(_StoredGreeks(stored_at, *_greek_values(snapshot.greeks)))
    return quote, greeks


def _snapshot(
    source: str, contract: Contract, quote_text: Any, greeks_text: Any, oldest: float
) -> Snapshot | None:
    quote, greeks = None, None
    try:
        if quote_text is not None and (q := _decode_quote(quote_text)).stored_at >= oldest:
            values = {name: getattr(q, name) for name in _QUOTE_NAMES}
            quote = Quote(contract=contract, source=source, **values)
        if greeks_text is not None and (g := _decode_greeks(greeks_text)).stored_at >= oldest:
            greeks = Greeks(source=source, **{name: getattr(g, name) for name in _GREEK_NAMES})
    except msgspec.MsgspecError:
        # Written by another version of the desk; its next value will be readable.
        logger.info("streamed_value_unreadable", source=source, symbol=contract.symbol)
    if quote is None and greeks is None:
        return None
    return Snapshot(contract=contract, quote=quote, greeks=greeks)


@cache
def _script(text: str) -> Script:
    return redis_client().register_script(text)


def _parts(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while part := list(islice(iterator, _A_ROUND_TRIP)):
        yield part


def _key(source: str, contract: Contract) -> str:
    return key("streamed", source, instrument_key(contract))
