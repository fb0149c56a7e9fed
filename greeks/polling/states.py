"""State of each chain's polls, for ``/system`` and ``/health``. Public: contains no secret."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
import structlog

from config.core.clock import market_now
from config.core.redis.client import key, redis_client
from greeks.models import PolledInstrument
from greeks.polling.instruments import enabled_instruments, polled_expiries

logger = structlog.get_logger(__name__)


class PollRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a chain's last polls.

    ``polled_at`` and ``succeeded_at`` are wall times, ``slot`` the market time polled for.
    ``outcome`` is ``sampled`` or an error's code, with its message in ``error``.
    """

    polled_at: datetime
    slot: datetime
    outcome: str
    error: str = ""
    succeeded_at: datetime | None = None
    consecutive_failures: int = 0
    seconds: float | None = None
    contracts: int | None = None
    contracts_filled: int | None = None
    rejected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """A polled chain and its record; ``None`` if it was not polled in the last days."""

    slug: str
    name: str
    provider: str
    expiry: date
    record: PollRecord | None

    @property
    def is_failing(self) -> bool:
        return self.record is not None and self.record.consecutive_failures > 0


def record_key(slug: str, expiry: date) -> str:
    return key("chain_state", slug, expiry.isoformat())


def chain_states(instruments: Iterable[PolledInstrument] | None = None) -> tuple[ChainState, ...]:
    """Return the state of every polled chain, in the picker's order.

    Raises ``redis.exceptions.RedisError`` if Redis is down.
    """
    at = market_now()
    chains = [
        (instrument, expiry)
        for instrument in (enabled_instruments() if instruments is None else instruments)
        for expiry in polled_expiries(instrument, at)
    ]
    if not chains:
        return ()
    written = redis_client().mget([record_key(each.slug, expiry) for each, expiry in chains])
    return tuple(
        ChainState(
            slug=instrument.slug,
            name=instrument.name,
            provider=instrument.provider,
            expiry=expiry,
            record=read_record(text),
        )
        for (instrument, expiry), text in zip(chains, written, strict=True)
    )


def read_record(text: str | bytes | None) -> PollRecord | None:
    """Return a stored record; ``None`` if missing or written by another version of the desk."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=PollRecord)
    except msgspec.DecodeError:
        logger.warning("chain_state_unreadable")
        return None
