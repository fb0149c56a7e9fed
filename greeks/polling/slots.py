"""Which polls are due: each slot of each chain is handed out once, whoever asks and how often.

Slots follow the clock (:00, :05, …). The schedule's messages drift against it, so each look also
hands out slots that begin in the next seconds, and the poll waits for its slot. So no slot is
missed if a look comes late or two looks are more than five seconds apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from redis.exceptions import RedisError

from config.core.clock import market_clock_is_frozen
from config.core.redis.client import key, redis_client
from greeks.models import PolledInstrument
from greeks.polling.instruments import enabled_instruments, poll_seconds_by_slug, polled_expiries
from greeks.polling.sessions import open_session

#: A look happens every five seconds; some may be late.
AHEAD = timedelta(seconds=7)
# Later than this into its slot, a poll would be closer to the next one.
_LATEST_SHARE = 0.5
# Longer than looks of several machines lie apart. A slot claimed by a clock that is ahead is free
# again when its time comes; of a slot polled twice the stream keeps one sample.
_CLAIMED_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePoll:
    """A slot of a chain; it begins in ``wait`` seconds."""

    slug: str
    expiry: date
    slot: datetime
    every_seconds: int
    wait: float


def claim_due_polls(at: datetime) -> list[DuePoll]:
    """Claim the polls of slots that begin about now, in their exchanges' sessions.

    Nobody else gets the same ones. Without Redis everyone gets them: the stream keeps one sample,
    or is down as well.
    """
    enabled = enabled_instruments()
    seconds = poll_seconds_by_slug(enabled, at)
    return [
        due
        for instrument in enabled
        for due in _due(instrument, seconds[instrument.slug], at)
        if _claim(due)
    ]


def slot_of(at: datetime, every_seconds: int) -> datetime:
    """Return the slot that contains an instant."""
    return datetime.fromtimestamp(at.timestamp() // every_seconds * every_seconds, UTC)


def _due(instrument: PolledInstrument, every_seconds: int, at: datetime) -> Iterator[DuePoll]:
    every, frozen = timedelta(seconds=every_seconds), market_clock_is_frozen()
    slot = slot_of(at, every_seconds)
    if at - slot > every * _LATEST_SHARE and not frozen:
        slot += every
    # A stopped clock has no next slot.
    until = at if frozen else at + AHEAD
    while slot <= until:
        if open_session(instrument, slot) is not None:
            for expiry in polled_expiries(instrument, slot):
                yield DuePoll(
                    slug=instrument.slug,
                    expiry=expiry,
                    slot=slot,
                    every_seconds=every_seconds,
                    wait=max(0.0, (slot - at).total_seconds()),
                )
        slot += every


def _claim(due: DuePoll) -> bool:
    name = key("chain_slot", due.slug, due.expiry.isoformat(), str(int(due.slot.timestamp())))
    try:
        return bool(redis_client().set(name, 1, nx=True, ex=_CLAIMED_SECONDS))
    except RedisError:
        return True
