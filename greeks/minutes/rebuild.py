"""Roll a range of minutes up again from the samples still held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from config.core.clock import market_now
from config.core.errors import InvalidInput
from greeks.calendar.sessions import Session
from greeks.minutes.roll_up import (
    PolledChain,
    RolledMinute,
    roll_minutes,
    samples_expected,
    session_minutes,
)
from greeks.models import PolledInstrument
from greeks.polling.instruments import expiry_schedule, instrument_by_slug
from greeks.polling.samples import MINUTE
from greeks.polling.sessions import session_for

#: Holes older than this need no gap.
_LONGEST = timedelta(days=7)
# No exchange opens twice within this time.
_STEP = timedelta(hours=6)


def rebuild(
    *,
    slug: str,
    start: datetime,
    end: datetime,
    expiries: Sequence[date] | None = None,
    at: datetime | None = None,
) -> list[RolledMinute]:
    """Roll up the minutes in [start, end) again from the samples still held.

    A row built from more samples than remain is kept; a hole older than the samples stays a gap.
    Raises ``InvalidInput`` naming the invalid argument, and ``redis.exceptions.RedisError`` if the
    samples cannot be read.
    """
    instrument = instrument_by_slug(slug)
    at = at or market_now()
    sessions = _sessions_between(instrument, start, end, at)
    expected = samples_expected(instrument, at)
    rolled: list[RolledMinute] = []
    schedule = expiry_schedule(instrument)
    for session, minutes in sessions:
        by_expiry: dict[date, list[datetime]] = {}
        for minute in minutes:
            for expiry in expiries or schedule.polled_at(minute):
                by_expiry.setdefault(expiry, []).append(minute)
        for expiry, of_chain in by_expiry.items():
            chain = PolledChain(instrument, expiry, expected)
            rolled += roll_minutes(chain, session, of_chain, rewrite=True)
    return rolled


def _sessions_between(
    instrument: PolledInstrument, start: datetime, end: datetime, at: datetime
) -> list[tuple[Session, list[datetime]]]:
    """Return the sessions of a range with their finished minutes in it, both ascending."""
    if start.tzinfo is None or end.tzinfo is None:
        raise InvalidInput("The time needs a zone.", fields={"from": "an aware time"})
    if start >= end:
        raise InvalidInput("The range is empty.", fields={"to": "a time after the first"})
    if start + MINUTE > at:
        raise InvalidInput(
            "None of these minutes is over yet.", fields={"from": "a minute that is over"}
        )
    if at - start > _LONGEST:
        raise InvalidInput("Too long ago.", fields={"from": f"in the last {_LONGEST.days} days"})
    end = min(end, at)
    by_opening: dict[datetime, Session] = {}
    moment = start
    while moment < end + _STEP:
        session = session_for(instrument, min(moment, end))
        if session is not None:
            by_opening[session.opens_at] = session
        moment += _STEP
    within = {
        opening: [m for m in session_minutes(session, at) if start - MINUTE < m < end]
        for opening, session in by_opening.items()
    }
    found = [
        (by_opening[opening], within[opening]) for opening in sorted(within) if within[opening]
    ]
    if not found:
        raise InvalidInput("No session is in it.", fields={"from": "a time in session"})
    return found
